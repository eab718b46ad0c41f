// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name.
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0::ptx {

template <Element T>
uint32_t add_pairs(uint32_t a, uint32_t b) {
  using Storage = stl::conditional_t<Float16Like<T>, float16, bfloat16>;
  uint32_t sum = 0;
  for (int half = 0; half < 2; ++half) {
    // The sum of two 16-bit numbers is exact in float64, and rounds once on its way to float for
    // those that the kernels add.
    double const exact = double{Storage::from_bits(static_cast<uint16_t>(a >> 16 * half))} +
                         double{Storage::from_bits(static_cast<uint16_t>(b >> 16 * half))};
    sum |= static_cast<uint32_t>(Storage(static_cast<float>(exact)).bits) << 16 * half;
  }
  return sum;
}

inline int32_t dot_s8x4(uint32_t a, uint32_t b, int32_t c) {
  int64_t sum = c;
  for (int shift = 0; shift < 32; shift += 8)
    sum += int64_t{static_cast<int8_t>(a >> shift)} * static_cast<int8_t>(b >> shift);
  return static_cast<int32_t>(sum);
}

}  // namespace qfmt::inline v0::ptx
