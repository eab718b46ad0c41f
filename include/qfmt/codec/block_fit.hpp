// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How well a scale serves a block: the error it leaves, and the sums that say which scale would
// serve the same codes best.
#pragma once

#include "qfmt/codec/block_codec.hpp"

namespace qfmt::inline v0 {

/// Weights of a block's values: value i has weight at[(first + i) % columns], or 1 where `at` is
/// null. A weight that is no positive finite number counts as 0.
struct ColumnWeights {
  float const* at = nullptr;  // (columns)
  int64_t columns = 0;
  int64_t first = 0;

  /// Whether the weights of n values from `skip` on are all 0.
  QFMT_HD constexpr bool are_zero(int64_t n) const {
    for (int64_t i = 0; i < n && i < columns; ++i)
      if (weight((first + i) % columns) > 0.f) return false;
    return true;
  }

  /// The weights of n values from `skip` on.
  QFMT_HD constexpr void copy(int64_t skip, int n, float* out) const {
    int64_t column = at == nullptr ? 0 : (first + skip) % columns;
    for (int i = 0; i < n; ++i) {
      out[i] = at == nullptr ? 1.f : weight(column);
      if (++column >= columns) column = 0;
    }
  }

 private:
  QFMT_HD constexpr float weight(int64_t column) const {
    float const w = at[column];
    return is_finite(w) && w > 0.f ? w : 0.f;
  }
};

/// Sums over a block under a scale, in f64: of w (x - decoded)^2, of w x l and of w l^2, where l is
/// the level of x's code.
struct BlockFit {
  double error = 0.0;
  double cross = 0.0;
  double square = 0.0;

  /// The scale that leaves the least error while the codes stay; 0 where there is none.
  QFMT_HD constexpr float best_scale() const {
    return square > 0.0 ? exact::to_float(cross / square) : 0.f;
  }
};

namespace detail {

/// Sums in sixteen lanes and then by halves: an order that SIMD units of any width keep.
class LaneSum {
 public:
  QFMT_HD constexpr void add(double const (&terms)[tile_size]) {
    for (int i = 0; i < tile_size; i += lanes)
      for (int lane = 0; lane < lanes; ++lane) lane_[lane] += terms[i + lane];
  }
  QFMT_HD constexpr double total() const {
    double sum[lanes]{};
    for (int lane = 0; lane < lanes; ++lane) sum[lane] = lane_[lane];
    for (int half = lanes / 2; half > 0; half /= 2)
      for (int lane = 0; lane < half; ++lane) sum[lane] += sum[lane + half];
    return sum[0];
  }

 private:
  static constexpr int lanes = 16;
  double lane_[lanes]{};
};

/// The level of a code, and its value under a scale.
template <FormatSpec F>
QFMT_HD constexpr float unit_level(uint8_t code) {
  if constexpr (CodebookFormat<F>) {
    return level<F>(code);
  } else {
    return F::decode(code, 1.f);
  }
}

template <FormatSpec F, Element T>
QFMT_HD constexpr void codes_of_tile(T const* values, int n, float scale, uint8_t* code) {
  if constexpr (CodebookFormat<F> || ScaledFormulaFormat<F>) {
    encode_tile<F>(values, n, block_scaling<F>(scale), code);
  } else {
    for (int i = 0; i < n; ++i)
      code[i] = static_cast<uint8_t>(F::encode(to_float(values[i]), scale));
  }
  if constexpr (bits_of<F> == 4)
    for (int i = 0; i < n; ++i) code[i] &= 15;
}

}  // namespace detail

/// The fit of n values under a scale that is finite and not 0. Numerics: the codes are those of
/// encode_block and the decoded values those of decode; sums in f64 in an order of their own, no
/// product fused, so that every build finds the same bits.
template <FormatSpec F, Element T>
QFMT_HD constexpr BlockFit fit_block(T const* values, int64_t n, ColumnWeights const& weights,
                                     float scale) {
  constexpr int tile = detail::tile_size;
  detail::LaneSum error, cross, square;
  for (int64_t first = 0; first < n; first += tile) {
    int const count = n - first < tile ? static_cast<int>(n - first) : tile;
    uint8_t code[tile]{};
    detail::codes_of_tile<F>(values + first, count, scale, code);
    float x[tile]{}, w[tile]{}, unit[tile]{}, decoded[tile]{};
    weights.copy(first, count, w);
    for (int i = 0; i < count; ++i) {
      x[i] = to_float(values[first + i]);
      unit[i] = detail::unit_level<F>(code[i]);
      decoded[i] = decode<F>(code[i], scale);
    }
    detail::settle(decoded);
    double weighted[tile]{}, terms[3][tile]{};
    for (int i = 0; i < tile; ++i) {
      double const d = exact::to_double(x[i]) - exact::to_double(decoded[i]);
      double const wl = exact::to_double(w[i]) * exact::to_double(unit[i]);  // exact in f64
      terms[0][i] = d * d;
      terms[1][i] = wl * exact::to_double(x[i]);
      terms[2][i] = wl * exact::to_double(unit[i]);
    }
    detail::settle(terms);
    for (int i = 0; i < tile; ++i) weighted[i] = exact::to_double(w[i]) * terms[0][i];
    detail::settle(weighted);
    error.add(weighted);
    cross.add(terms[1]);
    square.add(terms[2]);
  }
  return {error.total(), cross.total(), square.total()};
}

}  // namespace qfmt::inline v0
