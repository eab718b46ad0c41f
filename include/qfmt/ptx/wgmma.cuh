// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensor-core products of a warpgroup: four warps, of which the first has a multiple of four as its
// index. sm_90a; compiled for anything else they do nothing.
//
// D (64 x N) += A (64 x K) * B (N x K)^T, asynchronous. Lane 4g + t of warp w holds in
//   d[4j + 2h + e]   D(16w + g + 8h, 8j + 2t + e)                                  N / 2 registers
//   a[h + 2q]        A(16w + g + 8h, 2t + 8q), and the next k in the high half     16-bit elements
//   a[h + 2q]        A(16w + g + 8h, 4t + 16q) and the next three k                8-bit elements
// A in shared memory and B are tiles that a descriptor names: see tile_descriptor. N is 8, 16, 24,
// 32, 64, 96, 128, 192 or 256.
//
//     wgmma_fence();                                  before the first product, and after d or a
//     for each k: wgmma_m64k16<T>(d, a, b, true);     was written by other instructions
//     wgmma_commit();
//     wgmma_wait<0>(d);                               until here d and a are not to be touched
#pragma once

#include "qfmt/ptx/shared.cuh"
#include "qfmt/ptx/wgmma_instructions.cuh"

namespace qfmt::inline v0::ptx {

/// Names a tile of rows of 128 bytes (64 elements of 16 bits, 128 of 8; k runs along the row) whose
/// 16-byte unit u of row r lies at unit u ^ (r % 8) of that row: the 128-byte swizzle of tensor
/// copies. The tile begins at a multiple of 1024 bytes. Add k * (bytes of an element) / 16 for the
/// part of the tile that begins at k, a multiple of 32 bytes.
__device__ inline uint64_t tile_descriptor(void const* tile) {
  uint64_t const address = (shared_address(tile) & 0x3FFFFu) >> 4;
  uint64_t const leading = 1;         // not used with this swizzle
  uint64_t const stride = 1024 / 16;  // from one group of eight rows to the next
  uint64_t const swizzle_128 = 1;
  return address | leading << 16 | stride << 32 | swizzle_128 << 62;
}

/// d = A * B^T, plus d where `accumulate`; products exact, sums in f32. A in registers.
template <Element T, int Half>
__device__ inline void wgmma_m64k16(float (&d)[Half], uint32_t const (&a)[4], uint64_t b,
                                    bool accumulate) {
  static_assert(sizeof(T) == 2, "qfmt: tensor cores multiply 16-bit elements here");
  detail::wgmma<T>(d, a, b, accumulate);
}

/// The same with A (64 rows) in shared memory.
template <Element T, int Half>
__device__ inline void wgmma_m64k16(float (&d)[Half], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(sizeof(T) == 2, "qfmt: tensor cores multiply 16-bit elements here");
  detail::wgmma<T>(d, a, b, accumulate);
}

/// The same of signed bytes, exact, 32 k at a time.
template <int Half>
__device__ inline void wgmma_m64k32(int32_t (&d)[Half], uint32_t const (&a)[4], uint64_t b,
                                    bool accumulate) {
  detail::wgmma_s8(d, a, b, accumulate);
}
template <int Half>
__device__ inline void wgmma_m64k32(int32_t (&d)[Half], uint64_t a, uint64_t b, bool accumulate) {
  detail::wgmma_s8(d, a, b, accumulate);
}

/// Orders register and shared-memory accesses of the warpgroup before the products that follow.
/// Shared memory written by ordinary stores also needs fence_async_proxy by the threads that wrote.
__device__ inline void wgmma_fence() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

/// Closes the group of products issued since the last one.
__device__ inline void wgmma_commit() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/// Waits until at most Groups of the youngest groups are still under way.
template <int Groups>
__device__ inline void wgmma_wait() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Groups) : "memory");
#endif
}

/// Keeps the compiler from moving reads and writes of d over this point.
template <class D, int Half>
__device__ inline void hold(D (&d)[Half]) {
  static_assert(sizeof(D) == 4);
#if defined(__CUDA_ARCH__)
#pragma unroll
  for (int i = 0; i < Half; ++i) {
    if constexpr (stl::is_floating_point_v<D>) {
      asm volatile("" : "+f"(d[i])::"memory");
    } else {
      asm volatile("" : "+r"(d[i])::"memory");
    }
  }
#endif
}

/// wgmma_wait, after which the accumulators d may be read and written.
template <int Groups, class D, int Half>
__device__ inline void wgmma_wait(D (&d)[Half]) {
  wgmma_wait<Groups>();
  hold(d);
}

/// Waits until all 128 threads of the warpgroup are here; orders their accesses to memory. `id`,
/// from 1 to 15, is the warpgroup's own.
__device__ inline void sync_warpgroup([[maybe_unused]] int id) {
#if defined(__CUDA_ARCH__)
  asm volatile("bar.sync %0, 128;" ::"r"(id) : "memory");
#endif
}

/// Moves the warpgroup's limit of registers a thread; a multiple of 8 from 24 to 256. Called by all
/// warps of the warpgroup.
template <int Registers>
__device__ inline void raise_registers() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256);
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}
template <int Registers>
__device__ inline void lower_registers() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256);
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}

}  // namespace qfmt::inline v0::ptx
