// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Matmul over the kernels: packs x, walks the weights, chooses the instruction set.
#pragma once

#include "qfmt/host/simd/avx2_matmul.hpp"
#include "qfmt/host/simd/avx512_matmul_bf16.hpp"
#include "qfmt/host/simd/level.hpp"

#include <algorithm>

namespace qfmt::inline v0::host::simd {

/// Weights that the kernels multiply: 4-bit codebooks, and Int8 by rows.
template <class S>
inline constexpr bool multiplies =
    S::bits == 4 ? CodebookFormat<typename S::format>
                 : S::is_row_wise&& stl::same_as<typename S::format, Int8>;

/// The operands of one part of a matmul. y and bias begin at the part's first column.
template <SchemeSpec S, Element T>
struct Product {
  QuantizedMatrix<S const> w;
  T const* x;  // (m, w.cols)
  int64_t m;
  T* y;  // (m, .), y_stride values apart
  int64_t y_stride;
  T const* bias;  // (w.rows) or null
};

/// Values [k, k + count) of row n of the weights.
template <class Kernel, SchemeSpec S, class Inner>
RowPart row_part(QuantizedMatrix<S> const& w, Inner const& inner, int64_t n, int64_t k,
                 int64_t count, float* own) {
  int64_t const first = w.origin + n * w.row_stride + k;
  uint8_t const* const codes = w.values.codes + first * S::bits / 8;
  auto const& scales = w.values.scales;
  if constexpr (S::is_row_wise) {
    return {codes, scales.absmax + first / scales.row_length, count};
  } else if constexpr (requires { scales.absmax + 0; }) {
    return {codes, scales.absmax + first / S::block_size, count};
  } else {
    int64_t const block = first / S::block_size, last = block + ceil_div(count, S::block_size);
    if constexpr (requires { scales.offset; }) __builtin_prefetch(scales.absmax.codes + last + 512);
    for (int64_t b = block, end; b < last; b = end) {
      end = end_of_run(b, last);
      Kernel::read_scales(scales, inner, b, end, own + (b - block));
    }
    return {codes, own, count};
  }
}

/// Rows of x that a kernel takes at most, and whether it takes two rows of weights with M of them.
template <class Kernel>
constexpr int most_rows() {
  if constexpr (requires { Kernel::max_rows; }) return Kernel::max_rows;
  return rows_of_x;
}
template <class Kernel, int M>
inline constexpr bool two_rows = M == 4 && most_rows<Kernel>() == 4;

/// Rows [first, last), at most rows_of_weights, times `rows` rows of x from row `begin` on. M: rows
/// that the kernel takes; those that are not there are packed as zeros.
template <class Kernel, int M, SchemeSpec S, Element T, class Table>
void multiply_tile(Product<S, T> const& p, Table const& levels, BlockRange range, int64_t begin,
                   int rows) {
  constexpr int unit = Kernel::unit, bytes = unit * Kernel::bytes;
  constexpr int64_t piece = piece_of(M, Kernel::bytes);
  alignas(64) uint8_t packed[packed_bytes];
  float sums[rows_of_weights][M]{};
  float own[2][4096 / 16 + scales_ahead];
  auto const inner = scale_levels(p.w.values.scales);
  if (rows < M) std::memset(packed, 0, sizeof packed);
  for (int64_t k = 0; k < p.w.cols; k += piece) {
    int64_t const count = std::min(piece, p.w.cols - k);
    for (int64_t i = 0; i < count; i += unit)
      for (int r = 0; r < rows; ++r)
        Kernel::pack(p.x + (begin + r) * p.w.cols + k + i, std::min<int64_t>(unit, count - i),
                     packed + (i / unit * M + r) * bytes);
    int64_t n = range.first;
    if constexpr (two_rows<Kernel, M>)
      for (; n + 2 <= range.last; n += 2)
        Kernel::template dot_two<typename S::format, S::block_size, M>(
            row_part<Kernel>(p.w, inner, n, k, count, own[0]),
            row_part<Kernel>(p.w, inner, n + 1, k, count, own[1]), levels, packed,
            sums[n - range.first]);
    for (; n < range.last; ++n)
      Kernel::template dot<typename S::format, S::block_size, M>(
          row_part<Kernel>(p.w, inner, n, k, count, own[0]), levels, packed, sums[n - range.first]);
  }
  for (int64_t n = range.first; n < range.last; ++n)
    for (int r = 0; r < rows; ++r)
      p.y[(begin + r) * p.y_stride + n] =
          from_float<T>(sums[n - range.first][r] + (p.bias == nullptr ? 0.f : to_float(p.bias[n])));
}

template <class Kernel, SchemeSpec S, Element T>
void multiply_rows(Product<S, T> const& p, BlockRange range) {
  Levels<typename S::format> const own(p.w.values.scales);
  auto const& levels = Kernel::prepared(own);
  for (int64_t n = range.first; n < range.last; n += rows_of_weights) {
    BlockRange const some{n, std::min(range.last, n + rows_of_weights)};
    constexpr int most = most_rows<Kernel>();
    for (int64_t m = 0; m < p.m; m += most) {
      int const rows = static_cast<int>(std::min<int64_t>(most, p.m - m));
      if (rows == 1) multiply_tile<Kernel, 1>(p, levels, some, m, rows);
      if (rows == 2) multiply_tile<Kernel, 2>(p, levels, some, m, rows);
      if (rows == 3 || rows == 4) multiply_tile<Kernel, 4>(p, levels, some, m, rows);
      if constexpr (most > 4)
        if (rows > 4) multiply_tile<Kernel, 8>(p, levels, some, m, rows);
    }
  }
}

/// Columns `range` of y by a kernel; false where there is none for these weights or this CPU.
template <SchemeSpec S, Element T>
bool multiply([[maybe_unused]] Product<S, T> const& p, [[maybe_unused]] BlockRange range,
              [[maybe_unused]] MatmulOptions options) {
#if defined(__x86_64__)
  if constexpr (multiplies<S>) {
    SimdLevel const level = simd_level(options.simd);
    if (level < SimdLevel::avx2 || !has_whole_rows(p.w)) return false;
    if (level == SimdLevel::avx2) return multiply_rows<avx2::Exact>(p, range), true;
    if constexpr (S::bits == 4) {
      if (options.activations == Activations::int8)
        return multiply_rows<avx512::Int8Activations>(p, range), true;
      if (options.activations == Activations::bfloat16 && level >= SimdLevel::avx512_bf16)
        return multiply_rows<avx512::Bf16Activations>(p, range), true;
      return multiply_rows<avx512::Exact>(p, range), true;
    } else {
      return multiply_rows<avx512::ExactInt8>(p, range), true;
    }
  }
#endif
  return false;
}

}  // namespace qfmt::inline v0::host::simd
