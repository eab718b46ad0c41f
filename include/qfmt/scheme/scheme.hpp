// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Scheme<Policies...>: what the bytes of a quantized tensor mean. Nothing about dtypes, tiles or
// devices is in it, and each meaning is one type however its policies were ordered.
#pragma once

#include "qfmt/format/dynamic8.hpp"
#include "qfmt/scheme/policies.hpp"

namespace qfmt::inline v0 {

namespace detail {
template <class Granularity>
QFMT_HD constexpr int block_size_of() {
  if constexpr (stl::same_as<Granularity, RowWise>) {
    return 0;
  } else {
    return Granularity::value;
  }
}

}  // namespace detail

/// How scales are kept where that is neither f32 nor nested: the axes of the scale in one type.
template <ScaleNumber T, bool Tensor, bool Zero>
struct TypedScale {
  using type = T;
};

namespace detail {
/// What a scale policy says of itself.
template <class Scale>
struct scale_traits {
  static constexpr bool is_typed = false, has_tensor_scale = false, has_zero_point = false;
};
template <class T, bool Tensor, bool Zero>
struct scale_traits<TypedScale<T, Tensor, Zero>> {
  static constexpr bool is_typed = true, has_tensor_scale = Tensor, has_zero_point = Zero;
};
}  // namespace detail

/// What Scheme<...> canonicalises to. Write Scheme<...>; read the members.
template <FormatSpec F, class Granularity, class Scale>
struct BasicScheme {
  using format = F;                 ///< what a code means
  using granularity = Granularity;  ///< BlockSize or RowWise
  using scale = Scale;              ///< DoubleQuant, or a scale policy of one's own

  static constexpr int bits = bits_of<F>;  ///< of one stored code: 4 or 8
  static constexpr bool is_row_wise = stl::same_as<Granularity, RowWise>;  ///< one scale a row
  /// Scales are quantized themselves.
  static constexpr bool is_nested = stl::same_as<Scale, DoubleQuant<true>>;

  /// Values that share a scale; 0 where a row does.
  static constexpr int block_size = detail::block_size_of<Granularity>();

  /// Values in one pack: 16 bytes of codes, or one block where that is less. A pack never crosses a
  /// block, so it has one scale.
  static constexpr int values_per_pack =
      is_row_wise || block_size > 128 / bits ? 128 / bits : block_size;

  /// Scales have a type of their own, or a scale of the tensor or zero points beside them.
  static constexpr bool is_typed = detail::scale_traits<Scale>::is_typed;
  static constexpr bool has_tensor_scale = detail::scale_traits<Scale>::has_tensor_scale;
  static constexpr bool has_zero_point = detail::scale_traits<Scale>::has_zero_point;

