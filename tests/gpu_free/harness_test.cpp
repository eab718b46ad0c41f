// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The harness against kernels with known faults: what it promises to catch, it catches, and what is
// right passes under every order of threads.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstdint>
#include <numeric>
#include <vector>

#include "gpu_free/async.hpp"
#include "gpu_free/device_buffer.hpp"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using gpu_free::DeviceBuffer;
using gpu_free::Fault;

namespace {

constexpr int seeds = 6;

template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

template <class... Params, class... Args>
cudaError_t launch_cluster(void (*kernel)(Params...), unsigned blocks, unsigned cluster,
                           unsigned threads, std::size_t shared, Args... args) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {cluster, 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared;
  config.attrs = &attribute;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

#define REQUIRE_FAULT(expression, text) \
  REQUIRE_THROWS_MATCHES(expression, Fault, MessageMatches(ContainsSubstring(text)))

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
}
}  // namespace

TEST_CASE("shuffles and votes", "[harness]") {
  std::vector<unsigned> values(64);
  std::iota(values.begin(), values.end(), 5u);
  DeviceBuffer<unsigned> const in(values);
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<unsigned> out(256);
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
        REQUIRE((host[192 + t] >> lane & 1u) == (values[t] % 3 == 0));
      }
    }
  });
}

#if defined(GPU_FREE_SHADOW)
namespace {
/// Neighbours exchange a word through shared memory.
template <bool Sync>
__global__ void exchange(int* out) {
  __shared__ int slot[32];
  slot[threadIdx.x] = static_cast<int>(threadIdx.x);
  if constexpr (Sync) {
    __syncwarp();
  } else {
    (void)__ballot_sync(0xFFFFFFFFu, 1);  // brings the lanes together and orders no memory
  }
  out[threadIdx.x] = slot[threadIdx.x ^ 1];
}

template <class T>
__global__ void reads_unwritten(T* out) {
  __shared__ T slot[32];
  if (threadIdx.x < 16) slot[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = slot[threadIdx.x];
}

template <class T>
__global__ void all_write_one(T* out) {
  out[0] = 1;
}

template <class T>
__global__ void copies(T const* in, T* out, std::int64_t n) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i];
}
}  // namespace

TEST_CASE("a vote orders no memory, __syncwarp does", "[harness]") {
  DeviceBuffer<int> out(32);
  REQUIRE(launch(exchange<true>, 1, 32, out.data()) == cudaSuccess);
  REQUIRE(out.host()[4] == 5);
  REQUIRE_FAULT(launch(exchange<false>, 1, 32, out.data()), "race");
}

TEST_CASE("unwritten and foreign memory", "[harness]") {
  DeviceBuffer<int> out(32);
  REQUIRE_FAULT(launch(reads_unwritten<int>, 1, 32, out.data()), "nobody has written");
  REQUIRE_FAULT(launch(all_write_one<int>, 1, 32, out.data()), "race");
  REQUIRE_FAULT(launch(all_write_one<int>, 2, 1, out.data()), "race");
  DeviceBuffer<int> const empty(32);
  REQUIRE_FAULT(launch(copies<int>, 1, 32, empty.data(), out.data(), 32), "nobody has written");
  DeviceBuffer<int> const in(std::vector<int>(32, 7));
  REQUIRE_FAULT(launch(copies<int>, 2, 32, in.data(), out.data(), 33), "outside of shared memory");
  REQUIRE_FAULT(launch(copies<int>, 1, 32, in.data() - 1, out.data(), 1), "before the begin");
  std::vector<int> host(32, 1);
  REQUIRE_FAULT(launch(copies<int>, 1, 32, host.data(), out.data(), 32),
                "outside of shared memory");
  DeviceBuffer<std::uint8_t> bytes(std::vector<std::uint8_t>(64, 1), 2);
  REQUIRE_FAULT(launch(copies<int>, 1, 1, reinterpret_cast<int*>(bytes.data()), out.data(), 1),
                "misaligned");
  REQUIRE(launch(copies<int>, 1, 32, in.data(), out.data(), 31) == cudaSuccess);
  REQUIRE(out.host()[30] == 7);
  out.poison();
  REQUIRE(launch(copies<int>, 1, 32, in.data(), out.data(), 31) == cudaSuccess);
  REQUIRE(out.is_written(0, 31));
  REQUIRE_FALSE(out.is_written());
}

