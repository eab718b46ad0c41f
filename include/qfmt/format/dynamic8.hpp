// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The 8-bit dynamic map: a decimal exponent whose length varies, so that the map spends its codes
// on relative precision over seven decades. bitsandbytes keeps nested scales in it.
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

namespace detail {

/// `count` means of neighbours on a linear grid from 0.1 to 1, in the float arithmetic that gives
/// the published bits: grid points come from whichever end is nearer, one rounding each.
template <int count>
QFMT_HD consteval void append_decade(float (&levels)[256], int& n, float power,
                                     bool with_negatives) {
  float const low = 0.1f;
  float const step = (1.f - low) / static_cast<float>(count);
  auto const grid = [&](int j) {  // exact in double, so the cast is the only rounding
    return j < (count + 1) / 2 ? static_cast<float>(double{step} * j + double{low})
                               : static_cast<float>(1.0 - double{step} * (count - j));
  };
  for (int j = 0; j < count; ++j) {
    float const mean = (grid(j) + grid(j + 1)) / 2.f * power;
    levels[n++] = mean;
    if (with_negatives) levels[n++] = -mean;
  }
}

template <int first_count>
QFMT_HD consteval Codebook<8> make_dynamic_map(bool with_negatives) {
  float levels[256]{};
  int n = 0;
  append_decade<first_count>(levels, n, 1e-6f, with_negatives);
  append_decade<first_count * 2>(levels, n, 1e-5f, with_negatives);
  append_decade<first_count * 4>(levels, n, 1e-4f, with_negatives);
  append_decade<first_count * 8>(levels, n, 1e-3f, with_negatives);
  append_decade<first_count * 16>(levels, n, 1e-2f, with_negatives);
  append_decade<first_count * 32>(levels, n, 1e-1f, with_negatives);
  append_decade<first_count * 64>(levels, n, 1e+0f, with_negatives);
  levels[n++] = 0.f;
  levels[n++] = 1.f;
  for (int i = 1; i < 256; ++i)
    for (int j = i; j > 0 && levels[j] < levels[j - 1]; --j) {
      float const swapped = levels[j];
      levels[j] = levels[j - 1];
      levels[j - 1] = swapped;
    }
  return Codebook<8>(levels);
}

/// Decision points between neighbours with ties to the even code. The library decides by x > t, so
/// where the tie belongs to the upper code the point moves one float down.
struct DynamicThresholds {
  float at[255];

  QFMT_HD consteval explicit DynamicThresholds(Codebook<8> const& map) : at{} {
    for (int c = 0; c < 255; ++c) {
      float const midpoint = (map.level[c] + map.level[c + 1]) * 0.5f;
      uint32_t const bits = float_bits(midpoint);
      at[c] = c % 2 == 0 ? midpoint : float_from_bits(midpoint > 0.f ? bits - 1 : bits + 1);
    }
  }
  QFMT_HD constexpr float operator[](int c) const { return at[c]; }
};

}  // namespace detail

/// The signed map: 256 levels in order of value, -0.99296874 to 1; code 127 is zero.
struct Dynamic8 {
  static constexpr auto name = "dynamic8";     ///< what a SchemeDesc calls it
  static constexpr bool stores_levels = true;  ///< files bring their map along
  static constexpr Codebook codebook = detail::make_dynamic_map<1>(true);  ///< SPEC.md 6.1
  static constexpr detail::DynamicThresholds thresholds{codebook};  ///< ties to the even code
};

/// The unsigned map: 0 to 1; code 0 is zero. Negative values take code 0.
struct UnsignedDynamic8 {
  static constexpr auto name = "unsigned_dynamic8";  ///< what a SchemeDesc calls it
  static constexpr bool stores_levels = true;        ///< files bring their map along
  static constexpr Codebook codebook = detail::make_dynamic_map<2>(false);  ///< SPEC.md 6.1
  static constexpr detail::DynamicThresholds thresholds{codebook};  ///< ties to the even code
};

}  // namespace qfmt::inline v0
