// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding an 8-bit codebook with two lookups and one comparison: the leading bits of x, its sign,
// exponent and first mantissa bits, are a key so fine that a decision point falls among the numbers
// of each key at most once.
#pragma once

#include "qfmt/codec/encode.hpp"

namespace qfmt::inline v0 {

/// The key of x: bits 17 and up of |x|, not below `least`, less `least`; negative numbers come
/// `half` later. rank[key] points lie below every number of the key but for one that may lie among
/// them. half == 0: the format's points lie too close.
struct KeyTable {
  static constexpr int shift = 17;
  static constexpr int capacity = 3072;
  int least = 0;
  int half = 0;
  uint8_t rank[capacity]{};
};

namespace detail {

/// Magnitudes below the least key share it: their points must be one on each side of zero.
template <CodebookFormat F>
QFMT_HD consteval KeyTable make_key_table() {
  constexpr auto const& points = host_points<F>;
  constexpr int top = static_cast<int>(0x3F800000u >> KeyTable::shift);  // of 1
  KeyTable t{top - KeyTable::capacity / 2 + 1, KeyTable::capacity / 2};
  auto const magnitude_of = [&](int key) {  // where a key begins
    return float_from_bits(static_cast<uint32_t>(t.least + key) << KeyTable::shift);
  };
  int rank = 0;
  for (int key = t.half - 1; key >= 0; --key) {  // numbers below zero, ascending
    float const low = -magnitude_of(key + 1), high = key == 0 ? -0.f : -magnitude_of(key);
    while (rank < points.count - 1 && points.below[rank] <= low) ++rank;
    if (rank + 1 < points.count - 1 && points.below[rank + 1] < high) return {};
    t.rank[t.half + key] = static_cast<uint8_t>(rank);
  }
  for (int key = 0; key < t.half; ++key) {
    float const low = key == 0 ? 0.f : magnitude_of(key), high = magnitude_of(key + 1);
    while (rank < points.count - 1 && points.below[rank] < low) ++rank;
    if (rank + 1 < points.count - 1 && points.below[rank + 1] < high) return {};
    t.rank[key] = static_cast<uint8_t>(rank);
  }
  return t;
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
