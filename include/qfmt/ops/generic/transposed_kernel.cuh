// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The transposed matmul that is right everywhere: any scheme, element type, shape, alignment and
// GPU. A block takes 64 columns of the weights and up to eight rows of dy; its warps take the rows
// of the weights in turn.
#pragma once

#include "qfmt/ops/generic/kernel.cuh"

namespace qfmt::inline v0 {
namespace generic QFMT_HIDDEN {

inline constexpr int transposed_columns = 64;  ///< of a block, two a lane

/// dx = dy * dequantize(w). Block (b, j) works on columns [64 * b, ...) of the weights and rows
/// [columns * j, ...) of dy. Sums in f32: of a warp over every eighth row in ascending order, then
/// of the warps in order; a row of dx has the same bits whatever m is.
template <SchemeSpec S, Element T, int Max>
__launch_bounds__(warps * 32) __global__
    void matmul_transposed_kernel(__grid_constant__ MatrixParts<S const, Max> const w, T const* dy,
                                  int64_t m, T* dx) {
  __shared__ float partial[warps][columns][transposed_columns];
  int const warp = static_cast<int>(threadIdx.x / 32);
  int const lane = static_cast<int>(threadIdx.x % 32);
  int64_t const rows = w.rows();
  int64_t const cols = w.cols();
  int64_t const k = int64_t{blockIdx.x} * transposed_columns + 2 * lane;
  int64_t const first_m = int64_t{blockIdx.y} * columns;
  int const count = m - first_m < columns ? static_cast<int>(m - first_m) : columns;
  ptx::wait_for_dependencies();

  float sums[columns][2] = {};
  int64_t column = 0;  // of dy, where a part begins
  for (int p = 0; p < w.count; column += w.part[p++].rows) {
    QuantizedMatrix<S const> const& part = w.part[p];
    for (int64_t row = warp; row < part.rows; row += warps) {
      int64_t const flat = part.origin + row * part.row_stride + k;
      float const first = k < cols ? decode_at(part.values, flat) : 0.f;
      float const second = k + 1 < cols ? decode_at(part.values, flat + 1) : 0.f;
      T const* const factors = dy + first_m * rows + column + row;
#pragma unroll
      for (int c = 0; c < columns; ++c)
        if (c < count) {
          float const factor = to_float(factors[c * rows]);
          sums[c][0] += first * factor;
          sums[c][1] += second * factor;
        }
    }
  }
#pragma unroll
  for (int c = 0; c < columns; ++c) {
    partial[warp][c][2 * lane] = sums[c][0];
    partial[warp][c][2 * lane + 1] = sums[c][1];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < count * transposed_columns; i += warps * 32) {
    int const c = i / transposed_columns;
    int64_t const to = int64_t{blockIdx.x} * transposed_columns + i % transposed_columns;
    float sum = partial[0][c][i % transposed_columns];
    for (int other = 1; other < warps; ++other) sum += partial[other][c][i % transposed_columns];
    if (to < cols) dx[(first_m + c) * cols + to] = from_float<T>(sum);
  }
}

}  // namespace generic
}  // namespace qfmt::inline v0
