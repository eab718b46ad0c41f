// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold of a view before anything reads or writes through it.
#pragma once

#include "qfmt/layout/quantized_matrix.hpp"
#include "qfmt/status.hpp"

namespace qfmt::inline v0 {

/// ok, null_pointer, or misaligned for its type. Dereferences nothing.
template <class T>
QFMT_HD constexpr Errc check_pointer(T const* p) {
  if (p == nullptr) return Errc::null_pointer;
  if (!__builtin_is_constant_evaluated() && reinterpret_cast<uintptr_t>(p) % alignof(T) != 0)
    return Errc::misaligned;
  return Errc::ok;
}

template <SchemeSpec S>
QFMT_HD constexpr Errc check(QuantizedSpan<S> const& view);

namespace detail {
/// absmax, and the stored levels where there are any.
template <class Scales>
QFMT_HD constexpr Errc check_floats(Scales const& scales) {
  if constexpr (requires { scales.levels[0]; }) {
    if (scales.levels != nullptr)
      if (Errc const e = check_pointer(scales.levels); e != Errc::ok) return e;
  }
  return check_pointer(scales.absmax);
}
}  // namespace detail

/// What must hold of the scales of `size` > 0 values: null_pointer, misaligned. A scale policy of
/// one's own brings an overload.
template <SchemeSpec S>
QFMT_HD constexpr Errc check_scales(PlainScales<S> const& scales, int64_t) {
  return detail::check_floats(scales);
}

/// unsupported_shape where the rows do not divide the size; null_pointer; misaligned.
template <SchemeSpec S>
QFMT_HD constexpr Errc check_scales(RowScales<S> const& scales, int64_t size) {
  if (scales.row_length <= 0 || size % scales.row_length != 0) return Errc::unsupported_shape;
  return detail::check_floats(scales);
}

/// size_mismatch where there is another count of scales; an error of the inner view or the offset.
template <SchemeSpec S>
QFMT_HD constexpr Errc check_scales(NestedScales<S> const& scales, int64_t size) {
  if (scales.absmax.size != block_count<S>(size)) return Errc::size_mismatch;
  if (Errc const e = check_pointer(scales.offset); e != Errc::ok) return e;
  return check(scales.absmax);
}

/// null_pointer where the scales, the tensor's scale or the zero points that the scheme has are.
template <SchemeSpec S>
QFMT_HD constexpr Errc check_scales(TypedScales<S> const& scales, int64_t) {
  if (S::has_tensor_scale)
    if (Errc const e = check_pointer(scales.tensor_scale); e != Errc::ok) return e;
  if (S::has_zero_point)
    if (Errc const e = check_pointer(scales.zero_point); e != Errc::ok) return e;
  return check_pointer(scales.scale);
}

/// ok, or what is wrong with a view: null_pointer, misaligned (codes may have any alignment, floats
/// must have theirs), size_mismatch (a negative size, nested scales of another count),
/// unsupported_shape (rows that do not divide the size). An empty view is ok whatever it points at.
template <SchemeSpec S>
QFMT_HD constexpr Errc check(QuantizedSpan<S> const& view) {
  if (view.size < 0) return Errc::size_mismatch;
  if (view.size == 0) return Errc::ok;
  if (view.codes == nullptr) return Errc::null_pointer;
  return check_scales(view.scales, view.size);
}

/// ok, or what is wrong with a matrix: an error of its values; unsupported_shape where a dimension,
/// the stride or the origin is negative or rows overlap; size_mismatch where an element would lie
/// beyond the values. Nothing is multiplied before it is known to fit.
template <SchemeSpec S>
QFMT_HD constexpr Errc check(QuantizedMatrix<S> const& m) {
  if (m.rows < 0 || m.cols < 0 || m.row_stride < m.cols || m.origin < 0)
    return Errc::unsupported_shape;
  if (Errc const e = check(m.values); e != Errc::ok) return e;
  if (m.rows == 0 || m.cols == 0) return Errc::ok;
  int64_t const room = m.values.size - m.origin - m.cols;  // before the last row's first element
  if (m.origin > m.values.size || room < 0) return Errc::size_mismatch;
  if (m.row_stride > 0 && m.rows - 1 > room / m.row_stride) return Errc::size_mismatch;
  return Errc::ok;
}

}  // namespace qfmt::inline v0
