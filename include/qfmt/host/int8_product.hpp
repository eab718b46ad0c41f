// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of an LLM.int8() product: exact sums of products of codes, sums over the outlier columns,
// and what the two come to. Scalar; the walk is that of every instruction set.
#pragma once

#include "qfmt/codec/int8_product.hpp"
#include "qfmt/host/arguments.hpp"
#include "qfmt/host/int8_options.hpp"

#include <algorithm>

namespace qfmt::inline v0::host::detail {

/// A product whose activations are quantized.
template <Element T>
struct Int8Product {
  QuantizedMatrix<LlmInt8 const> w;
  OutlierWeights<T> kept;
  QuantizedActivations<LlmInt8 const> a;
  T const* x;  // (m, k): what a was quantized from
  T* y;        // (m, n)
  T const* bias;
};

inline constexpr int int8_tile_m = 16;    ///< rows of x in a tile
inline constexpr int int8_tile_n = 64;    ///< rows of weights in a tile
inline constexpr int outlier_chunk = 64;  ///< outlier columns gathered at a time

/// Codes of one row of a matrix, on which row `row`'s scale is.
struct CodeRow {
  uint8_t const* codes;
  float absmax;
};

inline CodeRow code_row(QuantizedMatrix<LlmInt8 const> const& w, int64_t row) {
  if (w.cols == 0) return {nullptr, 0.f};
  int64_t const first = w.origin + row * w.row_stride;
  return {w.values.codes + first, scale_at(w.values.scales, block_of(w.values, first))};
}

/// Exact sum of products of codes.     a, b: (n)
inline int64_t int8_dot(uint8_t const* a, uint8_t const* b, int64_t n) {
  int64_t sum = 0;
  for (int64_t k = 0; k < n; k += int8_sum_cols) {
    int64_t const last = n - k < int8_sum_cols ? n : k + int8_sum_cols;
    int32_t part = 0;
    for (int64_t i = k; i < last; ++i)
      part += static_cast<int8_t>(a[i]) * static_cast<int8_t>(b[i]);
    sum += part;
  }
  return sum;
}

/// Rows of x by rows of weights, of one tile.
struct Int8Tile {
  int64_t m, n;    // where it begins
  int rows, cols;  // of y
};

/// The part of the outlier columns: sums[i][j] for row n + i of the weights and row m + j of x.
template <Element T>
void sum_outliers(Int8Product<T> const& p, Int8Tile const& tile, float (*sums)[int8_tile_m]) {
  int64_t const k = p.w.cols;
  int64_t columns[outlier_chunk], kept_at[outlier_chunk];
  float x[outlier_chunk][int8_tile_m];
  for (int64_t from = 0; from < k;) {
    int const count = next_outlier_columns(p.a.outliers, k, from, columns, outlier_chunk);
    for (int c = 0; c < count; ++c) {
      kept_at[c] = kept_column(p.kept, columns[c]);
      for (int j = 0; j < tile.rows; ++j) x[c][j] = to_float(p.x[(tile.m + j) * k + columns[c]]);
    }
    for (int i = 0; i < tile.cols; ++i)
      for (int c = 0; c < count; ++c) {
        float const weight = outlier_weight(p.w, p.kept, tile.n + i, columns[c], kept_at[c]);
        for (int j = 0; j < tile.rows; ++j) sums[i][j] = add_outlier(sums[i][j], x[c][j], weight);
      }
  }
}

/// One tile of y.
template <Element T>
void multiply_int8_tile(Int8Product<T> const& p, Int8Tile const& tile) {
  float outliers[int8_tile_n][int8_tile_m]{};
  if (p.a.outliers != nullptr) sum_outliers(p, tile, outliers);
  for (int i = 0; i < tile.cols; ++i) {
    int64_t const n = tile.n + i;
    CodeRow const w = code_row(p.w, n);
    float const factor = weight_factor(w.absmax);
    float const bias = p.bias == nullptr ? 0.f : to_float(p.bias[n]);
    for (int j = 0; j < tile.rows; ++j) {
      CodeRow const a = code_row(p.a.values, tile.m + j);
      int64_t const sum = int8_dot(a.codes, w.codes, p.w.cols);
      p.y[(tile.m + j) * p.w.rows + n] =
          from_float<T>(int8_product(sum, factor, a.absmax, outliers[i][j], bias));
    }
  }
}

/// Columns `range` of y.
template <Element T>
void multiply_int8(Int8Product<T> const& p, BlockRange range, Int8Options) {
  int64_t const m = p.a.values.rows;
  for (int64_t n = range.first; n < range.last; n += int8_tile_n)
    for (int64_t first = 0; first < m; first += int8_tile_m)
      multiply_int8_tile(p, {first, n, static_cast<int>(std::min<int64_t>(int8_tile_m, m - first)),
                             static_cast<int>(std::min<int64_t>(int8_tile_n, range.last - n))});
}

}  // namespace qfmt::inline v0::host::detail
