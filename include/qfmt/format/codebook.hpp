// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0 {

/// The levels of a format, by code, relative to the block's absmax: code c stands for
/// level[c] * absmax. Up to 16 levels are stored in 4 bits, up to 256 in 8; a shorter list uses the
/// low codes. Codes beyond `count` are never written and decode to NaN, so that a damaged file
/// shows.
///
///     static constexpr qfmt::Codebook codebook{-1.f, -.5f, -.2f, 0.f, .2f, .5f, .7f, 1.f};
template <int Bits>
struct Codebook {
  static_assert(Bits == 4 || Bits == 8, "qfmt::Codebook: a list of 2 to 256 levels");
  static constexpr int bits = Bits;           ///< of a stored code
  static constexpr int capacity = 1 << Bits;  ///< codes there are

  float level[capacity];  ///< by code
  int count;              ///< levels in use

  /// From levels in order of code.
  template <class... Levels>
    requires(sizeof...(Levels) >= 2 && (stl::convertible_to<Levels, float> && ...))
  QFMT_HD constexpr Codebook(Levels... levels)
      : level{static_cast<float>(levels)...}, count(static_cast<int>(sizeof...(levels))) {
    clear_unused();
  }

  /// From an array of levels in order of code.
  template <int N>
  QFMT_HD constexpr Codebook(float const (&levels)[N]) : level{}, count(N) {
    static_assert(N >= 2 && N <= capacity, "qfmt::Codebook: a list of 2 to 256 levels");
    for (int c = 0; c < N; ++c) level[c] = levels[c];
    clear_unused();
  }

 private:
  QFMT_HD constexpr void clear_unused() {
    for (int c = count; c < capacity; ++c) level[c] = float_from_bits(canonical_nan_bits);
  }
};

namespace detail {
QFMT_HD constexpr int code_bits_for(int levels) {
  return levels <= 16 ? 4 : levels <= 256 ? 8 : 16;
}
}  // namespace detail

/// 4 bits for up to 16 levels, 8 for up to 256.
template <class... Levels>
Codebook(Levels...) -> Codebook<detail::code_bits_for(sizeof...(Levels))>;

/// 4 bits for up to 16 levels, 8 for up to 256.
template <int N>
Codebook(float const (&)[N]) -> Codebook<detail::code_bits_for(N)>;

}  // namespace qfmt::inline v0
