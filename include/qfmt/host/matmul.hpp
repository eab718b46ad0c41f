// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] on the CPU.
#pragma once

#include "qfmt/host/executor.hpp"
#include "qfmt/host/simd/matmul.hpp"
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

/// Columns `range` of y by the scalar codec.
template <SchemeSpec S, Element T>
void multiply_scalar(simd::Product<S, T> const& p, BlockRange range) {
  for (int64_t first = 0; first < p.m; first += matmul_rows) {
    int const rows = p.m - first < matmul_rows ? static_cast<int>(p.m - first) : matmul_rows;
    for (int64_t n = range.first; n < range.last; ++n)
      multiply_row(p.w, n, p.x + first * p.w.cols, rows, p.y + first * p.y_stride + n, p.y_stride,
                   p.bias == nullptr ? 0.f : to_float(p.bias[n]));
  }
}

/// One part of the weights, over an executor.
template <class Executor, SchemeSpec S, Element T>
void multiply(Executor& executor, simd::Product<S, T> const& p, MatmulOptions options) {
  int64_t const rows = p.w.rows;
  // Each task packs x anew: with several rows of it, that is worth more rows of weights.
  int64_t const rows_of_a_task = std::same_as<Executor, Serial> ? std::max<int64_t>(1, rows)
                                 : p.m > 2                      ? 128
                                                                : 64;
  executor(ceil_div(rows, rows_of_a_task), [&](int64_t task) {
    int64_t const first = task * rows_of_a_task;
    BlockRange const range{first, std::min(rows, first + rows_of_a_task)};
    if (!simd::multiply(p, range, options)) multiply_scalar(p, range);
  });
}

}  // namespace detail

/// y = x * dequantize(w)^T + bias over an executor (Threads{}, or an engine's own); what it returns
/// does not depend on the executor.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// Numerics: levels (or Int8 codes) times scales times x in f32, no weight rounded to T; the order
/// of products and sums is not specified, and SIMD kernels multiply the sum of a run by its scale.
/// The bias is added in f32; one rounding to T. Where |y| leaves T's range it becomes infinite:
/// 65520 in float16. options.activations permits less exact activations. Errors: those of
/// check_matmul. Neither allocates nor throws itself. y may not overlap the operands.
template <class Executor, SchemeSpec S, Element T>
Status matmul_parallel(Executor&& executor, QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
                       std::type_identity_t<T> const* bias = nullptr, MatmulOptions options = {}) {
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  detail::multiply(executor, simd::Product<stl::remove_const_t<S>, T>{w, x, m, y, w.rows, bias},
                   options);
  return {};
}

/// The same for merged weights; y has a column for each row of every part.
template <class Executor, SchemeSpec S, int Max, Element T>
Status matmul_parallel(Executor&& executor, MatrixParts<S, Max> const& w, T const* x, int64_t m,
                       T* y, std::type_identity_t<T> const* bias = nullptr,
                       MatmulOptions options = {}) {
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  int64_t const y_stride = w.rows();
  for (int64_t p = 0, row = 0; p < w.count; row += w.part[p].rows, ++p)
    detail::multiply(
        executor,
        simd::Product<stl::remove_const_t<S>, T>{w.part[p], x, m, y + row, y_stride,
                                                 bias == nullptr ? nullptr : bias + row},
        options);
  return {};
}

/// matmul_parallel on the calling thread.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// Numerics and errors: those of matmul_parallel. Neither allocates nor throws.
template <SchemeSpec S, Element T>
Status matmul(QuantizedMatrix<S const> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr, MatmulOptions options = {}) {
  return matmul_parallel(Serial{}, w, x, m, y, bias, options);
}

/// The same for a view that could be written through.
template <MutableScheme S, Element T>
Status matmul(QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr, MatmulOptions options = {}) {
  return matmul_parallel(Serial{}, w, x, m, y, bias, options);
}

/// The same for merged weights; y has a column for each row of every part.
template <SchemeSpec S, int Max, Element T>
Status matmul(MatrixParts<S, Max> const& w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias = nullptr, MatmulOptions options = {}) {
  return matmul_parallel(Serial{}, w, x, m, y, bias, options);
}

}  // namespace qfmt::inline v0::host
