// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of an LLM.int8() product: exact sums of products of codes, sums over the outlier columns,
// and what the two come to. The walk is the same for every instruction set.
#pragma once

#include "qfmt/host/arguments.hpp"
#include "qfmt/host/int8_options.hpp"
#include "qfmt/host/simd/int8_dots.hpp"

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

/// The scale of a row of a matrix; 0 where rows are empty.
inline float absmax_of_row(QuantizedMatrix<LlmInt8 const> const& w, int64_t row) {
  if (w.cols == 0) return 0.f;
  return scale_at(w.values.scales, block_of(w.values, w.origin + row * w.row_stride));
}

/// Rows of x by rows of weights, of one tile.
struct Int8Tile {
  int64_t m, n;    // where it begins
  int rows, cols;  // of y
};

/// Up to outlier_chunk outlier columns, and their weights in a tile's rows.
struct OutlierColumns {
  int64_t next = 0;  // where the search goes on
  int count = 0;
  int64_t column[outlier_chunk];
  float weight[int8_tile_n][outlier_chunk];
};

/// Fills in what follows from out.next on, for rows [n, n + rows) of the weights.
template <Element T>
void gather_outliers(Int8Product<T> const& p, int64_t n, int rows, OutlierColumns& out) {
  int64_t kept_at[outlier_chunk];
  out.count = next_outlier_columns(p.a.outliers, p.w.cols, out.next, out.column, outlier_chunk);
  for (int c = 0; c < out.count; ++c) kept_at[c] = kept_column(p.kept, out.column[c]);
  for (int i = 0; i < rows; ++i) {
    uint8_t const* const codes = p.w.values.codes + p.w.origin + (n + i) * p.w.row_stride;
    float const absmax = absmax_of_row(p.w, n + i);
    for (int c = 0; c < out.count; ++c)
      out.weight[i][c] = outlier_weight(codes, absmax, p.kept, n + i, out.column[c], kept_at[c]);
  }
}

/// sums[i][j] += the products of outlier columns of row n + i of the weights and row m + j of x.
template <class Kernel, Element T>
void add_outlier_columns(Int8Product<T> const& p, Int8Tile const& tile, OutlierColumns const& o,
                         float (*sums)[int8_tile_m]) {
  float x[outlier_chunk][int8_tile_m]{};
  for (int c = 0; c < o.count; ++c)
    for (int j = 0; j < tile.rows; ++j)
      x[c][j] = to_float(p.x[(tile.m + j) * p.w.cols + o.column[c]]);
  for (int i = 0; i < tile.cols; ++i)
    for (int c = 0; c < o.count; ++c) Kernel::add_outliers(sums[i], x[c], o.weight[i][c]);
}

/// The part of the outlier columns. first: those that were gathered for the whole row of tiles.
template <class Kernel, Element T>
void sum_outliers(Int8Product<T> const& p, Int8Tile const& tile, OutlierColumns const& first,
                  float (*sums)[int8_tile_m]) {
  if (first.count > 0) add_outlier_columns<Kernel>(p, tile, first, sums);
  if (first.count < outlier_chunk) return;
  OutlierColumns more;
  more.next = first.next;
  do {
    gather_outliers(p, tile.n, tile.cols, more);
    add_outlier_columns<Kernel>(p, tile, more, sums);
  } while (more.count == outlier_chunk);
}

/// Codes [k, k + count) of every row of a tile.
struct CodePiece {
  uint8_t const* w;
  int64_t w_stride;
  uint8_t const* x;
  int64_t x_stride;
  int64_t count;
};

/// sums[i][j] += products of N rows of weights from row i on and M rows of x from row j on.
template <class Kernel, int N, int M>
void add_dots(CodePiece const& p, int i, int j, int32_t const* prepared,
              int64_t (*sums)[int8_tile_m]) {
  int32_t out[N * M];
  Kernel::template dots<N, M>(p.w + i * p.w_stride, p.w_stride, p.x + j * p.x_stride, p.x_stride,
                              p.count, prepared + j, out);
  for (int c = 0; c < N * M; ++c) sums[i + c / M][j + c % M] += out[c];
}

/// The same for M rows of x and every row of weights of the tile.
template <class Kernel, int M>
void add_columns(CodePiece const& p, int cols, int j, int32_t const* prepared,
                 int64_t (*sums)[int8_tile_m]) {
  constexpr int step = Kernel::template rows_of_weights<M>;
  int i = 0;
  for (; i + step <= cols; i += step) add_dots<Kernel, step, M>(p, i, j, prepared, sums);
  for (; i < cols; ++i) add_dots<Kernel, 1, M>(p, i, j, prepared, sums);
}

/// The exact sums of products of codes of a tile.
template <class Kernel, Element T>
void sum_codes(Int8Product<T> const& p, Int8Tile const& tile, int64_t (*sums)[int8_tile_m]) {
  for (int64_t k = 0; k < p.w.cols; k += int8_sum_cols) {
    CodePiece const piece{p.w.values.codes + p.w.origin + tile.n * p.w.row_stride + k,
                          p.w.row_stride,
                          p.a.values.values.codes + tile.m * p.a.values.row_stride + k,
                          p.a.values.row_stride, std::min(int8_sum_cols, p.w.cols - k)};
    int32_t prepared[int8_tile_m];
    for (int j = 0; j < tile.rows; ++j)
      prepared[j] = Kernel::prepare(piece.x + j * piece.x_stride, piece.count);
    int j = 0;
    for (; j + Kernel::rows_of_x <= tile.rows; j += Kernel::rows_of_x)
      add_columns<Kernel, Kernel::rows_of_x>(piece, tile.cols, j, prepared, sums);
    for (; j < tile.rows; ++j) add_columns<Kernel, 1>(piece, tile.cols, j, prepared, sums);
  }
}

/// One tile of y.
template <class Kernel, Element T>
void multiply_int8_tile(Int8Product<T> const& p, Int8Tile const& tile,
                        OutlierColumns const& first) {
  float outliers[int8_tile_n][int8_tile_m]{};
  int64_t sums[int8_tile_n][int8_tile_m]{};
  sum_outliers<Kernel>(p, tile, first, outliers);
  sum_codes<Kernel>(p, tile, sums);
  for (int i = 0; i < tile.cols; ++i) {
    int64_t const n = tile.n + i;
    float const factor = weight_factor(absmax_of_row(p.w, n));
    float const bias = p.bias == nullptr ? 0.f : to_float(p.bias[n]);
    for (int j = 0; j < tile.rows; ++j)
      p.y[(tile.m + j) * p.w.rows + n] = from_float<T>(int8_product(
          sums[i][j], factor, absmax_of_row(p.a.values, tile.m + j), outliers[i][j], bias));
  }
}

/// Columns `range` of y.
template <Element T>
void multiply_int8(Int8Product<T> const& p, BlockRange range, Int8Options options) {
  int64_t const m = p.a.values.rows;
  simd::with_int8_dots(simd_level(options.simd), [&]<class Kernel>(Kernel) {
    for (int64_t n = range.first; n < range.last; n += int8_tile_n) {
      int const cols = static_cast<int>(std::min<int64_t>(int8_tile_n, range.last - n));
      OutlierColumns first;
      if (p.a.outliers != nullptr) gather_outliers(p, n, cols, first);
      for (int64_t j = 0; j < m; j += int8_tile_m)
        multiply_int8_tile<Kernel>(
            p, {j, n, static_cast<int>(std::min<int64_t>(int8_tile_m, m - j)), cols}, first);
    }
  });
}

}  // namespace qfmt::inline v0::host::detail
