// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory instructions with hints, and the order between a kernel and the one before it.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0::ptx {

/// Asks for `bytes` bytes to be brought into the L2. Both arguments are multiples of 16. A hint:
/// nothing below sm_90.
__device__ inline void prefetch_l2([[maybe_unused]] void const* global,
                                   [[maybe_unused]] uint32_t bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(global), "r"(bytes) : "memory");
#endif
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
