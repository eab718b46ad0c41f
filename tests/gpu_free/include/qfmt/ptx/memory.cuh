// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name. Hints do nothing but check their arguments; kernels
// of one stream run one after the other, so a dependent launch never waits.
#pragma once

#include "qfmt/config.hpp"

#include "gpu_free/machine.hpp"

namespace qfmt::inline v0::ptx {

template <int Bytes>
inline uint4 load_streaming(void const* from, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(from) % Bytes != 0)
    gpu_free::fail("load_streaming: the address is a multiple of the size", site);
  if constexpr (Bytes == 16) return *static_cast<uint4 const*>(from);
  if constexpr (Bytes == 8) {
    uint2 const v = *static_cast<uint2 const*>(from);
    return {v.x, v.y, 0, 0};
  }
  if constexpr (Bytes == 4) return {*static_cast<uint32_t const*>(from), 0, 0, 0};
  return {*static_cast<uint16_t const*>(from), 0, 0, 0};
}

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

inline void prefetch_l2(void const* global, uint32_t bytes, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0 || bytes % 16 != 0)
    gpu_free::fail("prefetch_l2: address and size are multiples of 16", site);
}

inline void wait_for_dependencies() {}
inline void launch_dependents() {}

}  // namespace qfmt::inline v0::ptx
