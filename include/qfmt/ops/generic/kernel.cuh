// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The matmul that is right everywhere: any scheme, element type, shape, alignment and GPU. A warp
// takes one row of the weights and up to eight rows of x; its lanes take runs of 16 values in turn.
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/layout/prepacked_matrix.hpp"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace generic QFMT_HIDDEN {

inline constexpr int warps = 8;
inline constexpr int columns = 8;  ///< rows of x in a pass
inline constexpr int run = 16;     ///< a run of flat values from a multiple of it lies in one block

/// sums[c] += w[first, last) * x[c, first, last): columns of one row of the weights, a run of them
/// that is aligned among the flat values.     x: (count, k)
template <SchemeSpec S, Element T>
__device__ void add_run(QuantizedMatrix<S const> const& w, int64_t row, int64_t first, int64_t last,
                        T const* x, int count, float (&sums)[columns]) {
  int64_t const flat = w.origin + row * w.row_stride;
  int64_t block = -1;
  float scale = 0.f;
  for (int64_t k = first; k < last; ++k) {
    int64_t const now = block_of(w.values, flat + k);
    if (now != block) scale = scale_at(w.values.scales, block = now);
    uint8_t const code = code_of(w, row, k);
    float const value = decode<typename S::format>(w.values.scales, code, scale);
#pragma unroll
    for (int c = 0; c < columns; ++c)
      if (c < count) sums[c] += value * to_float(x[c * w.cols + k]);
  }
}

/// y = x * dequantize(w)^T + bias. Block (b, j) works on rows [warps * b, ...) of the weights and
/// rows [columns * j, ...) of x. Sums in f32: lanes' runs in order, then lanes by a butterfly; a
/// row of y has the same bits whatever m is.
template <SchemeSpec S, Element T, int Max>
__launch_bounds__(warps * 32) __global__
    void matmul_kernel(__grid_constant__ MatrixParts<S const, Max> const w, T const* x, int64_t m,
                       T* y, T const* bias) {
  int64_t const n = int64_t{blockIdx.x} * warps + threadIdx.x / 32;
  int const lane = static_cast<int>(threadIdx.x % 32);
  ptx::wait_for_dependencies();
  int64_t const rows = w.rows();
  if (n >= rows) return;

  int64_t row = n;
  int part = 0;
  while (row >= w.part[part].rows) row -= w.part[part++].rows;
  QuantizedMatrix<S const> const& weights = w.part[part];
  int64_t const cols = weights.cols;
  int64_t const first_m = int64_t{blockIdx.y} * columns;
  int const count = m - first_m < columns ? static_cast<int>(m - first_m) : columns;
  T const* const x_rows = x + first_m * cols;

  float sums[columns] = {};
  int64_t const lead = (weights.origin + row * weights.row_stride) % run;  // into a run
  for (int64_t begin = int64_t{lane} * run - lead; begin < cols; begin += 32 * run)
    add_run(weights, row, begin > 0 ? begin : 0, begin + run < cols ? begin + run : cols, x_rows,
            count, sums);

#pragma unroll
  for (int c = 0; c < columns; ++c) {
    float sum = sums[c];
#pragma unroll
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == c && c < count)
      y[(first_m + c) * rows + n] = from_float<T>(bias != nullptr ? sum + to_float(bias[n]) : sum);
  }
}

}  // namespace generic
}  // namespace qfmt::inline v0
