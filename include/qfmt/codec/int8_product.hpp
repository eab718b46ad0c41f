// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of LLM.int8(), one value at a time, for the host and every kernel: which values of
// the activations are outliers, the codes of the others, and what a sum of products of codes means.
#pragma once

#include "qfmt/codec/encode.hpp"
#include "qfmt/layout/quantized_activations.hpp"

namespace qfmt::inline v0 {

/// magnitude_bits of the largest regular value: one that is below the threshold. What is not
/// regular, NaN and the infinities included, is an outlier. The comparison is exact, whatever T can
/// represent. threshold 0: every value is regular, NaN and the infinities included.
template <Element T>
QFMT_HD constexpr auto largest_regular(float threshold) {
  using Bits = decltype(magnitude_bits(T{}));
  if (!exact::greater(threshold, 0.f))
    return static_cast<Bits>(sizeof(T) == 2 ? 0x7FFF : 0x7FFFFFFF);
  T const nearest = from_float<T>(threshold);
  Bits const bits = magnitude_bits(nearest);
  return exact::greater(threshold, to_float(nearest)) ? bits : static_cast<Bits>(bits - 1);
}

/// Whether |x| reaches the threshold that `regular` stands for.
template <Element T>
QFMT_HD constexpr bool is_outlier(T x, decltype(magnitude_bits(T{})) regular) {
  return magnitude_bits(x) > regular;
}

/// What a row of activations holds.
template <class Bits>
struct RowMagnitudes {
  Bits most;          ///< magnitude_bits of its largest regular value, 0 if there is none
  bool has_outliers;  ///< whether a value reaches the threshold
};

template <Element T>
QFMT_HD constexpr auto largest_magnitudes(T const* values, int64_t n,
                                          decltype(magnitude_bits(T{})) regular) {
  using Bits = decltype(magnitude_bits(T{}));
  constexpr int lanes = 16;  // independent maxima, as in block_absmax
  Bits most[lanes]{}, all[lanes]{};
  auto const take = [&](int lane, Bits m) {
    Bits const counted = m <= regular ? m : Bits{0};
    most[lane] = counted > most[lane] ? counted : most[lane];
    all[lane] = m > all[lane] ? m : all[lane];
  };
  int64_t const whole = n - n % lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) take(lane, magnitude_bits(values[i + lane]));
  for (int64_t i = whole; i < n; ++i) take(0, magnitude_bits(values[i]));
  RowMagnitudes<Bits> row{0, false};
  for (int lane = 0; lane < lanes; ++lane) {
    row.most = most[lane] > row.most ? most[lane] : row.most;
    row.has_outliers = row.has_outliers || all[lane] > regular;
  }
  return row;
}

/// The absmax of a row from the largest magnitude_bits of its regular values; NaN where one was NaN
/// or infinite, which needs threshold 0.
template <Element T>
QFMT_HD constexpr float activation_absmax(decltype(magnitude_bits(T{})) most) {
  return most < infinity_bits<T>() ? magnitude<T>(most) : float_from_bits(canonical_nan_bits);
}

/// True where a row with this absmax has code 0 throughout.
QFMT_HD constexpr bool is_blank_row(float absmax) { return is_zero(absmax) || !is_finite(absmax); }

/// The code of a regular value: round(x * (127 / absmax)), ties to even, IEEE division. Not for a
/// blank row. bitsandbytes takes f32(1 / absmax) * 127 on the CPU and an approximate division on
/// CUDA: there a value half way between two codes may get the other one.
template <Element T>
QFMT_HD constexpr uint8_t activation_code(T x, BlockScaling const& scaling) {
  return Int8::round(exact::rounded(scaling(to_float(x))));
}

/// Columns [column, column + 32) of a bitmap of outlier columns; none where it is null.
QFMT_HD constexpr uint32_t outlier_word(uint32_t const* outliers, int64_t column) {
  return outliers == nullptr ? 0u : outliers[column / outlier_word_bits];
}

/// Whether a column is in the bitmap; none is where it is null.
QFMT_HD constexpr bool is_outlier_column(uint32_t const* outliers, int64_t column) {
  return (outlier_word(outliers, column) >> (column % outlier_word_bits) & 1u) != 0;
}

/// Up to `most` outlier columns from column `from` on, ascending; moves `from` behind the last of
/// them. Returns how many; fewer than `most` where there are no more.
QFMT_HD constexpr int next_outlier_columns(uint32_t const* outliers, int64_t cols, int64_t& from,
                                           int64_t* columns, int most) {
  int found = 0;
  while (from < cols && found < most) {
    if (outlier_word(outliers, from) >> (from % outlier_word_bits) == 0) {
      from = (from / outlier_word_bits + 1) * outlier_word_bits;
      continue;
    }
    if (is_outlier_column(outliers, from)) columns[found++] = from;
    ++from;
  }
  return found;
}

/// Values of K whose products of codes sum to less than 2^31: 128 * 127 * 2^17 = 2^31 - 2^24.
inline constexpr int64_t int8_sum_cols = int64_t{1} << 17;

/// 1 / 127^2.
inline constexpr float int8_product_unit = 1.f / (Int8::peak * Int8::peak);

/// What a product of codes of this row of weights is worth under an activation absmax of 1.
QFMT_HD constexpr float weight_factor(float weight_absmax) {
  return exact::mul(weight_absmax, int8_product_unit);
}

/// y before it is rounded to its type: ((sum * factor) * absmax + outliers) + bias, where sum *
/// factor comes first so that the range of bfloat16 activations is not left on the way. Six
/// roundings with those of the sum to f32 and of the factor.
///     sum: of the products of codes, exact   outliers: add_outlier's   bias: 0 where there is none
template <class Integer>
QFMT_HD constexpr float int8_product(Integer sum, float factor, float activation_absmax,
                                     float outliers, float bias) {
  float const scaled = exact::mul(static_cast<float>(sum), factor);
  return exact::add(exact::mul_then_add(scaled, activation_absmax, outliers), bias);
}

/// The column among kept weights, or -1 where it was not kept.
template <Element T>
QFMT_HD constexpr int64_t kept_column(OutlierWeights<T> const& kept, int64_t column) {
  if (kept.values == nullptr) return -1;
  if (kept.columns == nullptr) return column;
  int64_t first = 0;
  for (int64_t last = kept.count; first < last;) {
    int64_t const middle = first + (last - first) / 2;
    if (kept.columns[middle] < column) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first < kept.count && kept.columns[first] == column ? first : -1;
}

/// The weight of an outlier column: the kept one, or the int8 one decoded and rounded to T.
///     codes, absmax: the row's   kept_at: kept_column(kept, column)
template <Element T>
QFMT_HD constexpr float outlier_weight(uint8_t const* codes, float absmax,
                                       OutlierWeights<T> const& kept, int64_t row, int64_t column,
                                       int64_t kept_at) {
  if (kept_at >= 0) return to_float(kept.values[row * kept.row_stride + kept_at]);
  return to_float(from_float<T>(Int8::decode(codes[column], absmax)));
}

/// One more product of an outlier column, in f32: a row's columns are added in ascending order.
QFMT_HD constexpr float add_outlier(float sum, float x, float weight) {
  return exact::mul_then_add(x, weight, sum);
}

}  // namespace qfmt::inline v0