  static_assert(ZeroPointFormat<F> == has_zero_point,
                "qfmt::Scheme<...>: ZeroPoint<true> and a format that takes a zero point go "
                "together");
  static_assert(!(is_row_wise && is_typed),
                "qfmt::Scheme<...>: RowWise keeps one f32 scale a row; a ScaleType, a TensorScale "
                "and a ZeroPoint need BlockSize<N>");
  static_assert(!(is_row_wise && is_nested),
                "qfmt::Scheme<...>: RowWise keeps one f32 scale a row; DoubleQuant<true> needs "
                "BlockSize<N>");
  static_assert(!is_row_wise || bits == 8,
                "qfmt::Scheme<...>: RowWise needs an 8-bit format, so that rows begin on a byte");
};

/// True for what Scheme<...> makes.
template <class S>
inline constexpr bool is_scheme = false;
/// True for what Scheme<...> makes.
template <class F, class G, class Sc>
inline constexpr bool is_scheme<BasicScheme<F, G, Sc>> = true;

/// A scheme, or a const one: as in span<T const>, const on the scheme makes a view read-only.
template <class S>
concept SchemeSpec = is_scheme<stl::remove_const_t<S>>;

/// A scheme whose views may be written through.
template <class S>
concept MutableScheme = SchemeSpec<S> && !stl::is_const_v<S>;

/// T, const if the scheme is.
template <SchemeSpec S, class T>
using same_const_t = stl::conditional_t<stl::is_const_v<S>, T const, T>;

namespace detail {

template <class P>
struct axis_of {
  using type = void;
};
template <Policy P>
struct axis_of<P> {
  using type = typename P::policy_axis;
};

template <class Axis, class... Ps>
inline constexpr int times = (0 + ... + int{stl::same_as<Axis, typename axis_of<Ps>::type>});

/// The policy on Axis, or Default where there is none.
template <class Axis, class Default, class... Ps>
struct pick {
  using type = Default;
};
template <class Axis, class Default, class P, class... Rest>
struct pick<Axis, Default, P, Rest...> {
  using type =
      typename stl::conditional_t<stl::same_as<Axis, typename axis_of<P>::type>,
                                  stl::type_identity<P>, pick<Axis, Default, Rest...>>::type;
};

/// What a format asks for where a scheme says nothing.
template <class F>
QFMT_HD constexpr int default_block_size() {
  if constexpr (requires { F::default_block_size; }) return F::default_block_size;
  return 64;
}
template <class F>
struct default_scale {
  using type = DoubleQuant<false>;
};
template <class F>
  requires requires { typename F::default_scale; }
struct default_scale<F> {
  using type = ScaleType<typename F::default_scale>;
};
template <class F>
QFMT_HD constexpr bool default_tensor_scale() {
  if constexpr (requires { F::default_tensor_scale; }) return F::default_tensor_scale;
  return false;
}

/// The scale axes as one type: f32 scales with nothing beside them are DoubleQuant<false>.
template <class Scale, bool Tensor, bool Zero>
struct join_scale {
  static_assert(!Tensor && !Zero,
                "qfmt::Scheme<...>: TensorScale<true> and ZeroPoint<true> need a ScaleType<T>");
  using type = Scale;
};
template <class T, bool Tensor, bool Zero>
struct join_scale<ScaleType<T>, Tensor, Zero> {
  static_assert(!Zero || sizeof(T) == 2,
                "qfmt::Scheme<...>: ZeroPoint<true> needs a ScaleType of 16 bits");
  static_assert(!Tensor || (!Zero && !stl::same_as<T, E8M0>),
                "qfmt::Scheme<...>: TensorScale<true> goes with neither ZeroPoint nor E8M0");
  using type = TypedScale<T, Tensor, Zero>;
};
template <>
struct join_scale<ScaleType<float>, false, false> {
  using type = DoubleQuant<false>;
};

/// Rows have f32 scales, whatever their format would have in blocks.
template <class F, class Granularity, class... Ps>
struct scale_from {
  static constexpr bool in_rows = stl::same_as<Granularity, RowWise>;
  using usual = stl::conditional_t<in_rows, DoubleQuant<false>, typename default_scale<F>::type>;
  using kept = typename pick<axis::scale, usual, Ps...>::type;
  static constexpr bool as_usual = times<axis::scale, Ps...> == 0 && !in_rows;
  static constexpr bool tensor =
      pick<axis::tensor_scale, TensorScale<as_usual && default_tensor_scale<F>()>,
           Ps...>::type::value;
  static constexpr bool zero =
      pick<axis::zero_point, ZeroPoint<ZeroPointFormat<F>>, Ps...>::type::value;
  using type = typename join_scale<kept, tensor, zero>::type;
};

template <class... Ps>
struct compose {
  static_assert((Policy<Ps> && ...),
                "qfmt::Scheme<...>: every argument is a policy; write Format<NF4>, not NF4");
  static_assert(times<axis::format, Ps...> == 1, "qfmt::Scheme<...>: name exactly one Format<...>");
  static_assert(times<axis::granularity, Ps...> <= 1,
                "qfmt::Scheme<...>: name BlockSize<N> or RowWise, once");
  static_assert(times<axis::scale, Ps...> <= 1,
                "qfmt::Scheme<...>: name how scales are kept (DoubleQuant<...>) once");
  static_assert(times<axis::tensor_scale, Ps...> <= 1 && times<axis::zero_point, Ps...> <= 1,
                "qfmt::Scheme<...>: name TensorScale<...> and ZeroPoint<...> once");

  using format = typename pick<axis::format, void, Ps...>::type::type;
  using granularity =
      typename pick<axis::granularity, BlockSize<default_block_size<format>()>, Ps...>::type;
  using type =
      BasicScheme<format, granularity, typename scale_from<format, granularity, Ps...>::type>;
};

}  // namespace detail

/// Scheme<Format<NF4>, BlockSize<64>, DoubleQuant<true>>: policies in any order; what is not named
/// is what the format asks for, else BlockSize<64> and DoubleQuant<false>.
template <class... Policies>
using Scheme = typename detail::compose<Policies...>::type;

/// The scheme of nested scales.
using AbsmaxScheme = BasicScheme<Dynamic8, BlockSize<256>, DoubleQuant<false>>;

}  // namespace qfmt::inline v0
