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

template <class... Ps>
struct compose {
  static_assert((Policy<Ps> && ...),
                "qfmt::Scheme<...>: every argument is a policy; write Format<NF4>, not NF4");
  static_assert(times<axis::format, Ps...> == 1, "qfmt::Scheme<...>: name exactly one Format<...>");
  static_assert(times<axis::granularity, Ps...> <= 1,
                "qfmt::Scheme<...>: name BlockSize<N> or RowWise, once");
  static_assert(times<axis::scale, Ps...> <= 1,
                "qfmt::Scheme<...>: name how scales are kept (DoubleQuant<...>) once");

  using type = BasicScheme<typename pick<axis::format, void, Ps...>::type::type,
                           typename pick<axis::granularity, BlockSize<64>, Ps...>::type,
                           typename pick<axis::scale, DoubleQuant<false>, Ps...>::type>;
};

}  // namespace detail

/// Scheme<Format<NF4>, BlockSize<64>, DoubleQuant<true>>: policies in any order; what is not named
/// is BlockSize<64> and DoubleQuant<false>.
template <class... Policies>
using Scheme = typename detail::compose<Policies...>::type;

/// The scheme of nested scales.
using AbsmaxScheme = BasicScheme<Dynamic8, BlockSize<256>, DoubleQuant<false>>;

}  // namespace qfmt::inline v0
