// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/quantized_span.hpp"

namespace qfmt::inline v0 {

/// A row-major matrix, or a slice of one: element (r, c) is flat value origin + r * row_stride + c
/// of `values`. Blocks run over the flat values, so a slice by rows or columns needs no copy.
template <SchemeSpec S>
struct QuantizedMatrix {
  QuantizedSpan<S> values{};  ///< flat, of the whole tensor
  int64_t rows = 0;           ///< of the matrix
  int64_t cols = 0;           ///< of the matrix
  int64_t row_stride = cols;  // values
  int64_t origin = 0;         // values

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator QuantizedMatrix<C>() const {
    return {values, rows, cols, row_stride, origin};
  }
};

}  // namespace qfmt::inline v0
