// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name.
#pragma once

#include "qfmt/config.hpp"

#include <cstring>

#include "gpu_free/machine.hpp"

namespace qfmt::inline v0::ptx {

inline uint8_t* dynamic_shared() { return reinterpret_cast<uint8_t*>(gpu_free::dynamic_shared()); }

inline uint32_t shared_address(void const* p, GPU_FREE_SITE) {
  return gpu_free::shared_address(p, site);
}

inline uint32_t load_table_word(uint32_t shared, GPU_FREE_SITE) {
  if (shared % 4 != 0) gpu_free::fail("load_table_word: a misaligned address", site);
  return *reinterpret_cast<uint32_t const*>(gpu_free::shared_pointer(shared, site));
}

template <int Words>
inline void load_shared_if(uint32_t* to, uint32_t shared, bool exists, GPU_FREE_SITE) {
  if (!exists) return;
  if (shared % (4 * Words) != 0) gpu_free::fail("load_shared_if: a misaligned address", site);
  auto const* const from =
      reinterpret_cast<uint32_t const*>(gpu_free::shared_pointer(shared, site));
  for (int i = 0; i < Words; ++i) to[i] = from[i];
}

inline uint32_t opaque(uint32_t value) { return value; }

inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  return __byte_perm(low, high, selector);
}

}  // namespace qfmt::inline v0::ptx
