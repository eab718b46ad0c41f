// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Views of a quantized tensor: pointers and counts, passed by value, owning nothing. They are
// aggregates and trivially copyable, so they can be kernel parameters. As in std::span, const on
// the scheme makes the view read-only, and a view of S converts to its view of S const.
//
// No member is empty: for an empty one, [[no_unique_address]] or not, nvcc's host and device sides
// lay a kernel argument out differently.
#pragma once

#include "qfmt/layout/packing.hpp"
#include "qfmt/layout/typed_scales.hpp"

namespace qfmt::inline v0 {

template <class From, class To>
concept AddsConst = !stl::is_const_v<From> && stl::same_as<To, From const>;

template <SchemeSpec S>
struct QuantizedSpan;

/// One f32 absmax per block.
template <SchemeSpec S>
struct PlainScales {
  same_const_t<S, float>* absmax = nullptr;  // (blocks)

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator PlainScales<C>() const { return {absmax}; }
};

/// The same for formats whose files store their map.
template <SchemeSpec S>
  requires StoresLevels<typename S::format>
struct PlainScales<S> {
  same_const_t<S, float>* absmax = nullptr;  // (blocks)
  float const* levels = nullptr;             // (16 or 256), or null for the built-in map

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator PlainScales<C>() const {
    return {absmax, levels};
  }
};

/// One f32 absmax per row of row_length values.
template <SchemeSpec S>
struct RowScales {
  same_const_t<S, float>* absmax = nullptr;  // (rows)
  int64_t row_length = 0;                    ///< values

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator RowScales<C>() const {
    return {absmax, row_length};
  }
};

/// The same for formats whose files store their map.
template <SchemeSpec S>
  requires StoresLevels<typename S::format>
struct RowScales<S> {
  same_const_t<S, float>* absmax = nullptr;  // (rows)
  int64_t row_length = 0;                    ///< values
  float const* levels = nullptr;             // (16 or 256), or null for the built-in map

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator RowScales<C>() const {
    return {absmax, row_length, levels};
  }
};

/// Double quantization: absmax of block b = decoded absmax[b] + *offset, in two roundings. The
/// offset is pointed at rather than held, so that a device quantize can write it on its stream.
template <SchemeSpec S>
struct NestedScales {
  QuantizedSpan<same_const_t<S, AbsmaxScheme>> absmax{};  // (blocks)
  same_const_t<S, float>* offset = nullptr;               // (1)

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator NestedScales<C>() const {
    return {absmax, offset};
  }
};

namespace detail {
/// A scale policy of one's own brings its view along as `template <class S> using scales`, and
/// beside the view scale_at and check_scales, found by their argument; with QFMT_HD for device
/// code.
template <class S, class Scale>
struct scales_of {
  using type = typename Scale::template scales<S>;
};
template <class S>
struct scales_of<S, DoubleQuant<false>> {
  using type = stl::conditional_t<S::is_row_wise, RowScales<S>, PlainScales<S>>;
};
template <class S>
struct scales_of<S, DoubleQuant<true>> {
  using type = NestedScales<S>;
};
template <class S, class T, bool Tensor, bool Zero>
struct scales_of<S, TypedScale<T, Tensor, Zero>> {
  using type = TypedScales<S>;
};
}  // namespace detail

/// PlainScales, RowScales, NestedScales, TypedScales, or what the scheme's own scale policy names.
template <SchemeSpec S>
using ScalesOf = typename detail::scales_of<S, typename S::scale>::type;

/// A flat run of quantized values.
template <SchemeSpec S>
struct QuantizedSpan {
  same_const_t<S, uint8_t>* codes = nullptr;  // (codes_bytes<S>(size)) bytes, any alignment
  ScalesOf<S> scales{};                       // (block_count<S>(size))
  int64_t size = 0;                           // values

  /// To the read-only view.
  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator QuantizedSpan<C>() const {
    return {codes, scales, size};
  }
};

}  // namespace qfmt::inline v0
