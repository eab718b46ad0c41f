// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A thread's share of the values: 16 bytes in registers, and back with one rounding.
#pragma once

#include "qfmt/device/thread/vector.cuh"
#include "qfmt/dtype.hpp"
#include "qfmt/ptx/lanes.cuh"

namespace qfmt::inline v0::thread {

/// Values of T in one 16-byte access: 8, or 4 floats.
template <Element T>
inline constexpr int elements_per_vector = 16 / static_cast<int>(sizeof(T));

/// N consecutive values of T in registers; N * sizeof(T) is a power of two of bytes, at most 16.
template <Element T, int N = elements_per_vector<T>>
struct ElementPack : Words<N* static_cast<int>(sizeof(T))> {
  /// The bits of value i, in the low half for a 16-bit type.
  __device__ uint32_t bits(int i) const {
    if constexpr (sizeof(T) == 4) return this->word[i];
    return this->word[i / 2] >> i % 2 * 16 & 0xFFFFu;
  }
  /// Moves value 1 to place 0 and so on.
  __device__ void drop_first() {
    constexpr int words = N * static_cast<int>(sizeof(T)) / 4;
#pragma unroll
    for (int w = 0; w < words; ++w) {
      uint32_t const next = w + 1 < words ? this->word[w + 1] : 0u;
      this->word[w] = sizeof(T) == 4 ? next : this->word[w] >> 16 | next << 16;
    }
  }
  /// Value i, exact.
  __device__ float operator[](int i) const {
    if constexpr (sizeof(T) == 4) {
      return float_from_bits(this->word[i]);
    } else if constexpr (Bfloat16Like<T>) {
      return float_from_bits(i % 2 == 0 ? this->word[i / 2] << 16
                                        : this->word[i / 2] & 0xFFFF0000u);
    } else {
      return half_bits_to_float(static_cast<uint16_t>(bits(i)));
    }
  }
};

/// Two values rounded once each to a 16-bit T, the first in the low half; the bits of from_float.
template <Element T>
__device__ uint32_t round_pair(float low, float high) {
  static_assert(sizeof(T) == 2);
  if constexpr (Float16Like<T>) {
    return ptx::to_half2(low, high);
  } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
    return float_to_bfloat_bits(low) | static_cast<uint32_t>(float_to_bfloat_bits(high)) << 16;
#else
    return ptx::to_bfloat2(low, high);
#endif
  }
}

/// Values rounded once to T, ties to even.
template <Element T, int N>
__device__ ElementPack<T, N> round_to(float const (&values)[N]) {
  ElementPack<T, N> pack;
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < N; ++i) pack.word[i] = float_bits(values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 2) pack.word[i / 2] = round_pair<T>(values[i], values[i + 1]);
  }
  return pack;
}

/// N values from `from`, which is aligned to their size in bytes.
template <Element T, int N = elements_per_vector<T>>
__device__ ElementPack<T, N> load_elements(T const* from) {
  return {load_words<ElementPack<T, N>::bytes>(from)};
}

/// The first n of N values from an address that is aligned for T only; the others are +0.
template <Element T, int N = elements_per_vector<T>>
__device__ ElementPack<T, N> load_elements(T const* from, int n) {
  ElementPack<T, N> pack{};
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < n) {
      if constexpr (sizeof(T) == 4) {
        pack.word[i] = element_bits(from[i]);
      } else {
        pack.word[i / 2] |= static_cast<uint32_t>(element_bits(from[i])) << i % 2 * 16;
      }
    }
  return pack;
}

/// All N values to `to`, which is aligned to their size in bytes.
template <Element T, int N>
__device__ void store_elements(ElementPack<T, N> const& pack, T* to) {
  store_words(pack, to);
}

/// The first n values to an address that is aligned for T only.
template <Element T, int N>
__device__ void store_elements(ElementPack<T, N> const& pack, T* to, int n) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < n) to[i] = element_from_bits<T>(static_cast<decltype(element_bits(T{}))>(pack.bits(i)));
}

}  // namespace qfmt::inline v0::thread
