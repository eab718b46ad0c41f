// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name, on the harness's barriers and copies.
#pragma once

#include "qfmt/ptx/shared.cuh"

#include "gpu_free/async.hpp"

namespace qfmt::inline v0::ptx {

using Barrier = unsigned long long;

inline void init_barrier(Barrier* barrier, uint32_t arrivals, GPU_FREE_SITE) {
  gpu_free::mbarrier_init(barrier, arrivals, site);
}
inline void fence_barrier_init(GPU_FREE_SITE) { gpu_free::mbarrier_init_fence(site); }
inline void invalidate_barrier(Barrier* barrier, GPU_FREE_SITE) {
  gpu_free::mbarrier_invalidate(barrier, site);
}
inline void arrive(Barrier* barrier, GPU_FREE_SITE) { gpu_free::mbarrier_arrive(barrier, 1, site); }
inline void arrive_and_expect(Barrier* barrier, uint32_t bytes, GPU_FREE_SITE) {
  gpu_free::mbarrier_expect_tx(barrier, bytes, site);
  gpu_free::mbarrier_arrive(barrier, 1, site);
}
inline bool try_wait(Barrier* barrier, uint32_t parity, GPU_FREE_SITE) {
  return gpu_free::mbarrier_test(barrier, parity, true, site);
}
inline void wait(Barrier* barrier, uint32_t parity, GPU_FREE_SITE) {
  while (!try_wait(barrier, parity, site)) {
  }
}

inline uint64_t evict_first_policy() { return 1; }

inline void copy_bulk(void* shared, void const* global, uint32_t bytes, Barrier* barrier,
                      GPU_FREE_SITE) {
  gpu_free::shared_address(shared, site);
  gpu_free::bulk_copy({shared, global, bytes}, barrier, site);
}
inline void copy_bulk(void* shared, void const* global, uint32_t bytes, Barrier* barrier,
                      uint64_t policy, GPU_FREE_SITE) {
  if (policy != evict_first_policy()) gpu_free::fail("copy_bulk: not a cache policy", site);
  copy_bulk(shared, global, bytes, barrier, site);
}

inline void fence_async_proxy() { gpu_free::async_proxy_fence(); }

inline void copy_async(void* shared, void const* global, GPU_FREE_SITE) {
  gpu_free::shared_address(shared, site);
  gpu_free::thread_copy({shared, global, 16}, site);
}
inline void copy_async_or_zero(void* shared, void const* global, bool exists, GPU_FREE_SITE) {
  if (exists) return copy_async(shared, global, site);
  gpu_free::shared_address(shared, site);
  *static_cast<uint4*>(shared) = uint4{0, 0, 0, 0};
}
inline void commit_copies() { gpu_free::thread_copy_commit(); }
template <int N>
void wait_copies(GPU_FREE_SITE) {
  gpu_free::thread_copy_wait(N, site);
}

}  // namespace qfmt::inline v0::ptx
