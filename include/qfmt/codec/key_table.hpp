// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding an 8-bit codebook with two lookups and one comparison: the sign, exponent and first
// mantissa bits of x, moved away from zero by a bias so that small numbers share few exponents, are
// a key so fine that a decision point falls among the numbers of each key at most once.
#pragma once

#include "qfmt/codec/encode.hpp"

namespace qfmt::inline v0 {

/// The key of x is the bits from 17 on of x + bias, or x - bias where x has a sign, which rounds
/// but keeps the order. rank[s][key - least] points lie below every number of the key (s: 1 for a
/// sign, whose bit the key is then less) but for one that may lie among them. bias == 0: the
/// format's points lie too close.
struct KeyTable {
  static constexpr int shift = 17;  ///< bits of a float that are no part of its key
  static constexpr int sign_bit = 1 << (31 - shift);  ///< where the sign lies in a key
  static constexpr int capacity = 1600;               ///< keys of one sign at most
  float bias = 0.f;                                   ///< added to magnitudes; 0: no table
  int least = 0;                                      ///< the key of zero
  int count = 0;                                      // keys of one sign
  alignas(4) uint8_t rank[2][capacity]{};             ///< [sign][key - least]
};

namespace detail {

/// Without the sign.
QFMT_HD constexpr int key_of(float x, float bias) {
  float const magnitude = float_from_bits(float_bits(x) & 0x7FFFFFFFu);
  return static_cast<int>(float_bits(magnitude + bias) >> KeyTable::shift);
}

/// Whether `point` is below all numbers of a key: of those beyond zero, or of keys that come first.
QFMT_HD constexpr bool is_below_key(float point, float bias, int key, bool negative) {
  bool const point_is_negative = float_bits(point) >> 31 != 0;
  if (point_is_negative != negative) return point_is_negative;
  return negative ? key_of(point, bias) > key : key_of(point, bias) < key;
}

template <CodebookFormat F>
QFMT_HD consteval KeyTable make_key_table() {
  constexpr auto const& points = host_points<F>;
  constexpr int n = points.count - 1;
  for (float bias = 0x1p-8f; bias >= 0x1p-22f; bias *= 0.5f) {
    bool apart = true;  // neighbours with one sign and one key
    for (int i = 0; i + 1 < n; ++i)
      apart =
          apart && (float_bits(points.below[i]) >> 31 != float_bits(points.below[i + 1]) >> 31 ||
                    key_of(points.below[i], bias) != key_of(points.below[i + 1], bias));
    if (!apart) continue;
    KeyTable t{bias, key_of(0.f, bias)};
    t.count = key_of(0x1.000002p0f, bias) - t.least + 1;
    if (t.count > KeyTable::capacity) return {};
    int above = 0, below = n;  // points below the key with and without a sign
    for (int i = 0; i < t.count; ++i) {
      if (i == 0)
        for (above = 0; above < n && float_bits(points.below[above]) >> 31 != 0;) ++above;
      if (i == 0) below = above;
      while (above < n && is_below_key(points.below[above], bias, t.least + i, false)) ++above;
      while (below > 0 && !is_below_key(points.below[below - 1], bias, t.least + i, true)) --below;
      t.rank[0][i] = static_cast<uint8_t>(above);
      t.rank[1][i] = static_cast<uint8_t>(below);
    }
    return t;
  }
  return {};
}

template <FormatSpec F>
QFMT_HD consteval KeyTable key_table_of() {
  if constexpr (CodebookFormat<F> && bits_of<F> == 8 && !requires { F::encode(0.f); }) {
    return make_key_table<F>();
  } else {
    return {};
  }
}

}  // namespace detail

/// The keys of F, worked out at compile time.
template <FormatSpec F>
inline constexpr KeyTable key_table = detail::key_table_of<F>();

}  // namespace qfmt::inline v0
