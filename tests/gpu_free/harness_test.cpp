// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The harness against kernels with known faults: what it promises to catch, it catches, and what is
// right passes under every order of threads. Here: barriers, masks, shuffles.

#include <numeric>

#include "harness_cases.hpp"

namespace {

/// sums[b] = the sum of block b's values.     `barrier` and `extra` are what the tests break
template <int Threads, bool Barrier>
__global__ void block_sum(float const* values, std::int64_t n, float* sums) {
  __shared__ float partial[Threads];
  std::int64_t const i = std::int64_t{blockIdx.x} * Threads + threadIdx.x;
  partial[threadIdx.x] = i < n ? values[i] : 0.f;
  __syncthreads();
  for (unsigned step = Threads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
    if constexpr (Barrier) __syncthreads();
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = partial[0];
}

}  // namespace

TEST_CASE("a block reduction with static shared memory", "[harness]") {
  std::int64_t const n = 1000;
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.f);
  DeviceBuffer<float> const in(values, 4);
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<float> sums(4);
    REQUIRE(launch(block_sum<256, true>, 4, 256, in.data(), n, sums.data()) == cudaSuccess);
    REQUIRE(sums.is_written());
    auto const host = sums.host();
    REQUIRE(host[0] == 256 * 257 / 2);
    REQUIRE(std::accumulate(host.begin(), host.end(), 0.f) == 1000 * 1001 / 2);
  });
}

#if defined(GPU_FREE_SHADOW)
TEST_CASE("a missing barrier is a race", "[harness]") {
  DeviceBuffer<float> const in(std::vector<float>(256, 1.f));
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<float> sums(1);
    REQUIRE_FAULT((launch(block_sum<256, false>, 1, 256, in.data(), 256, sums.data())), "race");
  });
}
#endif

TEST_CASE("a missing barrier gives wrong sums under some order", "[harness]") {
  // Without the shadow the shuffled order has to show it.
  DeviceBuffer<float> const in(std::vector<float>(256, 1.f));
  bool caught = false;
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<float> sums(1);
    try {
      (void)launch(block_sum<256, false>, 1, 256, in.data(), 256, sums.data());
      caught = caught || sums.host()[0] != 256.f;
    } catch (Fault const&) {
      caught = true;
    }
  });
  REQUIRE(caught);
}

namespace {
template <class T>
__global__ void divergent(T* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

template <class T>
__global__ void half_waits(T* out) {
  if (threadIdx.x < 32) __syncwarp(threadIdx.x < 16 ? 0xFFFFu : 0xFFFFFFFFu);
  out[threadIdx.x] = 1;
}

template <class T>
__global__ void lane_stays_away(T* out) {
  if (threadIdx.x % 32 != 7) out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFu, 1, 1);
}

template <class T>
__global__ void lane_waits_elsewhere(T* out) {
  if (threadIdx.x % 32 != 7) {
    out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFu, 1, 1);
  } else {
    __syncthreads();
  }
}

template <class T>
__global__ void foreign_mask(T* out) {
  out[threadIdx.x] = __shfl_sync(0xFFFFu, T{3}, 0);
}
}  // namespace

TEST_CASE("barriers and masks that do not fit are reported", "[harness]") {
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<int> out(64);
    REQUIRE_FAULT(launch(divergent<int>, 1, 64, out.data()), "divergent barrier");
    REQUIRE_FAULT(launch(half_waits<int>, 1, 64, out.data()), "__syncwarp");
    REQUIRE_FAULT(launch(lane_stays_away<int>, 1, 64, out.data()), "__shfl_xor_sync");
    REQUIRE_FAULT(launch(lane_waits_elsewhere<int>, 1, 64, out.data()), "deadlock");
    REQUIRE_FAULT(launch(foreign_mask<int>, 1, 64, out.data()), "does not name the calling lane");
  });
}

namespace {
template <class T>
__global__ void shuffles(T const* in, T* out) {
  T const x = in[threadIdx.x];
  T sum = x;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
  T running = x;
  for (unsigned step = 1; step < 32; step *= 2) {
    T const other = __shfl_up_sync(0xFFFFFFFFu, running, step);
    if (threadIdx.x % 32 >= step) running += other;
  }
  out[threadIdx.x] = sum;
  out[blockDim.x + threadIdx.x] = running;
  out[2 * blockDim.x + threadIdx.x] = __shfl_down_sync(0xFFFFFFFFu, x, 1, 8);
  out[3 * blockDim.x + threadIdx.x] = __ballot_sync(0xFFFFFFFFu, x % 3 == 0);
  out[4 * blockDim.x + threadIdx.x] = __syncthreads_count(x % 3 == 0) * 4 +
                                      __syncthreads_or(x == 68) * 2 + __syncthreads_and(x > 5);
}
}  // namespace

TEST_CASE("shuffles and votes", "[harness]") {
  std::vector<unsigned> values(64);
  std::iota(values.begin(), values.end(), 5u);
  DeviceBuffer<unsigned> const in(values);
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<unsigned> out(320);
    REQUIRE(launch(shuffles<unsigned>, 1, 64, in.data(), out.data()) == cudaSuccess);
    auto const host = out.host();
    for (unsigned warp = 0; warp < 2; ++warp) {
      unsigned running = 0, all = 0;
      for (unsigned lane = 0; lane < 32; ++lane) all += values[warp * 32 + lane];
      for (unsigned lane = 0; lane < 32; ++lane) {
        unsigned const t = warp * 32 + lane;
        running += values[t];
        REQUIRE(host[t] == all);
        REQUIRE(host[64 + t] == running);
        REQUIRE(host[128 + t] == values[lane % 8 == 7 ? t : t + 1]);
        REQUIRE(host[256 + t] ==
                21 * 4 + 2);  // 6, 9, ..., 66 of 5 .. 68; 68 is there; 5 is not > 5
        REQUIRE((host[192 + t] >> lane & 1u) == (values[t] % 3 == 0));
      }
    }
  });
}
