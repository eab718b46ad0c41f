// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The harness against kernels with known faults: what they do to memory.

#include <cstdio>
#include <unistd.h>

#include "harness_cases.hpp"
#include <sys/wait.h>

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
template <class T>
__global__ void touch(T* p) {
  p[0] = p[0] + T{1};
}

/// Whether a program that does this ends in an error.
template <class Body>
bool dies(Body body) {
  pid_t const child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    try {
      body();
    } catch (Fault const&) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
}  // namespace

TEST_CASE("memory beside a buffer is out of reach, also without the shadow", "[harness]") {
  for (std::size_t const misalignment : {0, 4, 12}) {
    DeviceBuffer<int> const words(std::vector<int>(5, 1), misalignment);
    REQUIRE_FALSE(dies([&] { (void)launch(touch<int>, 1, 1, words.data() + 4); }));
    REQUIRE(dies([&] { (void)launch(touch<int>, 1, 1, words.data() + 5); }));
    // AddressSanitizer knows units of 8 bytes that begin as the buffer's memory does.
#if defined(GPU_FREE_SHADOW)
    int const before = 1;
#else
    int const before = 2;
#endif
    REQUIRE(dies([&] { (void)launch(touch<int>, 1, 1, words.data() - before); }));
    REQUIRE(dies([&] { (void)launch(touch<int>, 1, 1, words.data() + 1024); }));
  }
}
