// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous copies into shared memory and the barriers they complete on: the bulk copy engine of
// sm_90, and the per-thread copies of sm_80. Below the named architecture a function does nothing.
#pragma once

#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0::ptx {

/// A barrier in shared memory, 8-byte aligned. Its phases are numbered from 0; phase i completes
/// after `arrivals` arrivals and after all bytes announced in it have come.
using Barrier = unsigned long long;

/// One thread calls it, then fence_barrier_init; the block synchronises before the first use.
__device__ inline void init_barrier([[maybe_unused]] Barrier* barrier,
                                    [[maybe_unused]] uint32_t arrivals) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
#endif
}

/// Makes init_barrier visible to the copy engine and to the cluster.
__device__ inline void fence_barrier_init() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

/// Ends a barrier's life, so that its memory may be used for something else.
__device__ inline void invalidate_barrier([[maybe_unused]] Barrier* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_address(barrier)) : "memory");
#endif
}

/// One arrival in the current phase.
__device__ inline void arrive([[maybe_unused]] Barrier* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
#endif
}

/// One arrival, and `bytes` bytes of copies that the phase waits for as well.
__device__ inline void arrive_and_expect([[maybe_unused]] Barrier* barrier,
                                         [[maybe_unused]] uint32_t bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
#endif
}

/// True once a phase of this parity (0 for phases 0, 2, ...) has completed.
__device__ inline bool try_wait([[maybe_unused]] Barrier* barrier,
                                [[maybe_unused]] uint32_t parity) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t done;
  asm volatile(
      "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
      "selp.u32 %0, 1, 0, p; }"
      : "=r"(done)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return done != 0;
#else
  return true;
#endif
}

/// Waits until the phase of this parity has completed; what was copied in it is then visible.
__device__ inline void wait(Barrier* barrier, uint32_t parity) {
  while (!try_wait(barrier, parity)) {
  }
}

/// A cache policy: what is read once leaves the L2 first.
__device__ inline uint64_t evict_first_policy() {
  uint64_t policy = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
#endif
  return policy;
}

/// Begins to copy `bytes` bytes of global memory to shared memory; they count towards the current
/// phase of `barrier`. Addresses and size are multiples of 16. Called by one thread.
__device__ inline void copy_bulk([[maybe_unused]] void* shared, [[maybe_unused]] void const* global,
                                 [[maybe_unused]] uint32_t bytes,
                                 [[maybe_unused]] Barrier* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
#endif
}

/// The same under a cache policy.
__device__ inline void copy_bulk([[maybe_unused]] void* shared, [[maybe_unused]] void const* global,
                                 [[maybe_unused]] uint32_t bytes, [[maybe_unused]] Barrier* barrier,
                                 [[maybe_unused]] uint64_t policy) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1], %2, [%3], %4;" ::"r"(shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(barrier)), "l"(policy)
      : "memory");
#endif
}

/// Orders this thread's ordinary accesses to shared memory before later ones of the copy engine and
/// the tensor cores.
__device__ inline void fence_async_proxy() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/// Begins to copy 16 bytes, both addresses aligned to 16, past the L1. sm_80.
__device__ inline void copy_async([[maybe_unused]] void* shared,
                                  [[maybe_unused]] void const* global) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global))
               : "memory");
#endif
}

/// The same where `exists`; else 16 zeros come, and nothing is read.
__device__ inline void copy_async_or_zero([[maybe_unused]] void* shared,
                                          [[maybe_unused]] void const* global,
                                          [[maybe_unused]] bool exists) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(exists ? 16 : 0)
               : "memory");
#endif
}

/// Closes the group of this thread's copies begun since the last group. sm_80.
__device__ inline void commit_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most the N youngest groups of this thread's copies are still under way. sm_80.
template <int N>
__device__ inline void wait_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

}  // namespace qfmt::inline v0::ptx
