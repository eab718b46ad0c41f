// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A thread's share of the codes: up to 16 bytes in registers, as they lie in memory.
#pragma once

#include "qfmt/device/thread/vector.cuh"
#include "qfmt/layout/packing.hpp"

namespace qfmt::inline v0::thread {

/// N consecutive codes of Bits bits in registers. The first code lies in the high nibble of the
/// first byte (4 bits) or in the first byte (8 bits). Indexes are meant to be constants after
/// unrolling; each access is then a shift and a mask.
template <int Bits, int N>
struct CodePack : Words<N * Bits / 8> {
  static_assert(Bits == 4 || Bits == 8);
  static_assert(N * Bits % 8 == 0 && N * Bits <= 128, "qfmt: a pack is 1 to 16 whole bytes");

  /// Code i.
  __device__ uint32_t operator[](int i) const {
    return this->word[i * Bits / 32] >> shift(i) & ((1u << Bits) - 1u);
  }
  /// Puts code i into a place that is zero so far.
  __device__ void put(int i, uint32_t code) { this->word[i * Bits / 32] += code << shift(i); }
  /// The same where i is known at run time only.
  __device__ void put_dynamic(int i, uint32_t code) {
#pragma unroll
    for (int w = 0; w < static_cast<int>(sizeof(this->word) / 4); ++w)
      this->word[w] |= w == i * Bits / 32 ? code << shift(i) : 0u;
  }

 private:
  static constexpr __device__ int shift(int i) {
    return Bits == 8 ? i % 4 * 8 : i % 8 / 2 * 8 + (i % 2 == 0 ? 4 : 0);
  }
};

/// N codes from `codes`, which is aligned to their size in bytes.
template <int Bits, int N>
__device__ CodePack<Bits, N> load_codes(uint8_t const* codes) {
  return {load_words<N * Bits / 8>(codes)};
}

/// The first n of N codes from an address of any alignment; the others are 0.
template <int Bits, int N>
__device__ CodePack<Bits, N> load_codes(uint8_t const* codes, int n) {
  CodePack<Bits, N> pack{};
#pragma unroll
  for (int b = 0; b < pack.bytes; ++b)
    if (b * 8 < n * Bits) pack.word[b / 4] |= static_cast<uint32_t>(codes[b]) << b % 4 * 8;
  return pack;
}

/// All N codes to `codes`, which is aligned to their size in bytes.
template <int Bits, int N>
__device__ void store_codes(CodePack<Bits, N> const& pack, uint8_t* codes) {
  store_words(pack, codes);
}

/// The bytes of the first n codes, to an address of any alignment.
template <int Bits, int N>
__device__ void store_codes(CodePack<Bits, N> const& pack, uint8_t* codes, int n) {
#pragma unroll
  for (int b = 0; b < pack.bytes; ++b)
    if (b * 8 < n * Bits) codes[b] = static_cast<uint8_t>(pack.word[b / 4] >> b % 4 * 8);
}

}  // namespace qfmt::inline v0::thread
