// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a type must have to be a format. No base class, no macro, no registration:
//
//   codebook format   name, codebook                 code c decodes to level[c] * absmax
//       optional      thresholds                     pinned decision points, in order of level
//                     encode(x)                      the whole decision, x relative to absmax
//   formula format    name, bits, decode(code, absmax), encode(x, absmax)
//       optional      peak, round(t)                 a block divides once: its codes are
//                                                    round(x * (peak / absmax))
//       or            largest                        codes are numbers up to `largest`: decode and
//                                                    encode take the scale absmax / largest
//       or            has_zero_point = true          decode and encode take a scale with a zero
//                                                    point in its four lowest bits
//
//   any may name what Scheme<Format<F>> takes where nothing else is said: default_block_size,
//   default_scale (the type scales are stored in), default_tensor_scale.
//
// Of a code the low `bits` bits count. `stores_levels = true` says that files bring their own map.
//
// For device code the functions carry QFMT_HD.
#pragma once

#include "qfmt/format/codebook.hpp"

namespace qfmt::inline v0 {

template <class F>
concept CodebookFormat = requires {
  F::name;
  F::codebook.level[0];
  requires F::codebook.count >= 2;
};

template <class F>
concept FormulaFormat = !CodebookFormat<F> && requires(uint8_t code, float x) {
  F::name;
  requires F::bits == 4 || F::bits == 8;
  { F::decode(code, x) } -> stl::convertible_to<float>;
  { F::encode(x, x) } -> stl::convertible_to<uint8_t>;
};

/// A format says what one code means.
template <class F>
concept FormatSpec = CodebookFormat<F> || FormulaFormat<F>;

namespace detail {
template <FormatSpec F>
QFMT_HD constexpr int bits_of_format() {
  if constexpr (CodebookFormat<F>) {
    return F::codebook.bits;
  } else {
    return F::bits;
  }
}

template <FormatSpec F>
QFMT_HD constexpr bool levels_are_finite() {
  if constexpr (CodebookFormat<F>) {
    for (int c = 0; c < F::codebook.count; ++c)
      if (!is_finite(F::codebook.level[c])) return false;
  }
  return true;
}
}  // namespace detail

/// Bits that one code takes in memory: 4 or 8.
template <FormatSpec F>
inline constexpr int bits_of = detail::bits_of_format<F>();

/// A formula whose encoder is a rounding after one scaling, so that a block divides once.
template <class F>
concept ScaledFormulaFormat = FormulaFormat<F> && requires(float t) {
  { F::peak } -> stl::convertible_to<float>;
  { F::round(t) } -> stl::convertible_to<uint8_t>;
};

/// A formula whose codes are numbers of their own, up to `largest`, times a scale that is not the
/// block's absmax but absmax / largest.
template <class F>
concept ElementFormat = FormulaFormat<F> && requires {
  { F::largest } -> stl::convertible_to<float>;
};

/// A formula that takes a zero point in the four lowest bits of its scale.
template <class F>
concept ZeroPointFormat = FormulaFormat<F> && requires {
  requires F::has_zero_point;
};

/// A codebook with a sign bit over magnitudes: encode(x) is magnitude_codes[number of
/// magnitude_thresholds below |x|], with sign_bit set where x < 0 (-0 is not). Fast encoders work
/// from these; encode stays the statement of the rule.
template <class F>
concept SignMagnitudeFormat = CodebookFormat<F> && requires(float x) {
  F::magnitude_thresholds[0];
  F::magnitude_codes[0];
  F::sign_bit;
  F::encode(x);
};

/// Formats whose files carry their own map, which a reader must use instead of the built-in one.
template <class F>
concept StoresLevels = CodebookFormat<F> && requires {
  requires F::stores_levels;
};

}  // namespace qfmt::inline v0