namespace {
/// The last block to arrive adds the others' words up.
template <bool Fence>
__global__ void last_block(int* parts, unsigned* count, int* sum) {
  parts[blockIdx.x] = static_cast<int>(blockIdx.x);
  if constexpr (Fence) __threadfence();
  if (atomicAdd(count, 1u) != gridDim.x - 1) return;
  int all = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) all += parts[b];
  *sum = all;
}
}  // namespace

TEST_CASE("blocks meet by a fence and an atomic", "[harness]") {
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<int> parts(9), sum(1);
    DeviceBuffer<unsigned> count(std::vector<unsigned>{0});
    REQUIRE(launch(last_block<true>, 9, 1, parts.data(), count.data(), sum.data()) == cudaSuccess);
    REQUIRE(sum.host()[0] == 36);
    DeviceBuffer<unsigned> again(std::vector<unsigned>{0});
    REQUIRE_FAULT(launch(last_block<false>, 9, 1, parts.data(), again.data(), sum.data()), "race");
  });
}
#endif

namespace {
/// Tiles of 64 words go through a ring of two stages, filled by bulk copies. Fault: 1 no wait for a
/// full stage, 2 no arrival at "empty", 3 too many bytes expected.
template <int Fault>
__global__ void ring(unsigned const* in, unsigned* out, int tiles) {
  constexpr int stages = 2, words = 64;
  auto* const stage = reinterpret_cast<unsigned*>(gpu_free::dynamic_shared());
  auto* const full = reinterpret_cast<std::uint64_t*>(stage + stages * words);
  auto* const empty = full + stages;
  gpu_free::Site const site{__FILE__, __LINE__};
  if (threadIdx.x == 0)
    for (int s = 0; s < stages; ++s) {
      gpu_free::mbarrier_init(full + s, 1, site);
      gpu_free::mbarrier_init(empty + s, 32, site);
      gpu_free::mbarrier_init_fence(site);
    }
  __syncthreads();
  if (threadIdx.x >= 32) {  // the producer warp
    if (threadIdx.x != 32) return;
    for (int tile = 0; tile < tiles; ++tile) {
      int const s = tile % stages, round = tile / stages;
      if (round > 0)
        while (!gpu_free::mbarrier_test(empty + s, (round - 1) & 1, true, site)) {
        }
      gpu_free::mbarrier_expect_tx(full + s, words * 4 + (Fault == 3 ? 16 : 0), site);
      gpu_free::mbarrier_arrive(full + s, 1, site);
      gpu_free::Piece const piece{stage + s * words, in + tile * words, words * 4};
      gpu_free::bulk_copy(&piece, 1, full + s, site);
    }
  } else {
    unsigned sum = 0;
    for (int tile = 0; tile < tiles; ++tile) {
      int const s = tile % stages, round = tile / stages;
      if constexpr (Fault != 1)
        while (!gpu_free::mbarrier_test(full + s, round & 1, true, site)) {
        }
      sum += stage[s * words + threadIdx.x] + stage[s * words + 32 + threadIdx.x];
      if constexpr (Fault != 2) gpu_free::mbarrier_arrive(empty + s, 1, site);
    }
    out[threadIdx.x] = sum;
  }
}

template <int Fault>
std::vector<unsigned> run_ring(int tiles) {
  std::vector<unsigned> values(static_cast<std::size_t>(tiles) * 64);
  std::iota(values.begin(), values.end(), 0u);
  DeviceBuffer<unsigned> const in(values);
  DeviceBuffer<unsigned> out(32);
  (void)launch_cluster(ring<Fault>, 1, 1, 64, 2 * 64 * 4 + 32, in.data(), out.data(), tiles);
  return out.host();
}
}  // namespace

