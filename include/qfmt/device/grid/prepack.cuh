// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Codes permuted for tensor cores, and back, on the GPU: see layout/prepacked_matrix.hpp.
#pragma once

#include "qfmt/device/grid/prepack_kernel.cuh"
#include "qfmt/device/launch.cuh"

namespace qfmt::inline v0::device {

namespace detail {

template <bool Pack, SchemeSpec S>
Status permute_tiles(QuantizedMatrix<S> const& w, cudaStream_t stream) {
  using namespace qfmt::detail;
  int64_t const rows = w.rows / tile_rows;
  int64_t const cols = w.cols / tile_values * (tile_values * S::bits / 8 / tile_bytes);
  if (rows == 0 || cols == 0 || !is_permuted<S>(w.row_stride, w.origin)) return {};
  return launch(
      grid::prepack_kernel<S::bits, Pack>,
      {.blocks = ceil_div(rows * cols, grid::prepack_warps), .threads = grid::prepack_warps * 32},
      stream, w.values.codes + w.origin * S::bits / 8, w.row_stride * S::bits / 8, rows * cols,
      cols);
}

}  // namespace detail

/// Permutes the codes of w where they lie; `out` is the view of them then, with w's scales. The
/// views of w are of no use until `unpack` restores them, exactly.
///
/// Stream-ordered: returns before the work is done; allocates nothing; may be captured into a
/// graph. Errors: those of check(w); unsupported_shape for more than 2^42 values; device_error with
/// the cudaError_t.
template <MutableScheme S>
Status prepack(QuantizedMatrix<S> w, PrepackedMatrix<S>& out, cudaStream_t stream) {
  if (Errc const e = check(w); e != Errc::ok) return {e};
  if (Status const s = detail::permute_tiles<true>(w, stream); !s) return s;
  out = {w.values.codes, w.values.scales, w.values.size, w.rows, w.cols, w.row_stride, w.origin};
  return {};
}

/// Restores the codes that `prepack` has permuted; `out` is the view of them. Of a matrix that was
/// prepacked as a whole only the whole.
///
/// Stream-ordered, as prepack. Errors: those of prepack.
template <MutableScheme S>
Status unpack(PrepackedMatrix<S> w, QuantizedMatrix<S>& out, cudaStream_t stream) {
  if (Errc const e = check(w); e != Errc::ok) return {e};
  QuantizedMatrix<S> const raw{{w.codes, w.scales, w.size}, w.rows, w.cols, w.row_stride, w.origin};
  if (Status const s = detail::permute_tiles<false>(raw, stream); !s) return s;
  out = raw;
  return {};
}

}  // namespace qfmt::inline v0::device
