// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Blocks of a cluster and one another's shared memory, sm_90. Below it a block is a cluster of its
// own.
#pragma once

#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0::ptx {

/// This block's place in its cluster.
__device__ inline uint32_t cluster_rank() {
  uint32_t r = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
#endif
  return r;
}

/// Blocks in the cluster.
__device__ inline uint32_t cluster_size() {
  uint32_t r = 1;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(r));
#endif
  return r;
}

/// Every thread of the cluster arrives, once for each wait_cluster; what it wrote before is visible
/// to all after that. Also a barrier of the block.
__device__ inline void arrive_cluster() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}

__device__ inline void wait_cluster() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  __syncthreads();
#endif
}

/// The word that lies in the shared memory of block `rank` where `p` lies in this block's.
template <class Word>
__device__ inline Word load_remote(Word const* p, [[maybe_unused]] uint32_t rank) {
  static_assert(sizeof(Word) == 4);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t bits;
  asm volatile(
      "{ .reg .u32 a; mapa.shared::cluster.u32 a, %1, %2; ld.shared::cluster.u32 %0, [a]; }"
      : "=r"(bits)
      : "r"(shared_address(p)), "r"(rank)
      : "memory");
  return __builtin_bit_cast(Word, bits);
#else
  return *p;
#endif
}

/// Writes that word.
__device__ inline void store_remote(float* p, [[maybe_unused]] uint32_t rank, float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "{ .reg .u32 a; mapa.shared::cluster.u32 a, %0, %1; st.shared::cluster.f32 [a], %2; }" ::"r"(
          shared_address(p)),
      "r"(rank), "f"(value)
      : "memory");
#else
  *p = value;
#endif
}

}  // namespace qfmt::inline v0::ptx
