// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The words a scheme is written in. Each policy sits on one axis; a scheme names an axis at most
// once. A new axis value is a struct with `policy_axis`; nothing here has to change for it.
#pragma once

#include "qfmt/format/concepts.hpp"
#include "qfmt/format/small_floats.hpp"

namespace qfmt::inline v0 {

namespace axis {
struct format;        ///< what one code means
struct granularity;   ///< how many values share a scale
struct scale;         ///< how the scales themselves are kept
struct tensor_scale;  ///< whether one more scale holds for the whole tensor
struct zero_point;    ///< whether a block has a code of its own for zero
}  // namespace axis

/// What a code means: Format<NF4>, or a format of your own.
template <FormatSpec F>
struct Format {
  using policy_axis = axis::format;  ///< the axis it sits on
  using type = F;                    ///< the format
  static_assert(detail::levels_are_finite<F>(),
                "qfmt::Format<F>: every level of F::codebook must be finite");
};

/// One scale for each run of N values of the flat, row-major tensor; the last run may be short.
template <int N>
struct BlockSize {
  static_assert(N >= 16 && N <= 4096 && (N & (N - 1)) == 0,
                "qfmt::BlockSize<N>: N must be a power of two from 16 to 4096");
  using policy_axis = axis::granularity;  ///< the axis it sits on
  static constexpr int value = N;         ///< values
};

/// One scale for each row, as LLM.int8() weights have it.
struct RowWise {
  using policy_axis = axis::granularity;  ///< the axis it sits on
};

/// true: scales are kept as 8-bit codes themselves: Dynamic8 of (absmax - offset) in blocks of 256.
/// false: they are f32. Either, when named, replaces the scale type that a format brings (MXFP4's
/// E8M0).
template <bool On>
struct DoubleQuant {
  using policy_axis = axis::scale;   ///< the axis it sits on
  static constexpr bool value = On;  ///< whether scales are nested
};

/// What scales may be stored in, one number a block: float, 16 bits, or a byte.
template <class T>
concept ScaleNumber = stl::same_as<T, float> || stl::same_as<T, float16> ||
    stl::same_as<T, bfloat16> || stl::same_as<T, E8M0> || stl::same_as<T, E4M3>;

/// Scales are stored as T: E8M0 is a power of two, E4M3 wants a TensorScale beside it.
/// ScaleType<float> is DoubleQuant<false>.
template <ScaleNumber T>
struct ScaleType {
  using policy_axis = axis::scale;
  using type = T;
};

/// true: one f32 more multiplies every scale of the tensor.
template <bool On>
struct TensorScale {
  using policy_axis = axis::tensor_scale;
  static constexpr bool value = On;
};

/// true: a block's codes count from a zero point of its own. Its format takes it (AsymmetricInt4).
template <bool On>
struct ZeroPoint {
  using policy_axis = axis::zero_point;
  static constexpr bool value = On;
};

template <class P>
concept Policy = requires {
  typename P::policy_axis;
};

}  // namespace qfmt::inline v0
