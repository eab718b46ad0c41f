// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/check.hpp"

namespace qfmt::inline v0 {

/// Merged weights: matrices of equal cols one below the other (q|k|v, gate|up), each with scales of
/// its own. Row r of part p is row r + (rows of the parts before p) of the whole.
template <SchemeSpec S, int Max = 4>
struct MatrixParts {
  static_assert(Max >= 1);

  QuantizedMatrix<S> part[Max]{};  ///< one below the other
  int count = 0;                   // parts in use, at most Max

  /// Of every part of a valid view.
  QFMT_HD constexpr int64_t cols() const { return count > 0 ? part[0].cols : 0; }
  /// Of a valid view.
  QFMT_HD constexpr int64_t rows() const {
    int64_t sum = 0;
    for (int p = 0; p < count; ++p) sum += part[p].rows;
    return sum;
  }

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator MatrixParts<C, Max>() const {
    MatrixParts<C, Max> r;
    for (int p = 0; p < count; ++p) r.part[p] = part[p];
    r.count = count;
    return r;
  }
};

/// ok, or what is wrong with merged weights: an error of a part; size_mismatch where the parts
/// differ in cols, or count is not one of 0..Max; unsupported_shape where the rows together are
/// more than 64 bits hold.
template <SchemeSpec S, int Max>
QFMT_HD constexpr Errc check(MatrixParts<S, Max> const& parts) {
  if (parts.count < 0 || parts.count > Max) return Errc::size_mismatch;
  int64_t room = 0x7FFFFFFFFFFFFFFF;
  for (int p = 0; p < parts.count; ++p) {
    if (Errc const e = check(parts.part[p]); e != Errc::ok) return e;
    if (parts.part[p].cols != parts.cols()) return Errc::size_mismatch;
    if (parts.part[p].rows > room) return Errc::unsupported_shape;
    room -= parts.part[p].rows;
  }
  return Errc::ok;
}

}  // namespace qfmt::inline v0
