// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared memory by its 32-bit address: what address arithmetic and asynchronous copies need.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0::ptx {

/// The dynamic shared memory of the block, aligned to 1024 bytes. The one way to it.
__device__ inline uint8_t* dynamic_shared() {
  extern __shared__ __align__(1024) uint8_t dynamic_shared_memory[];
  return dynamic_shared_memory;
}

/// The address of p in the shared memory window.
__device__ inline uint32_t shared_address(void const* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/// The word at a shared address, a multiple of 4. The compiler may move it over barriers: for
/// tables that are complete before anything the address is computed from was loaded.
__device__ inline uint32_t load_table_word(uint32_t shared) {
  uint32_t r;
  asm("ld.shared.u32 %0, [%1];" : "=r"(r) : "r"(shared));
  return r;
}

/// Loads 2 or 4 words from a shared address, a multiple of their size, where `exists`; else `to`
/// stays as it is, and the access costs nothing. The compiler may move it over barriers, as
/// load_table_word: up not over those before an `opaque` that the address comes from; down as far
/// as the first use of `to`.
template <int Words>
__device__ inline void load_shared_if(uint32_t* to, uint32_t shared, bool exists) {
  static_assert(Words == 2 || Words == 4);
  if constexpr (Words == 4) {
    asm("{ .reg .pred p; setp.ne.u32 p, %5, 0; @p ld.shared.v4.u32 {%0, %1, %2, %3}, [%4]; }"
        : "+r"(to[0]), "+r"(to[1]), "+r"(to[2]), "+r"(to[3])
        : "r"(shared), "r"(static_cast<uint32_t>(exists)));
  } else {
    asm("{ .reg .pred p; setp.ne.u32 p, %3, 0; @p ld.shared.v2.u32 {%0, %1}, [%2]; }"
        : "+r"(to[0]), "+r"(to[1])
        : "r"(shared), "r"(static_cast<uint32_t>(exists)));
  }
}

/// The same value, of which the compiler knows nothing but that it comes to be here.
__device__ inline uint32_t opaque(uint32_t value) {
  asm volatile("" : "+r"(value)::"memory");
  return value;
}

/// Byte i of the result is byte (selector >> 4i & 7) of the eight bytes (high, low).
__device__ inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  uint32_t r;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(low), "r"(high), "r"(selector));
  return r;
}

}  // namespace qfmt::inline v0::ptx
