// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold of the operands of an int8 matmul, on the host and on a device. Nothing is
// dereferenced.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/layout/check_matmul.hpp"
#include "qfmt/layout/quantized_activations.hpp"

namespace qfmt::inline v0 {

namespace detail {

/// True where each row of a valid matrix lies within one row of scales, so that its products share
/// one scale.
template <SchemeSpec S>
QFMT_HD constexpr bool has_scale_per_row(QuantizedMatrix<S> const& w) {
  if (w.rows == 0 || w.cols == 0) return true;
  int64_t const length = w.values.scales.row_length;
  return (w.rows == 1 || w.row_stride % length == 0) && w.origin % length + w.cols <= length;
}

QFMT_HD constexpr Errc check_threshold(float threshold) {
  return threshold >= 0.f ? Errc::ok : Errc::invalid_threshold;
}

template <Element T>
QFMT_HD constexpr Errc check_outlier_weights(OutlierWeights<T> const& kept, int64_t cols) {
  if (kept.values == nullptr || kept.count == 0) return Errc::ok;
  if (kept.count < 0 || kept.count > cols || kept.row_stride < kept.count)
    return Errc::size_mismatch;
  if (kept.columns == nullptr && kept.count != cols) return Errc::size_mismatch;
  if (Errc const e = check_pointer(kept.values); e != Errc::ok) return e;
  return kept.columns == nullptr ? Errc::ok : check_pointer(kept.columns);
}

/// `needed` bytes, or -1 where they were too many to count.
QFMT_HD constexpr Errc check_int8_workspace(int64_t needed, Workspace workspace) {
  if (needed < 0) return Errc::unsupported_shape;
  if (needed == 0) return Errc::ok;
  if (workspace.bytes < needed) return Errc::workspace_too_small;
  return check_pointer(static_cast<float const*>(workspace.data));
}

}  // namespace detail

/// ok, or why activations cannot be quantized into `out`: an error of its values;
/// invalid_threshold; unsupported_shape where a row of codes has no scale of its own; null_pointer,
/// also for a missing bitmap under a threshold; misaligned.
template <Element T>
QFMT_HD constexpr Errc check_quantize_activations(T const* x, float threshold,
                                                  QuantizedActivations<> const& out) {
  if (Errc const e = detail::check_threshold(threshold); e != Errc::ok) return e;
  if (Errc const e = check(out.values); e != Errc::ok) return e;
  if (out.values.cols == 0) return Errc::ok;
  if (!detail::has_scale_per_row(out.values)) return Errc::unsupported_shape;
  if (out.outliers != nullptr || threshold > 0.f)
    if (Errc const e = check_pointer(out.outliers); e != Errc::ok) return e;
  return out.values.rows == 0 ? Errc::ok : check_pointer(x);
}

/// ok, or why an int8 matmul refuses: an error of check_matmul; invalid_threshold;
/// unsupported_shape where a row of the weights crosses rows of scales; size_mismatch or an error
/// of a pointer of the kept weights; workspace_too_small.
template <Element T>
QFMT_HD constexpr Errc check_int8_matmul(QuantizedMatrix<LlmInt8 const> const& w,
                                         OutlierWeights<T> const& kept, T const* x, int64_t m,
                                         T const* y, T const* bias, float threshold,
                                         Workspace workspace) {
  if (Errc const e = detail::check_threshold(threshold); e != Errc::ok) return e;
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return e;
  if (m == 0 || w.rows == 0) return Errc::ok;
  if (!detail::has_scale_per_row(w)) return Errc::unsupported_shape;
  if (Errc const e = detail::check_outlier_weights(kept, w.cols); e != Errc::ok) return e;
  return detail::check_int8_workspace(int8_matmul_workspace_bytes(m, w.cols), workspace);
}

/// The same for weights (rows, cols) in the activations' type.
template <Element T>
QFMT_HD constexpr Errc check_int8_matmul(T const* w, int64_t rows, int64_t cols, T const* x,
                                         int64_t m, T const* y, T const* bias, float threshold,
                                         Workspace workspace) {
  if (Errc const e = detail::check_threshold(threshold); e != Errc::ok) return e;
  if (rows < 0 || cols < 0) return Errc::size_mismatch;
  if (Errc const e = detail::check_matmul_operands(rows, cols, x, m, y, bias); e != Errc::ok)
    return e;
  if (m == 0 || rows == 0) return Errc::ok;
  if (cols > 0)
    if (Errc const e = check_pointer(w); e != Errc::ok) return e;
  return detail::check_int8_workspace(int8_matmul_workspace_bytes(m, cols, rows), workspace);
}

}  // namespace qfmt::inline v0
