// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// dx[M,K] = dy[M,N] * dequantize(w)[N,K] on the CPU: what a layer's backward pass asks of frozen
// weights. Exact and plain; the reference of the GPU's.
#pragma once

#include "qfmt/host/matmul.hpp"

namespace qfmt::inline v0::host {

namespace detail {

inline constexpr int transposed_rows = 16;     ///< rows of dy that one decoded run serves
inline constexpr int transposed_columns = 64;  ///< columns of dx that are summed at a time

/// sums += dy[:, of the part] * columns [k, k + count) of a part.
///     dy: (rows, .), stride values apart   sums: (rows, transposed_columns)
template <SchemeSpec S, Element T>
void add_transposed(QuantizedMatrix<S const> const& w, int64_t k, int count, T const* dy,
                    int64_t stride, int rows, double (*sums)[transposed_columns]) {
  for (int64_t n = 0; n < w.rows; ++n) {
    float weights[transposed_columns];
    decode_run(w.values, w.origin + n * w.row_stride + k, count, weights);
    for (int r = 0; r < rows; ++r) {
      double const factor = to_float(dy[r * stride + n]);
      for (int i = 0; i < count; ++i) sums[r][i] += factor * static_cast<double>(weights[i]);
    }
  }
}

/// Columns [k, k + count) of dx.
template <SchemeSpec S, int Max, Element T>
void multiply_transposed(MatrixParts<S const, Max> const& w, int64_t k, int count, T const* dy,
                         int64_t m, T* dx) {
  int64_t const n = w.rows();
  for (int64_t first = 0; first < m; first += transposed_rows) {
    int const rows =
        m - first < transposed_rows ? static_cast<int>(m - first) : int{transposed_rows};
    double sums[transposed_rows][transposed_columns]{};
    int64_t column = first * n;
    for (int p = 0; p < w.count; column += w.part[p++].rows)
      add_transposed<S>(w.part[p], k, count, dy + column, n, rows, sums);
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < count; ++i)
        dx[(first + r) * w.cols() + k + i] = from_float<T>(static_cast<float>(sums[r][i]));
  }
}

}  // namespace detail

/// dx = dy * dequantize(w) over an executor (Threads{}, or an engine's own); what it returns does
/// not depend on the executor. Of merged weights dy has a column for each row of every part.
///     dy: (m, w.rows())   dx: (m, w.cols()); row-major
///
/// Numerics: the weights as host::dequantize decodes them to float; products are exact, and summed
/// in f64 over the rows of w in ascending order; rounded to f32, then to T. The same bits under all
/// compilers and flags. No SIMD: a reference, and for layers that stay on the CPU. Errors: those of
/// check_matmul_transposed. Neither allocates nor throws itself. dx may not overlap the operands.
template <class Executor, SchemeSpec S, int Max, Element T>
Status matmul_transposed_parallel(Executor&& executor, MatrixParts<S, Max> const& w, T const* dy,
                                  int64_t m, T* dx) {
  using Scheme = stl::remove_const_t<S>;
  if (Errc const e = check_matmul_transposed(w, dy, m, dx); e != Errc::ok) return {e};
  MatrixParts<Scheme const, Max> const weights(w);
  int64_t const cols = w.cols();
  executor(ceil_div(cols, detail::transposed_columns), [&](int64_t task) {
    int64_t const k = task * detail::transposed_columns;
    int const count = static_cast<int>(std::min<int64_t>(cols - k, detail::transposed_columns));
    detail::multiply_transposed<Scheme>(weights, k, count, dy, m, dx);
  });
  return {};
}

/// The same for one matrix.
template <class Executor, SchemeSpec S, Element T>
Status matmul_transposed_parallel(Executor&& executor, QuantizedMatrix<S> w, T const* dy, int64_t m,
                                  T* dx) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return matmul_transposed_parallel(executor, parts, dy, m, dx);
}

/// matmul_transposed_parallel on the calling thread, of one matrix or merged weights.
///     dy: (m, rows of w)   dx: (m, columns of w); row-major
///
/// Numerics and errors: those of matmul_transposed_parallel. Neither allocates nor throws.
template <class W, Element T>
Status matmul_transposed(W const& w, T const* dy, int64_t m, T* dx) {
  return matmul_transposed_parallel(Serial{}, w, dy, m, dx);
}

}  // namespace qfmt::inline v0::host
