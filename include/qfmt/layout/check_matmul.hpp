// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold of the operands of y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N], on the host
// and on a device.
#pragma once

#include "qfmt/layout/matrix_parts.hpp"

namespace qfmt::inline v0 {

namespace detail {
/// x: (m, cols), y: (m, rows), bias: (rows) or null.
template <Element T>
QFMT_HD constexpr Errc check_matmul_operands(int64_t rows, int64_t cols, T const* x, int64_t m,
                                             T const* y, T const* bias) {
  constexpr int64_t limit = int64_t{1} << 60;  // elements; their bytes then fit 64 bits too
  if (m < 0) return Errc::size_mismatch;
  if (m > 0 && (rows > limit / m || cols > limit / m)) return Errc::unsupported_shape;
  if (m == 0 || rows == 0) return Errc::ok;
  if (cols > 0)
    if (Errc const e = check_pointer(x); e != Errc::ok) return e;
  if (Errc const e = check_pointer(y); e != Errc::ok) return e;
  return bias == nullptr ? Errc::ok : check_pointer(bias);
}
}  // namespace detail

/// ok, or why a matmul refuses: an error of the weights (see check); size_mismatch for a negative
/// m; unsupported_shape where an operand is larger than memory can be; null_pointer; misaligned.
/// Nothing is dereferenced. An empty product needs no pointers.
template <SchemeSpec S, Element T>
QFMT_HD constexpr Errc check_matmul(QuantizedMatrix<S> const& w, T const* x, int64_t m, T const* y,
                                    stl::type_identity_t<T> const* bias) {
  if (Errc const e = check(w); e != Errc::ok) return e;
  return detail::check_matmul_operands(w.rows, w.cols, x, m, y, bias);
}

/// The same for merged weights.
template <SchemeSpec S, int Max, Element T>
QFMT_HD constexpr Errc check_matmul(MatrixParts<S, Max> const& w, T const* x, int64_t m, T const* y,
                                    stl::type_identity_t<T> const* bias) {
  if (Errc const e = check(w); e != Errc::ok) return e;
  return detail::check_matmul_operands(w.rows(), w.cols(), x, m, y, bias);
}

/// The same for dx[M,K] = dy[M,N] * dequantize(w)[N,K]; Errors: those of check_matmul.
///     dy: (m, rows)   dx: (m, cols)
template <SchemeSpec S, Element T>
QFMT_HD constexpr Errc check_matmul_transposed(QuantizedMatrix<S> const& w, T const* dy, int64_t m,
                                               T const* dx) {
  if (Errc const e = check(w); e != Errc::ok) return e;
  return detail::check_matmul_operands<T>(w.cols, w.rows, dy, m, dx, nullptr);
}

/// The same for merged weights; Errors: those of check_matmul.
///     dy: (m, rows of every part)   dx: (m, cols)
template <SchemeSpec S, int Max, Element T>
QFMT_HD constexpr Errc check_matmul_transposed(MatrixParts<S, Max> const& w, T const* dy, int64_t m,
                                               T const* dx) {
  if (Errc const e = check(w); e != Errc::ok) return e;
  return detail::check_matmul_operands<T>(w.cols(), w.rows(), dy, m, dx, nullptr);
}

}  // namespace qfmt::inline v0
