// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// One access to global memory of 1 to 16 bytes, to and from registers.
#pragma once

#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0::thread {

/// Bytes in 32-bit registers, in memory order; a power of two of them, at most 16.
template <int Bytes>
struct Words {
  static_assert(Bytes == 1 || Bytes == 2 || Bytes == 4 || Bytes == 8 || Bytes == 16);
  static constexpr int bytes = Bytes;  ///< of memory that the words hold
  uint32_t word[(Bytes + 3) / 4];      ///< little-endian
};

/// Reads Bytes bytes of global memory in one access through the read-only path. `from` is aligned
/// to Bytes, and nothing writes there while the kernel runs.
template <int Bytes>
__device__ Words<Bytes> load_words(void const* from) {
  if constexpr (Bytes == 16) {
    uint4 const v = __ldg(static_cast<uint4 const*>(from));
    return {{v.x, v.y, v.z, v.w}};
  } else if constexpr (Bytes == 8) {
    uint2 const v = __ldg(static_cast<uint2 const*>(from));
    return {{v.x, v.y}};
  } else if constexpr (Bytes == 4) {
    return {{__ldg(static_cast<unsigned int const*>(from))}};
  } else if constexpr (Bytes == 2) {
    return {{__ldg(static_cast<unsigned short const*>(from))}};
  } else {
    return {{__ldg(static_cast<unsigned char const*>(from))}};
  }
}

/// Writes Bytes bytes of global memory in one access. `to` is aligned to Bytes.
template <int Bytes>
__device__ void store_words(Words<Bytes> const& v, void* to) {
  if constexpr (Bytes == 16) {
    ptx::store_global(to, uint4{v.word[0], v.word[1], v.word[2], v.word[3]});
  } else if constexpr (Bytes == 8) {
    ptx::store_global(to, uint2{v.word[0], v.word[1]});
  } else if constexpr (Bytes == 4) {
    *static_cast<uint32_t*>(to) = v.word[0];
  } else if constexpr (Bytes == 2) {
    *static_cast<uint16_t*>(to) = static_cast<uint16_t>(v.word[0]);
  } else {
    *static_cast<uint8_t*>(to) = static_cast<uint8_t>(v.word[0]);
  }
}

}  // namespace qfmt::inline v0::thread
