// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Some columns of a quantized matrix, decoded row by row.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/block/level_table.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/thread/elements.cuh"
#include "qfmt/layout/quantized_matrix.hpp"

namespace qfmt::inline v0 {
namespace dequantized QFMT_HIDDEN {

inline constexpr int column_warps = 8;
inline constexpr int column_rows = 32;  ///< of a block

/// Values of a lane: one store, within one block of the scheme where rows allow it.
template <Element T>
inline constexpr int lane_values = thread::elements_per_vector<T>;

/// True where every lane's values lie in one block and its codes and stores are aligned.
template <SchemeSpec S, Element T>
constexpr bool has_whole_packs(QuantizedMatrix<S const> const& w, int64_t first, int64_t cols,
                               T const* out) {
  constexpr int n = lane_values<T>;
  if (w.origin % n != 0 || w.row_stride % n != 0 || first % n != 0 || cols % n != 0) return false;
  if constexpr (S::is_row_wise)
    if (w.values.scales.row_length % n != 0) return false;
  return device::is_aligned(w.values.codes, n * S::bits / 8) && device::is_aligned(out, 16);
}

/// out[r, c] = element (r, first + c) of w, rounded once to T.     out: (w.rows, cols)
/// Block (b, j): rows [column_rows * (first_block + b), ...), columns [32 * lane_values * j, ...).
template <SchemeSpec S, Element T, bool WholePacks>
__launch_bounds__(column_warps * 32) __global__
    void decode_columns_kernel(QuantizedMatrix<S const> w, int64_t first, int64_t cols, T* out) {
  constexpr int n = lane_values<T>;
  using Levels = block::LevelTable<typename S::format, column_warps * 32>;
  __shared__ typename Levels::TempStorage storage;
  Levels levels(storage);
  if constexpr (WholePacks && Levels::needs_barrier) {
    levels.fill(stored_levels(w.values.scales));
    __syncthreads();
  }
  int64_t const column = (int64_t{blockIdx.y} * 32 + static_cast<int64_t>(threadIdx.x % 32)) * n;
  if (column >= cols) return;
  int64_t const begin = int64_t{blockIdx.x} * column_rows;
  for (int64_t i = threadIdx.x / 32; i < column_rows && begin + i < w.rows; i += column_warps) {
    int64_t const flat = w.origin + (begin + i) * w.row_stride + first + column;
    T* const to = out + (begin + i) * cols + column;
    if constexpr (WholePacks) {
      auto const codes = thread::load_codes<S::bits, n>(w.values.codes + flat * S::bits / 8);
      float const scale = scale_at(w.values.scales, block_of(w.values, flat));
      float values[n];
#pragma unroll
      for (int v = 0; v < n; ++v) values[v] = levels(codes[v], scale);
      thread::store_elements(thread::round_to<T>(values), to);
    } else {
      for (int v = 0; v < n && column + v < cols; ++v)
        to[v] = from_float<T>(decode_at(w.values, flat + v));
    }
  }
}

}  // namespace dequantized
namespace dequantized {

/// Decodes columns [first, first + cols) of w, a valid view.     out: (w.rows, cols)
template <SchemeSpec S, Element T>
Status decode_columns(QuantizedMatrix<S const> const& w, int64_t first, int64_t cols, T* out,
                      cudaStream_t stream) {
  constexpr int64_t width = 32 * lane_values<T>;
  constexpr int64_t most = 0xFFFF * width;  // a grid's blocks along y
  if (cols > most) return {Errc::unsupported_shape};
  device::LaunchShape const shape{.blocks = ceil_div(w.rows, column_rows),
                                  .threads = column_warps * 32,
                                  .blocks_y = ceil_div(cols, width)};
  if (has_whole_packs<S>(w, first, cols, out))
    return device::launch(decode_columns_kernel<S, T, true>, shape, stream, w, first, cols, out);
  return device::launch(decode_columns_kernel<S, T, false>, shape, stream, w, first, cols, out);
}

}  // namespace dequantized
}  // namespace qfmt::inline v0
