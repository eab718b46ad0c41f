// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading rows of a quantized matrix by index: an embedding lookup.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/grid/gather_kernel.cuh"
#include "qfmt/device/launch.cuh"

namespace qfmt::inline v0::device {

/// ok, or why gather_rows refuses: an error of the matrix; size_mismatch for a negative count;
/// null_pointer, misaligned; unsupported_shape where a row is wider than 2^23 values or more than
/// 2^31 - 1 rows are asked for. Reads no device memory.
template <SchemeSpec S, Element T, stl::integral Index>
constexpr Errc check_gather_rows(QuantizedMatrix<S> const& table, Index const* indices,
                                 int64_t count, T const* out) {
  if (Errc const e = check(table); e != Errc::ok) return e;
  if (count < 0) return Errc::size_mismatch;
  if (count > 0x7FFFFFFF || table.cols > int64_t{1} << 23) return Errc::unsupported_shape;
  if (count == 0 || table.cols == 0) return Errc::ok;
  if (Errc const e = check_pointer(indices); e != Errc::ok) return e;
  return check_pointer(out);
}

/// out[i, :] = decoded row indices[i] of `table`.     indices: (count), out: (count, table.cols)
///
/// An N-dimensional lookup is the same call with count = the product of the dimensions. `table` may
/// be a slice. An index outside [0, table.rows) reads nothing and gives a row of NaN.
/// Stream-ordered: does not wait, allocates nothing, may be captured. Determinism: gpu_to_gpu.
/// Numerics: those of device::dequantize. Errors: those of check_gather_rows; device_error.
template <SchemeSpec S, Element T, stl::integral Index>
Status gather_rows(QuantizedMatrix<S const> table, Index const* indices, int64_t count, T* out,
                   cudaStream_t stream) {
  using E = kernel_element_t<T>;
  using Tuning = grid::GatherTuning;
  using Decoder = block::TileDecoder<S const, E, Tuning::threads, Tuning::packs>;
  constexpr int pack = Decoder::values_per_pack;
  if (Errc const e = check_gather_rows(table, indices, count, out); e != Errc::ok) return {e};
  if (count == 0 || table.cols == 0) return {};

  bool by_packs = table.origin % pack == 0 && table.row_stride % pack == 0;
  if constexpr (S::is_row_wise) by_packs = by_packs && table.values.scales.row_length % pack == 0;
  E* const to = as_kernel_elements(out);
  LaunchShape shape{.blocks = count, .threads = Tuning::threads};
  if (!by_packs) {
    shape.blocks_y = ceil_div(table.cols, Tuning::threads);
    return launch(grid::gather_values_kernel<S, E, Index>, shape, stream, table, indices, to);
  }
  shape.blocks_y = ceil_div(table.cols, Decoder::tile);
  bool const aligned =
      is_aligned(table.values.codes + table.origin * S::bits / 8, Decoder::bytes_per_pack) &&
      is_aligned(out, 16) && table.cols % pack == 0;
  return launch(aligned ? grid::gather_rows_kernel<S, E, Index, true>
                        : grid::gather_rows_kernel<S, E, Index, false>,
                shape, stream, table, indices, to);
}

/// The same for a view that could be written through.
template <MutableScheme S, Element T, stl::integral Index>
Status gather_rows(QuantizedMatrix<S> table, Index const* indices, int64_t count, T* out,
                   cudaStream_t stream) {
  return gather_rows<S, T, Index>(QuantizedMatrix<S const>(table), indices, count, out, stream);
}

}  // namespace qfmt::inline v0::device