TEST_CASE("an mbarrier pipeline", "[harness]") {
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    auto const sums = run_ring<0>(5);
    for (unsigned t = 0; t < 32; ++t) {
      unsigned expected = 0;
      for (unsigned tile = 0; tile < 5; ++tile) expected += 2 * (tile * 64 + t) + 32;
      REQUIRE(sums[t] == expected);
    }
  });
}

TEST_CASE("a pipeline's missing wait, arrival or bytes are reported", "[harness]") {
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
#if defined(GPU_FREE_SHADOW)
    REQUIRE_THROWS_AS(run_ring<1>(5), Fault);
#endif
    REQUIRE_FAULT(run_ring<2>(5), "deadlock");
    REQUIRE_FAULT(run_ring<3>(5), "deadlock");
  });
}

namespace {
/// Every block of the cluster adds its word to the sum in block 0's memory, by reading the others.
template <bool Wait>
__global__ void cluster_sum(int* out) {
  auto* const mine = reinterpret_cast<int*>(gpu_free::dynamic_shared());
  gpu_free::Site const site{__FILE__, __LINE__};
  if (threadIdx.x == 0) *mine = static_cast<int>(blockIdx.x) + 1;
  gpu_free::arrive_cluster(site);
  if constexpr (Wait) gpu_free::wait_cluster(site);
  if (gpu_free::thread().rank == 0 && threadIdx.x == 0) {
    int sum = 0;
    for (unsigned rank = 0; rank < gpu_free::cluster_size(); ++rank)
      sum +=
          *reinterpret_cast<int*>(gpu_free::map_shared(reinterpret_cast<std::byte*>(mine), rank));
    out[blockIdx.x / gpu_free::cluster_size()] = sum;
  }
  if constexpr (!Wait) gpu_free::wait_cluster(site);
  gpu_free::arrive_cluster(site);
  gpu_free::wait_cluster(site);
}
}  // namespace

TEST_CASE("a cluster reduction through distributed shared memory", "[harness]") {
  gpu_free::for_each_seed(seeds, [&](std::uint64_t) {
    DeviceBuffer<int> out(2);
    REQUIRE(launch_cluster(cluster_sum<true>, 8, 4, 32, 16, out.data()) == cudaSuccess);
    REQUIRE(out.host() == std::vector<int>{10, 26});
#if defined(GPU_FREE_SHADOW)
    REQUIRE_THROWS_AS(launch_cluster(cluster_sum<false>, 8, 4, 32, 16, out.data()), Fault);
#endif
  });
}

TEST_CASE("launches are checked as the runtime checks them", "[harness]") {
  DeviceBuffer<int> out(64);
  REQUIRE(launch(divergent<int>, 0, 64, out.data()) == cudaErrorInvalidConfiguration);
  REQUIRE(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidConfiguration);
  REQUIRE(cudaGetLastError() == cudaSuccess);
  REQUIRE(launch(divergent<int>, 1, 1025, out.data()) == cudaErrorInvalidConfiguration);
  REQUIRE(launch_cluster(cluster_sum<true>, 3, 2, 32, 16, out.data()) ==
          cudaErrorInvalidConfiguration);
  REQUIRE(launch_cluster(cluster_sum<true>, 2, 2, 32, 60000, out.data()) == cudaErrorInvalidValue);
  REQUIRE(cudaFuncSetAttribute(cluster_sum<true>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               60000) == cudaSuccess);
  DeviceBuffer<int> sums(1);
  REQUIRE(launch_cluster(cluster_sum<true>, 2, 2, 32, 60000, sums.data()) == cudaSuccess);
}
