// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] on the CPU.
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/layout/check_matmul.hpp"

namespace qfmt::inline v0::host {

namespace detail {

inline constexpr int matmul_run = 256;  ///< weights decoded at a time
inline constexpr int matmul_rows = 16;  ///< rows of x that one decoded run serves
inline constexpr int matmul_lanes = 8;  ///< independent sums of a row

/// Flat values [first, first + n) of a view, not yet rounded to an output type. out: (n)
template <SchemeSpec S>
void decode_run(QuantizedSpan<S> const& in, int64_t first, int n, float* out) {
  for (int i = 0; i < n;) {
    int64_t const block = block_of(in, first + i);
    float const scale = scale_at(in.scales, block);
    do {
      uint8_t const code = code_at<S::bits>(in.codes, first + i);
      out[i] = decode<typename S::format>(in.scales, code, scale);
      ++i;
    } while (i < n && block_of(in, first + i) == block);
  }
}

/// Adds the products of n weights with as many values of each of `rows` rows of x to their sums.
/// x: (rows, .), stride values apart; sums: (rows, matmul_lanes)
template <Element T>
void add_products(float const* weights, int n, T const* x, int64_t stride, int rows,
                  float (*sums)[matmul_lanes]) {
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < n; ++i)
      sums[r][i % matmul_lanes] += weights[i] * to_float(x[r * stride + i]);
}

/// Row n of the weights times rows [0, rows) of x.     y: (rows, .), y_stride values apart
template <SchemeSpec S, Element T>
void multiply_row(QuantizedMatrix<S const> const& w, int64_t n, T const* x, int rows, T* y,
                  int64_t y_stride, float bias) {
  float sums[matmul_rows][matmul_lanes]{};
  for (int64_t k = 0; k < w.cols; k += matmul_run) {
    int const count = w.cols - k < matmul_run ? static_cast<int>(w.cols - k) : matmul_run;
    float weights[matmul_run];
    decode_run(w.values, w.origin + n * w.row_stride + k, count, weights);
    add_products(weights, count, x + k, w.cols, rows, sums);
  }
  for (int r = 0; r < rows; ++r) {
    float total = 0.f;
    for (float const sum : sums[r]) total += sum;
    y[r * y_stride] = from_float<T>(total + bias);
  }
}

/// One part of the weights: columns [0, w.rows) of y.     bias: (w.rows) or null
template <SchemeSpec S, Element T>
void multiply(QuantizedMatrix<S const> const& w, T const* x, int64_t m, T* y, int64_t y_stride,
              T const* bias) {
  for (int64_t first = 0; first < m; first += matmul_rows) {
    int const rows = m - first < matmul_rows ? static_cast<int>(m - first) : matmul_rows;
    for (int64_t n = 0; n < w.rows; ++n)
      multiply_row(w, n, x + first * w.cols, rows, y + first * y_stride + n, y_stride,
                   bias == nullptr ? 0.f : to_float(bias[n]));
  }
}

}  // namespace detail

/// y = x * dequantize(w)^T + bias on the calling thread.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// Numerics: weights are decoded as decode_at decodes them and not rounded to T; products and sums
/// in f32 (their order is not specified, a compiler may fuse them); the bias is added in f32; one
/// rounding to T. Where |y| leaves T's range it becomes infinite: 65520 in float16.
/// Errors: those of check_matmul. Neither allocates nor throws. y may not overlap the operands.
template <SchemeSpec S, Element T>
Status matmul(QuantizedMatrix<S const> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr) {
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  detail::multiply(w, x, m, y, w.rows, bias);
  return {};
}

/// The same for a view that could be written through.
template <MutableScheme S, Element T>
Status matmul(QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr) {
  return host::matmul<S, T>(QuantizedMatrix<S const>(w), x, m, y, bias);
}

/// The same for merged weights; y has a column for each row of every part.
template <SchemeSpec S, int Max, Element T>
Status matmul(MatrixParts<S, Max> const& w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr) {
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  int64_t const y_stride = w.rows();
  for (int64_t p = 0, row = 0; p < w.count; row += w.part[p].rows, ++p)
    detail::multiply<stl::remove_const_t<S>>(w.part[p], x, m, y + row, y_stride,
                                             bias == nullptr ? nullptr : bias + row);
  return {};
}

}  // namespace qfmt::inline v0::host
