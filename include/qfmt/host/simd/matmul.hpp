// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Matmul over the kernels: packs x, walks the weights, chooses the instruction set.
#pragma once

#include "qfmt/host/arguments.hpp"
#include "qfmt/host/simd/avx2_matmul.hpp"
#include "qfmt/host/simd/avx512_matmul_bf16_wide.hpp"
#include "qfmt/host/simd/avx512_matmul_int8_wide.hpp"
#include "qfmt/host/simd/level.hpp"
#include "qfmt/host/simd/neon_matmul.hpp"

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
    if constexpr (requires { scales.offset; }) prefetch(scales.absmax.codes + last + 512);
    for (int64_t b = block, end; b < last; b = end) {
      end = end_of_run(b, last);
      Kernel::read_scales(scales, inner, b, end, own + (b - block));
    }
    return {codes, own, count};
  }
}

/// Rows of x that a kernel takes at most.
template <class Kernel>
constexpr int most_rows() {
  if constexpr (requires { Kernel::max_rows; }) return Kernel::max_rows;
  return rows_of_x;
}

/// A unit of one row of x; where n is less than that, zeros fill it.
template <class Kernel, Element T>
void pack_unit(T const* x, int64_t n, uint8_t* to) {
  if (n >= Kernel::unit) return Kernel::pack(x, to);
  T padded[Kernel::unit]{};
  std::memcpy(static_cast<void*>(padded), x, static_cast<size_t>(n) * sizeof(T));
  Kernel::pack(static_cast<T const*>(padded), to);
}

/// Values [k, k + count) of `rows` rows of x, which follow each other in units of a kernel with M.
template <class Kernel, int M, Element T>
void pack_rows(T const* x, int64_t stride, int rows, int64_t k, int64_t count, uint8_t* packed) {
  constexpr int unit = Kernel::unit;
  for (int64_t i = 0; i < count; i += unit)
    for (int r = 0; r < rows; ++r)
      pack_unit<Kernel>(x + r * stride + k + i, count - i,
                        packed + (i / unit * M + r) * Kernel::unit_bytes);
}

/// Rows `range` of the weights times `rows` rows of x from row `begin` on. M: rows that the kernel
/// takes; those that are not there are packed as zeros.
template <class Kernel, int M, SchemeSpec S, Element T, class Table>
void multiply_tile(Product<S, T> const& p, Table const& levels, BlockRange range, int64_t begin,
                   int rows) {
  constexpr int64_t piece = piece_of(M, Kernel::unit, Kernel::unit_bytes);
  alignas(64) uint8_t packed[packed_bytes];
  float own[2][4096 / 16 + scales_ahead];
  auto const inner = scale_levels(p.w.values.scales);
  if (rows < M) std::memset(packed, 0, sizeof packed);
  T const* const x = p.x + begin * p.w.cols;
  for (int64_t tile = range.first; tile < range.last; tile += rows_of_weights) {
    int64_t const last = std::min(range.last, tile + rows_of_weights);
    float sums[rows_of_weights][M]{};
    for (int64_t k = 0; k < p.w.cols; k += piece) {
      int64_t const count = std::min(piece, p.w.cols - k);
      bool const is_packed = tile > range.first && p.w.cols <= piece;
      if (!is_packed) pack_rows<Kernel, M>(x, p.w.cols, rows, k, count, packed);
      int64_t n = tile;
      if constexpr (requires { Kernel::takes_two_rows; })
        for (; n + 2 <= last; n += 2)
          Kernel::template dot_two<typename S::format, S::block_size, M>(
              row_part<Kernel>(p.w, inner, n, k, count, own[0]),
              row_part<Kernel>(p.w, inner, n + 1, k, count, own[1]), levels, packed,
              sums[n - tile]);
      for (; n < last; ++n)
        Kernel::template dot<typename S::format, S::block_size, M>(
            row_part<Kernel>(p.w, inner, n, k, count, own[0]), levels, packed, sums[n - tile]);
    }
    for (int64_t n = tile; n < last; ++n)
      for (int r = 0; r < rows; ++r)
        p.y[(begin + r) * p.y_stride + n] =
            from_float<T>(sums[n - tile][r] + (p.bias == nullptr ? 0.f : to_float(p.bias[n])));
  }
}

/// Rows of weights in tiles that stay in the second cache while every few rows of x meet them.
template <class Kernel, SchemeSpec S, Element T>
void multiply_rows(Product<S, T> const& p, BlockRange range) {
  Levels<typename S::format> const own(p.w.values.scales);
  auto const& levels = Kernel::prepared(own);
  constexpr int most = most_rows<Kernel>();
  int64_t const tile = p.m > most ? rows_of_weights : std::max<int64_t>(1, p.w.rows);
  for (int64_t n = range.first; n < range.last; n += tile) {
    BlockRange const some{n, std::min(range.last, n + tile)};
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
      if (options.activations == Activations::int8) {
        if constexpr (S::block_size >= 32)
          if (p.m > 1) return multiply_rows<avx512::Int8Wide>(p, range), true;
        return multiply_rows<avx512::Int8Activations>(p, range), true;
      }
      if (options.activations == Activations::bfloat16 && level >= SimdLevel::avx512_bf16) {
        if constexpr (S::block_size >= 32)
          if (p.m > 1) return multiply_rows<avx512::Bf16Wide>(p, range), true;
        return multiply_rows<avx512::Bf16Activations>(p, range), true;
      }
      return multiply_rows<avx512::Exact>(p, range), true;
    } else {
      return multiply_rows<avx512::ExactInt8>(p, range), true;
    }
  }
#elif defined(__aarch64__)
  if constexpr (multiplies<S>) {
    if (simd_level(options.simd) != SimdLevel::neon || !has_whole_rows(p.w)) return false;
    if constexpr (S::bits == 4) return multiply_rows<neon::Exact>(p, range), true;
    return multiply_rows<neon::ExactInt8>(p, range), true;
  }
#endif
  return false;
}

}  // namespace qfmt::inline v0::host::simd
