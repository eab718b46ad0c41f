// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Scales that are stored in a type of their own: 16 bits or a byte a block, with what the scheme
// puts beside them.
#pragma once

#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0 {

namespace detail {
template <class T>
struct stored_scale {
  using type = T;
};
template <>
struct stored_scale<E8M0> {
  using type = uint8_t;
};
template <>
struct stored_scale<E4M3> {
  using type = uint8_t;
};
}  // namespace detail

/// What one scale of a typed scheme is in memory: the number, or its byte.
template <SchemeSpec S>
using stored_scale_t = typename detail::stored_scale<typename S::scale::type>::type;

/// One number a block. As with nested scales, the tensor's scale is pointed at rather than held, so
/// that a device quantize can write it on its stream.
template <SchemeSpec S>
struct TypedScales {
  same_const_t<S, stored_scale_t<S>>* scale = nullptr;  // (blocks)
  same_const_t<S, float>* tensor_scale = nullptr;       // (1), where the scheme has a TensorScale
  same_const_t<S, uint8_t>* zero_point = nullptr;       // (blocks), where it has a ZeroPoint: 0..15

  /// Views of S are views of S const.
  template <class C>
    requires(!stl::is_const_v<S> && stl::same_as<C, S const>)
  QFMT_HD constexpr operator TypedScales<C>() const { return {scale, tensor_scale, zero_point}; }
};

}  // namespace qfmt::inline v0
