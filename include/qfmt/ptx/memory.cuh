// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory instructions with hints, and the order between a kernel and the one before it.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0::ptx {

/// Writes 16 bytes of global memory in one access; `to` is a multiple of 16. By name, because nvcc
/// sometimes takes the store of a uint4 apart.
__device__ inline void store_global(void* to, uint4 v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y), "r"(v.z),
               "r"(v.w)
               : "memory");
}

/// The same for 8 bytes.
__device__ inline void store_global(void* to, uint2 v) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(v.x), "r"(v.y) : "memory");
}

/// Reads 16 bytes of global memory in one access, in order with what stands before and after it;
/// `from` is a multiple of 16.
__device__ inline uint4 load_global(void const* from) {
  uint4 v;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}

/// Asks for `bytes` bytes to be brought into the L2. Both arguments are multiples of 16. A hint:
/// nothing below sm_90.
__device__ inline void prefetch_l2([[maybe_unused]] void const* global,
                                   [[maybe_unused]] uint32_t bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(global), "r"(bytes) : "memory");
#endif
}

/// Asks for the line of an address to be brought near; waits for nothing. A hint.
__device__ inline void prefetch_line(void const* global) {
  asm volatile("prefetch.global.L1 [%0];" ::"l"(global));
}

/// Writes a word that other blocks of the grid wait for, after all that the warp has written before
/// its last __syncwarp.
__device__ inline void store_release(uint64_t* to, uint64_t value) {
  asm volatile("fence.acq_rel.gpu;\n\tst.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(value)
               : "memory");
}

/// Waits until a word that another block writes by store_release has this value; after it what that
/// block wrote before is visible. That block has begun, or will without this one's help.
__device__ inline void wait_until_equal(uint64_t const* from, uint64_t value) {
  uint64_t now;
  do {
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(now) : "l"(from) : "memory");
  } while (now != value);
}

/// Waits until the kernels this launch depends on have finished and their writes are visible. For
/// launches that may begin early; else it returns at once.
__device__ inline void wait_for_dependencies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Lets the next launch on the stream begin, as far as it was launched to.
__device__ inline void launch_dependents() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace qfmt::inline v0::ptx
