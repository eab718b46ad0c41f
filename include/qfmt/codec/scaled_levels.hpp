// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The levels of a codebook as 16-bit numbers for tensor cores. Multiplied by one constant before
// they are rounded, they fall closer to the grid of the 16-bit type: the product with the scale
// then errs less, and dividing the sum by the constant costs one operation for each result.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

namespace detail {

/// Squared error of the levels when they are kept as T(gain * level); stops where it passes
/// `limit`. Small levels count more: normal weights take them more often.
template <CodebookFormat F, Element T>
QFMT_HD constexpr float rounding_error(float gain, float limit) {
  float sum = 0.f;
  for (int c = 0; c < F::codebook.count && sum < limit; ++c) {
    float const level = F::codebook.level[c];
    float const error = to_float(from_float<T>(level * gain)) / gain - level;
    sum += error * error / (1.f + 2.f * level * level);
  }
  return sum;
}

template <CodebookFormat F, Element T>
QFMT_HD constexpr float best_gain() {
  float best = 1.f;
  float least = rounding_error<F, T>(best, 1e30f);
  for (int i = 1; i < 1024; ++i) {
    float const gain = 1.f + static_cast<float>(i) * 0x1p-10f;
    float const error = rounding_error<F, T>(gain, least);
    if (error < least) {
      least = error;
      best = gain;
    }
  }
  return best;
}

}  // namespace detail

/// The constant in [1, 2), of 10 bits, under which the levels of F lose least in T. It takes two
/// fifths off NF4's rounding error in bfloat16, and all of FP4's.
template <CodebookFormat F, Element T>
inline constexpr float level_gain = detail::best_gain<F, T>();

/// Sixteen 16-bit numbers, as bits.
struct ScaledLevels {
  uint16_t bits[16];  ///< of float16 or bfloat16, by code
};

namespace detail {
template <CodebookFormat F, Element T>
QFMT_HD constexpr ScaledLevels make_scaled_levels() {
  ScaledLevels r{};
  for (int c = 0; c < 16; ++c)
    r.bits[c] = c < F::codebook.count
                    ? element_bits(from_float<T>(F::codebook.level[c] * level_gain<F, T>))
                    : element_bits(from_float<T>(F::codebook.level[c]));
  return r;
}
}  // namespace detail

/// T(level_gain * level) of each code; NaN beyond the last level.
template <CodebookFormat F, Element T>
inline constexpr ScaledLevels scaled_levels = detail::make_scaled_levels<F, T>();

}  // namespace qfmt::inline v0
