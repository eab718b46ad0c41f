// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/check_matmul.hpp"

namespace qfmt::inline v0 {

/// The weights of a grouped product (a mixture's experts): matrices of equal rows and cols, whose
/// views lie in an array where the work is done.
template <SchemeSpec S>
struct MatrixGroups {
  QuantizedMatrix<S> const* matrix = nullptr;  // (count)
  int64_t count = 0;                           // groups
  int64_t rows = 0;                            ///< of every matrix
  int64_t cols = 0;                            ///< of every matrix
};

/// ok, or why a grouped product refuses: size_mismatch for a negative count or m; unsupported_shape
/// for a negative dimension or an operand larger than memory can be; null_pointer; misaligned.
/// Nothing is dereferenced: matrices and offsets may lie on a device. Without groups or rows of x
/// no pointers are needed.     offsets: (count + 1)   x: (m, cols)   y: (m, rows)
/// bias: (count, rows) or null
template <SchemeSpec S, class Offset, Element T>
QFMT_HD constexpr Errc check_grouped_matmul(MatrixGroups<S> const& w, Offset const* offsets,
                                            T const* x, int64_t m, T const* y,
                                            stl::type_identity_t<T> const* bias) {
  if (w.count < 0 || m < 0) return Errc::size_mismatch;
  if (w.rows < 0 || w.cols < 0) return Errc::unsupported_shape;
  constexpr int64_t limit = int64_t{1} << 60;
  if (w.count > 0 && (w.rows > limit / w.count || w.cols > limit / w.count))
    return Errc::unsupported_shape;
  if (w.count == 0 || m == 0 || w.rows == 0) return Errc::ok;
  if (Errc const e = check_pointer(w.matrix); e != Errc::ok) return e;
  if (Errc const e = check_pointer(offsets); e != Errc::ok) return e;
  return detail::check_matmul_operands<T>(w.rows, w.cols, x, m, y, bias);
}

}  // namespace qfmt::inline v0
