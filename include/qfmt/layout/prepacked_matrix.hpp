// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights whose codes were permuted for tensor cores. The permutation stays within tiles of 16 rows
// by 64 values, and each tile where it lies: same size, same strides, exactly undone. Nibbles are
// never split, and scales stay as they are.
//
// Of a tile (two of 32 bytes side by side where codes have 8 bits), (16, 32) bytes, lane 4g + t of
// a warp finds what it multiplies in 16 bytes: of rows g and g + 8, one after the other, byte t of
// each four (8 bits: bytes 2t and 2t + 1 of each eight). The 16 bytes of lane l lie in half l % 2
// of row `unit_row(l)`: the four rows that eight lanes read together differ in their lower two bits
// and in the two above the lowest, so that neither way of twisting rows in shared memory lets them
// meet.
//
// Rows behind the last 16 whole ones and columns behind the last 64 whole ones are not permuted;
// neither is anything where rows do not begin on a byte (4 bits, an odd origin or row_stride).
#pragma once

#include "qfmt/layout/matrix_parts.hpp"

namespace qfmt::inline v0 {

/// A matrix whose codes `prepack` has permuted, or a slice of one that begins at multiples of 16
/// rows and 64 columns and ends at such or where the matrix does. Another type than
/// QuantizedMatrix, so that nothing reads permuted codes as others.
template <SchemeSpec S>
struct PrepackedMatrix {
  same_const_t<S, uint8_t>* codes = nullptr;  // of the whole tensor
  ScalesOf<S> scales{};                       ///< of the whole tensor, not permuted
  int64_t size = 0;                           ///< values of the whole tensor
  int64_t rows = 0;                           ///< of the matrix
  int64_t cols = 0;                           ///< of the matrix
  int64_t row_stride = cols;                  // values
  int64_t origin = 0;                         // values

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator PrepackedMatrix<C>() const {
    return {codes, scales, size, rows, cols, row_stride, origin};
  }
};

namespace detail {

inline constexpr int tile_rows = 16;    ///< of a prepacked tile
inline constexpr int tile_values = 64;  ///< of each of its rows
inline constexpr int tile_bytes = 32;   ///< of each row of what a warp takes together

/// The scheme under which kernels see prepacked codes; everything else is that of S.
template <SchemeSpec S>
struct PrepackedScheme : stl::remove_const_t<S> {};

template <class S>
inline constexpr bool is_prepacked = false;
template <SchemeSpec S>
inline constexpr bool is_prepacked<PrepackedScheme<S>> = true;
template <SchemeSpec S>
inline constexpr bool is_prepacked<PrepackedScheme<S> const> = true;

/// The row of its tile in which the 16 bytes of a lane lie.
QFMT_HD constexpr int unit_row(int lane) {
  int const i = lane / 2 % 4;
  int const phase = lane / 8;
  return 2 * i + ((i ^ i >> 1 ^ phase) & 1) + phase / 2 * 8;
}

/// Where a byte of a tile goes.
struct TilePlace {
  int row;
  int byte;
};

/// Where prepacking puts byte `byte` of row `row` of a tile.
template <int Bits>
QFMT_HD constexpr TilePlace place_in_tile(int row, int byte) {
  constexpr int pair = Bits == 4 ? 1 : 2;  // bytes of two values
  int const lane = row % 8 * 4 + byte / pair % 4;
  int const within = byte / (4 * pair) * pair + byte % pair;
  return {unit_row(lane), lane % 2 * 16 + row / 8 * 8 + within};
}

/// True where rows begin on bytes: only there is anything permuted.
template <SchemeSpec S>
QFMT_HD constexpr bool is_permuted(int64_t row_stride, int64_t origin) {
  return S::bits == 8 || (row_stride % 2 == 0 && origin % 2 == 0);
}

/// How kernels see a prepacked matrix.
template <SchemeSpec S>
QFMT_HD constexpr QuantizedMatrix<PrepackedScheme<stl::remove_const_t<S>> const> as_quantized(
    PrepackedMatrix<S> const& w) {
  using Scheme = PrepackedScheme<stl::remove_const_t<S>>;
  ScalesOf<stl::remove_const_t<S> const> const scales = w.scales;
  return {{w.codes, __builtin_bit_cast(ScalesOf<Scheme const>, scales), w.size},
          w.rows,
          w.cols,
          w.row_stride,
          w.origin};
}

}  // namespace detail

template <SchemeSpec S>
inline constexpr bool is_scheme<detail::PrepackedScheme<S>> = true;

/// Code (r, c) of a matrix. The door to codes for kernels that serve prepacked ones as well.
template <SchemeSpec S>
QFMT_HD constexpr uint8_t code_of(QuantizedMatrix<S> const& w, int64_t r, int64_t c) {
  return code_at<S::bits>(w.values.codes, w.origin + r * w.row_stride + c);
}

/// The same of prepacked codes.
template <SchemeSpec S>
requires detail::is_prepacked<S> QFMT_HD constexpr uint8_t code_of(QuantizedMatrix<S> const& w,
                                                                   int64_t r, int64_t c) {
  using namespace detail;
  int64_t const row = r / tile_rows * tile_rows;
  int64_t const col = c / tile_values * tile_values;
  bool const whole = row + tile_rows <= w.rows && col + tile_values <= w.cols;
  if (!whole || !is_permuted<S>(w.row_stride, w.origin))
    return code_at<S::bits>(w.values.codes, w.origin + r * w.row_stride + c);
  int const byte = static_cast<int>(c - col) * S::bits / 8;
  TilePlace const to = place_in_tile<S::bits>(static_cast<int>(r - row), byte % tile_bytes);
  int64_t const from = (w.origin + (row + to.row) * w.row_stride + col) * S::bits / 8 +
                       byte / tile_bytes * tile_bytes + to.byte;
  return code_at<S::bits>(w.values.codes + from, S::bits == 4 ? c % 2 : 0);
}

/// ok, or what is wrong with a prepacked matrix. Errors: those of check of a QuantizedMatrix.
template <SchemeSpec S>
QFMT_HD constexpr Errc check(PrepackedMatrix<S> const& w) {
  return check(detail::as_quantized(w));
}

}  // namespace qfmt::inline v0
