// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Some rows and columns of a quantized matrix, raw or prepacked, decoded row by row.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/block/level_table.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/thread/elements.cuh"
#include "qfmt/layout/prepacked_matrix.hpp"

namespace qfmt::inline v0 {
namespace dequantized QFMT_HIDDEN {

inline constexpr int column_warps = 8;
inline constexpr int column_rows = 32;  ///< of a block

/// Values of a lane: one store, within one block of the scheme where rows allow it.
template <Element T>
inline constexpr int lane_values = thread::elements_per_vector<T>;

template <Element T>
inline constexpr int64_t pack_columns = 32 * lane_values<T>;  ///< of a block

/// A part of a matrix.
struct Window {
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_col = 0;
  int64_t cols = 0;
};

/// True where every lane's values lie in one block and its codes and stores are aligned.
template <SchemeSpec S, Element T>
constexpr bool has_whole_packs(QuantizedMatrix<S const> const& w, Window const& window,
                               T const* out) {
  constexpr int n = lane_values<T>;
  if (w.origin % n != 0 || w.row_stride % n != 0) return false;
  if (window.first_col % n != 0 || window.cols % n != 0) return false;
  if constexpr (S::is_row_wise)
    if (w.values.scales.row_length % n != 0) return false;
  return device::is_aligned(w.values.codes, n * S::bits / 8) && device::is_aligned(out, 16);
}

/// Codes (row, col...) of a matrix.
template <int N, SchemeSpec S>
__device__ thread::CodePack<S::bits, N> load_run(QuantizedMatrix<S const> const& w, int64_t row,
                                                 int64_t col) {
  if constexpr (detail::is_prepacked<S>) {
    thread::CodePack<S::bits, N> pack{};
#pragma unroll
    for (int i = 0; i < N; ++i) pack.put(i, code_of(w, row, col + i));
    return pack;
  } else {
    return thread::load_codes<S::bits, N>(w.values.codes +
                                          (w.origin + row * w.row_stride + col) * S::bits / 8);
  }
}

/// out[r, c] = element (first_row + r, first_col + c) of w, rounded once to T.
///     out: (window.rows, window.cols)
/// Block b: the b-th piece of column_rows rows and pack_columns columns of the window.
template <SchemeSpec S, Element T, bool WholePacks>
__launch_bounds__(column_warps * 32) __global__
    void decode_columns_kernel(QuantizedMatrix<S const> w, Window window, T* out) {
  constexpr int n = lane_values<T>;
  using Levels = block::LevelTable<typename S::format, column_warps * 32>;
  __shared__ typename Levels::TempStorage storage;
  Levels levels(storage);
  if constexpr (WholePacks && Levels::needs_barrier) {
    levels.fill(stored_levels(w.values.scales));
    __syncthreads();
  }
  int64_t const pieces = ceil_div(window.cols, pack_columns<T>);  // side by side
  int64_t const column = blockIdx.x % pieces * pack_columns<T> + threadIdx.x % 32 * n;
  if (column >= window.cols) return;
  int64_t const begin = blockIdx.x / pieces * column_rows;
  for (int64_t i = threadIdx.x / 32; i < column_rows && begin + i < window.rows;
       i += column_warps) {
    int64_t const row = window.first_row + begin + i;
    int64_t const col = window.first_col + column;
    int64_t const flat = w.origin + row * w.row_stride + col;
    T* const to = out + (begin + i) * window.cols + column;
    if constexpr (WholePacks) {
      auto const codes = load_run<n>(w, row, col);
      float const scale = scale_at(w.values.scales, block_of(w.values, flat));
      float values[n];
#pragma unroll
      for (int v = 0; v < n; ++v) values[v] = levels(codes[v], scale);
      thread::store_elements(thread::round_to<T>(values), to);
    } else {
      for (int v = 0; v < n && column + v < window.cols; ++v) {
        float const scale = scale_at(w.values.scales, block_of(w.values, flat + v));
        to[v] = from_float<T>(
            decode<typename S::format>(w.values.scales, code_of(w, row, col + v), scale));
      }
    }
  }
}

}  // namespace dequantized
namespace dequantized {

/// Decodes a window of w, a valid view.     out: (window.rows, window.cols)
template <SchemeSpec S, Element T>
Status decode_columns(QuantizedMatrix<S const> const& w, Window const& window, T* out,
                      cudaStream_t stream) {
  device::LaunchShape const shape{
      .blocks = ceil_div(window.rows, column_rows) * ceil_div(window.cols, pack_columns<T>),
      .threads = column_warps * 32};
  if (has_whole_packs<S>(w, window, out))
    return device::launch(decode_columns_kernel<S, T, true>, shape, stream, w, window, out);
  return device::launch(decode_columns_kernel<S, T, false>, shape, stream, w, window, out);
}

}  // namespace dequantized
}  // namespace qfmt::inline v0
