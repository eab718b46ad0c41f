// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/block/tile_decoder.cuh"
#include "qfmt/layout/quantized_matrix.hpp"

namespace qfmt::inline v0::grid {

struct GatherTuning {
  static constexpr int threads = 256;
  static constexpr int packs = 2;
};

/// Where row `index` of a matrix begins among its flat values, or -1 where there is no such row.
template <SchemeSpec S>
__device__ int64_t row_begin(QuantizedMatrix<S> const& table, int64_t index) {
  if (index < 0 || index >= table.rows) return -1;
  return table.origin + index * table.row_stride;
}

/// out[i] = row indices[i] of `table`; NaN where there is none.     out: (count, table.cols)
/// Block (i, t) decodes tile t of row i. Rows begin at a pack. Aligned: codes to a pack of codes,
/// out to 16 bytes, whole packs in a row.
template <SchemeSpec S, Element T, class Index, bool Aligned>
__launch_bounds__(GatherTuning::threads) QFMT_KERNEL
    void gather_rows_kernel(QuantizedMatrix<S const> table, Index const* indices, T* out) {
  using Decoder = block::TileDecoder<S const, T, GatherTuning::threads, GatherTuning::packs>;
  __shared__ typename Decoder::TempStorage storage;
  int64_t const column = int64_t{blockIdx.y} * Decoder::tile;
  int64_t const left = table.cols - column;
  int const n = left < Decoder::tile ? static_cast<int>(left) : Decoder::tile;
  int64_t const begin = row_begin(table, static_cast<int64_t>(indices[blockIdx.x]));
  T* const to = out + int64_t{blockIdx.x} * table.cols + column;
  if (begin < 0) {
    for (int i = static_cast<int>(threadIdx.x); i < n; i += GatherTuning::threads)
      to[i] = from_float<T>(float_from_bits(canonical_nan_bits));
    return;
  }
  Decoder decoder(storage);
  if (Aligned && n == Decoder::tile) {
    decoder.template decode<true>(table.values, begin + column, n,
                                  [&](int i, auto const& values, int) {
                                    thread::store_elements(thread::round_to<T>(values), to + i);
                                  });
  } else {
    decoder.template decode<false>(
        table.values, begin + column, n, [&](int i, auto const& values, int count) {
          thread::store_elements(thread::round_to<T>(values), to + i, count);
        });
  }
}

/// The same, a value a thread: for rows that begin anywhere.
template <SchemeSpec S, Element T, class Index>
__launch_bounds__(GatherTuning::threads) QFMT_KERNEL
    void gather_values_kernel(QuantizedMatrix<S const> table, Index const* indices, T* out) {
  int64_t const column = int64_t{blockIdx.y} * GatherTuning::threads + threadIdx.x;
  if (column >= table.cols) return;
  int64_t const begin = row_begin(table, static_cast<int64_t>(indices[blockIdx.x]));
  float const value =
      begin < 0 ? float_from_bits(canonical_nan_bits) : decode_at(table.values, begin + column);
  out[int64_t{blockIdx.x} * table.cols + column] = from_float<T>(value);
}

}  // namespace qfmt::inline v0::grid
