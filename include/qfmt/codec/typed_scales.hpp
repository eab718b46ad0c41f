// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing under scales of a type of their own: a block's scale is rounded to that type first,
// then its codes are worked out under what was stored.
#pragma once

#include "qfmt/codec/block_codec.hpp"

namespace qfmt::inline v0 {

namespace detail {

template <FormatSpec F>
QFMT_HD constexpr float largest_of() {
  if constexpr (ElementFormat<F>) return F::largest;
  return 1.f;
}

/// The exponent of E8M0 by the OCP rule, for numbers up to `largest`: floor(log2(absmax)) -
/// floor(log2(largest)). For levels relative to the scale the power of two at or above absmax, so
/// that none is beyond the last level. 0 (2^-127) at least, 254 at most, 255 for NaN.
template <FormatSpec F>
QFMT_HD constexpr uint8_t encode_exponent(float absmax) {
  if (!is_finite(absmax)) return 255;
  int code = E8M0::encode_floor(absmax);
  if constexpr (ElementFormat<F>) {
    code -= E8M0::encode_floor(F::largest) - 127;
  } else if (float_bits(E8M0::decode(static_cast<uint8_t>(code))) < float_bits(absmax)) {
    ++code;  // compared by bits: a mode that flushes subnormals changes nothing
  }
  return static_cast<uint8_t>(code < 0 ? 0 : code > 254 ? 254 : code);
}

/// The nearest stored number, at least the smallest and at most the largest, so that no block is
/// lost and none becomes infinite; scale is not negative.
template <class T>
QFMT_HD constexpr auto round_scale(float scale) {
  if constexpr (stl::same_as<T, E4M3>) {
    uint8_t const code = E4M3::encode(scale);
    return code == 0 && !is_zero(scale) ? uint8_t{1} : code;
  } else if constexpr (stl::same_as<T, float>) {
    return scale;
  } else {
    constexpr uint16_t infinity = Float16Like<T> ? 0x7C00 : 0x7F80;
    uint16_t const bits = element_bits(from_float<T>(scale));
    if (bits == infinity && is_finite(scale)) return T::from_bits(infinity - 1);
    return bits == 0 && !is_zero(scale) ? T::from_bits(1) : T::from_bits(bits);
  }
}

/// The extremes of a block and 0: low <= 0 <= high; NaN in both if a value is not finite.
struct BlockExtremes {
  float low = 0.f;
  float high = 0.f;
};
template <Element T>
QFMT_HD constexpr BlockExtremes block_extremes(T const* values, int64_t n) {
  float const nan = float_from_bits(canonical_nan_bits);
  BlockExtremes e;
  for (int64_t i = 0; i < n; ++i) {
    float const x = to_float(values[i]);
    if (!is_finite(x)) return {nan, nan};
    if (x < e.low) e.low = x;
    if (x > e.high) e.high = x;
  }
  return e;
}

}  // namespace detail

/// The f32 scale of a tensor with this absmax over its finite blocks: what brings the largest scale
/// of a block to the top of its type. 1 where the tensor has nothing but zeros.
template <SchemeSpec S>
  requires(S::is_typed)
QFMT_HD constexpr float tensor_scale_of(float absmax) {
  constexpr float top = detail::largest_of<typename S::format>() * E4M3::largest;
  float const scale = exact::div(absmax, top);
  return is_zero(scale) ? 1.f : scale;
}

/// Stores the scale of a block of n values, and its zero point where the scheme has one. A block
/// with a NaN or an infinity gets a NaN. The tensor's scale has been written.
template <MutableScheme S, Element T>
  requires(S::is_typed)
QFMT_HD constexpr void encode_typed_scale(T const* values, int64_t n, TypedScales<S> const& out,
                                          int64_t block) {
  using F = typename S::format;
  using Number = typename S::scale::type;
  float scale = 0.f;
  if constexpr (S::has_zero_point) {
    auto const e = detail::block_extremes(values, n);
    scale = exact::sub(exact::div(e.high, 15.f), exact::div(e.low, 15.f));
    auto const stored = detail::round_scale<Number>(scale);
    out.scale[block] = stored;
    float const kept = to_float(stored);
    bool const blank = is_zero(kept) || !is_finite(kept);
    float const zero = blank ? 0.f : exact::rounded(exact::div(-e.low, kept));
    out.zero_point[block] = static_cast<uint8_t>(exact::round_to_int(zero < 15.f ? zero : 15.f));
  } else {
    float const absmax = block_absmax(values, n);
    if constexpr (stl::same_as<Number, E8M0>) {
      out.scale[block] = detail::encode_exponent<F>(absmax);
    } else {
      scale = scale_of_absmax<F>(absmax);
      if constexpr (S::has_tensor_scale) {
        if (is_finite(scale)) scale = exact::div(scale, *out.tensor_scale);
        if (is_zero(scale) && !is_zero(absmax)) scale = 0x1p-149f;  // rounds to the least
      }
      out.scale[block] = detail::round_scale<Number>(scale);
    }
  }
}

/// Scale and codes of block `block`, whose n values begin at `values`. Returns false where one of
/// them is NaN or infinite.
template <MutableScheme S, Element T>
  requires(S::is_typed)
QFMT_HD constexpr bool encode_typed_block(T const* values, int64_t n, QuantizedSpan<S> const& out,
                                          int64_t block) {
  encode_typed_scale(values, n, out.scales, block);
  float const scale = scale_at(out.scales, block);
  encode_block<typename S::format>(values, n, scale,
                                   out.codes + block * S::block_size * S::bits / 8);
  return is_finite(scale);
}

}  // namespace qfmt::inline v0
