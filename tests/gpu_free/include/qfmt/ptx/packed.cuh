// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name.
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0::ptx {

/// The product of two 16-bit numbers is exact in float64; the sum rounds once on its way to float
/// for those that the kernels take.
template <Element T>
uint32_t fma_pairs(uint32_t a, uint32_t b, uint32_t c) {
  using Storage = stl::conditional_t<Float16Like<T>, float16, bfloat16>;
  uint32_t result = 0;
  for (int half = 0; half < 2; ++half) {
    auto const number = [half](uint32_t pair) {
      return double{Storage::from_bits(static_cast<uint16_t>(pair >> 16 * half))};
    };
    double const exact = number(a) * number(b) + number(c);
    result |= static_cast<uint32_t>(Storage(static_cast<float>(exact)).bits) << 16 * half;
  }
  return result;
}

template <Element T>
uint32_t add_pairs(uint32_t a, uint32_t b) {
  uint32_t const one = Float16Like<T> ? 0x3C003C00u : 0x3F803F80u;
  return fma_pairs<T>(a, one, b);
}

inline int32_t dot_s8x4(uint32_t a, uint32_t b, int32_t c) {
  int64_t sum = c;
  for (int shift = 0; shift < 32; shift += 8)
    sum += int64_t{static_cast<int8_t>(a >> shift)} * static_cast<int8_t>(b >> shift);
  return static_cast<int32_t>(sum);
}

}  // namespace qfmt::inline v0::ptx
