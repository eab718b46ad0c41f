// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name. Hints do nothing but check their arguments; kernels
// of one stream run one after the other, so a dependent launch never waits.
#pragma once

#include "qfmt/config.hpp"

#include "gpu_free/machine.hpp"

namespace qfmt::inline v0::ptx {

inline void store_global(void* to, uint4 v, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0)
    gpu_free::fail("store_global: the address is a multiple of 16", site);
  *static_cast<uint4*>(to) = v;
}
inline void store_global(void* to, uint2 v, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(to) % 8 != 0)
    gpu_free::fail("store_global: the address is a multiple of 8", site);
  *static_cast<uint2*>(to) = v;
}

inline uint4 load_global(void const* from, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(from) % 16 != 0)
    gpu_free::fail("load_global: the address is a multiple of 16", site);
  return *static_cast<uint4 const*>(from);
}

inline void prefetch_l2(void const* global, uint32_t bytes, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0 || bytes % 16 != 0)
    gpu_free::fail("prefetch_l2: address and size are multiples of 16", site);
}

inline void prefetch_line(void const*) {}

__attribute__((no_sanitize("thread"))) inline void store_release(uint64_t* to, uint64_t value,
                                                                 GPU_FREE_SITE) {
  __threadfence();
  gpu_free::touch_atomic(to, sizeof *to, site);
  *to = value;
}

/// Blocks run one after another: what is not there will never be.
__attribute__((no_sanitize("thread"))) inline void wait_until_equal(uint64_t const* from,
                                                                    uint64_t value, GPU_FREE_SITE) {
  gpu_free::touch_atomic(const_cast<uint64_t*>(from), sizeof *from, site);
  if (*from != value)
    gpu_free::fail("wait_until_equal: the block that it waits for has not run yet", site);
}

inline void wait_for_dependencies() {}
inline void launch_dependents() {}

}  // namespace qfmt::inline v0::ptx
