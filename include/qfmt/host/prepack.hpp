// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Codes permuted for tensor cores, and back, on the CPU: see layout/prepacked_matrix.hpp.
#pragma once

#include "qfmt/layout/prepacked_matrix.hpp"

namespace qfmt::inline v0::host {

namespace detail {

/// Permutes (Pack) or restores one tile in place.     codes: its first byte   stride: bytes
template <int Bits, bool Pack>
void permute_tile(uint8_t* codes, int64_t stride) {
  using namespace qfmt::detail;
  uint8_t moved[tile_rows][tile_bytes];
  for (int r = 0; r < tile_rows; ++r)
    for (int b = 0; b < tile_bytes; ++b) {
      TilePlace const to = place_in_tile<Bits>(r, b);
      if (Pack) {
        moved[to.row][to.byte] = codes[r * stride + b];
      } else {
        moved[r][b] = codes[to.row * stride + to.byte];
      }
    }
  for (int r = 0; r < tile_rows; ++r)
    for (int b = 0; b < tile_bytes; ++b) codes[r * stride + b] = moved[r][b];
}

/// All whole tiles of a valid matrix.
template <bool Pack, SchemeSpec S>
void permute_tiles(QuantizedMatrix<S> const& w) {
  using namespace qfmt::detail;
  if (!is_permuted<S>(w.row_stride, w.origin)) return;
  constexpr int64_t values = tile_bytes * 8 / S::bits;  // of what is permuted together
  int64_t const whole_cols = w.cols / tile_values * tile_values;
  for (int64_t r = 0; r + tile_rows <= w.rows; r += tile_rows)
    for (int64_t c = 0; c < whole_cols; c += values)
      permute_tile<S::bits, Pack>(w.values.codes + (w.origin + r * w.row_stride + c) * S::bits / 8,
                                  w.row_stride * S::bits / 8);
}

}  // namespace detail

/// Permutes the codes of w where they lie; `out` is the view of them then, with w's scales. The
/// views of w are of no use until `unpack` restores them, exactly.
///
/// Errors: those of check(w); nothing is changed then. Neither allocates nor throws.
template <MutableScheme S>
Status prepack(QuantizedMatrix<S> w, PrepackedMatrix<S>& out) {
  if (Errc const e = check(w); e != Errc::ok) return {e};
  detail::permute_tiles<true>(w);
  out = {w.values.codes, w.values.scales, w.values.size, w.rows, w.cols, w.row_stride, w.origin};
  return {};
}

/// Restores the codes that `prepack` has permuted; `out` is the view of them. Of a matrix that was
/// prepacked as a whole only the whole.
///
/// Errors: those of check(w); nothing is changed then. Neither allocates nor throws.
template <MutableScheme S>
Status unpack(PrepackedMatrix<S> w, QuantizedMatrix<S>& out) {
  if (Errc const e = check(w); e != Errc::ok) return {e};
  out = {{w.codes, w.scales, w.size}, w.rows, w.cols, w.row_stride, w.origin};
  detail::permute_tiles<false>(out);
  return {};
}

}  // namespace qfmt::inline v0::host
