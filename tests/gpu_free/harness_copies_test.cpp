// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The harness against kernels with known faults: asynchronous copies, clusters, launches.

#include <numeric>

#include "gpu_free/async.hpp"
#include "harness_cases.hpp"

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
      gpu_free::bulk_copy({stage + s * words, in + tile * words, words * 4}, full + s, site);
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
  REQUIRE(launch(cluster_sum<true>, 0, 64, out.data()) == cudaErrorInvalidConfiguration);
  REQUIRE(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidConfiguration);
  REQUIRE(cudaGetLastError() == cudaSuccess);
  REQUIRE(launch(cluster_sum<true>, 1, 1025, out.data()) == cudaErrorInvalidConfiguration);
  REQUIRE(launch_cluster(cluster_sum<true>, 3, 2, 32, 16, out.data()) ==
          cudaErrorInvalidConfiguration);
  REQUIRE(launch_cluster(cluster_sum<true>, 2, 2, 32, 60000, out.data()) == cudaErrorInvalidValue);
  REQUIRE(cudaFuncSetAttribute(cluster_sum<true>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               60000) == cudaSuccess);
  DeviceBuffer<int> sums(1);
  REQUIRE(launch_cluster(cluster_sum<true>, 2, 2, 32, 60000, sums.data()) == cudaSuccess);
}
