// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From values to codes, one at a time: the decision of every encoder that rounds to the nearest.
#pragma once

#include "qfmt/codec/decode.hpp"

namespace qfmt::inline v0 {

/// The decision points of a codebook, worked out at compile time: the code of x is
/// code[number of points below x].
template <int Bits>
struct DecisionPoints {
  static constexpr int capacity = 1 << Bits;  ///< levels at most
  float below[capacity];                      // ascending; count - 1 points, then infinity
  uint8_t code[capacity];                     // in order of level
  int count;                                  // levels
  bool in_order;                              // code[rank] == rank
};

namespace detail {

/// In order of value, -0 before +0.
QFMT_HD constexpr bool comes_before(float a, float b) {
  return a < b || (a == b && float_bits(a) > float_bits(b) && is_zero(a));
}

/// Where the upper of two neighbouring levels begins: above their f32 midpoint, but zero itself
/// belongs to +0 where a table holds both zeros.
QFMT_HD constexpr float midpoint(float lower, float upper) {
  return is_zero(lower) && is_zero(upper) ? -0x1p-149f : (lower + upper) * 0.5f;
}

template <CodebookFormat F>
QFMT_HD constexpr auto decision_points() {
  constexpr auto book = F::codebook;
  DecisionPoints<book.bits> d{};
  d.count = book.count;
  d.in_order = true;
  for (int i = 0; i < book.count; ++i) {  // insertion sort of the codes by level
    int at = i;
    for (; at > 0 && comes_before(book.level[i], book.level[d.code[at - 1]]); --at)
      d.code[at] = d.code[at - 1];
    d.code[at] = static_cast<uint8_t>(i);
  }
  for (int rank = 0; rank < d.capacity; ++rank) {
    if (rank < d.count && d.code[rank] != rank) d.in_order = false;
    if (rank >= d.count - 1) {
      d.below[rank] = float_from_bits(0x7F800000u);
    } else if constexpr (requires { F::thresholds[0]; }) {
      d.below[rank] = F::thresholds[rank];
    } else {
      d.below[rank] = midpoint(book.level[d.code[rank]], book.level[d.code[rank + 1]]);
    }
  }
  return d;
}

template <CodebookFormat F>
inline constexpr auto host_points = decision_points<F>();
#if defined(__CUDACC__)
template <CodebookFormat F>
static __device__ constexpr auto device_points = decision_points<F>();
#endif

template <CodebookFormat F>
QFMT_HD constexpr auto const& points() {
#if defined(__CUDA_ARCH__)
  return device_points<F>;
#else
  return host_points<F>;
#endif
}

/// Counts in straight-line code, which vectorizes over values; a search among 16 would not.
template <CodebookFormat F, int... I>
QFMT_HD constexpr int count_points_below(float x, stl::integer_sequence<int, I...>) {
  auto const& d = points<F>();
  return (0 + ... + static_cast<int>(exact::greater(x, d.below[I])));
}

/// How many decision points lie below x; none lies below a NaN.
template <CodebookFormat F>
QFMT_HD constexpr int rank_of(float x) {
  if constexpr (bits_of<F> == 4) {
    return count_points_below<F>(x, stl::make_integer_sequence<int, F::codebook.count - 1>{});
  } else {
    auto const& d = points<F>();
    int rank = 0;
    for (int step = 128; step > 0; step /= 2)  // without branches: none of them is predictable
      rank += -static_cast<int>(exact::greater(x, d.below[rank + step - 1])) & step;
    return rank;
  }
}

}  // namespace detail

/// The code of x, a value already divided by its block's absmax: the number of decision points t
/// with x > t, so a tie goes to the lower level unless the format's pinned thresholds say else.
/// NaN takes the lowest level's code, for FP4 code 0. Decision points: F::thresholds where the
/// format pins them, else the f32 midpoints of its levels.
template <CodebookFormat F>
QFMT_HD constexpr uint8_t encode(float x) {
  if constexpr (requires { F::encode(x); }) {
    return static_cast<uint8_t>(F::encode(x));
  } else {
    int const rank = detail::rank_of<F>(x);
    if constexpr (detail::host_points<F>.in_order) return static_cast<uint8_t>(rank);
    return detail::points<F>().code[rank];
  }
}

namespace detail {
template <FormatSpec F>
QFMT_HD constexpr uint8_t code_of_zero() {
  if constexpr (CodebookFormat<F>) {
    return encode<F>(0.f);
  } else {
    return static_cast<uint8_t>(F::encode(0.f, 1.f));
  }
}
}  // namespace detail

/// The code that stands for +0.0: what all-zero blocks and the unused half of a last byte hold.
template <FormatSpec F>
inline constexpr uint8_t zero_code = detail::code_of_zero<F>();

/// The scale of a block with this absmax, not yet in the type that it is stored in: absmax, or
/// absmax / largest for formats whose codes are numbers of their own, the least number at least.
/// NaN stays NaN.
template <FormatSpec F>
QFMT_HD constexpr float scale_of_absmax(float absmax) {
  if constexpr (ElementFormat<F>) {
    if (!is_finite(absmax)) return absmax;
    float const scale = exact::div(absmax, F::largest);
    return is_zero(scale) && !is_zero(absmax) ? 0x1p-149f : scale;
  } else {
    return absmax;
  }
}

/// How a block's values are brought to what the format rounds: x * factor, or, where the factor is
/// not a number to multiply with, (x / absmax) * peak. Codebooks have peak 1.
struct BlockScaling {
  float absmax;  ///< the block's
  float factor;  ///< 1 / absmax or peak / absmax; unused where it divides
  float peak;    ///< what absmax becomes
  bool divides;  ///< x / absmax * peak in place of x * factor

  /// x brought to the scale of the codes; not yet rounded to one.
  QFMT_HD constexpr float operator()(float x) const {
    if (!divides) return exact::mul(x, factor);
    return exact::mul(exact::div(x, absmax), peak);
  }
};

/// Codebooks multiply by the IEEE reciprocal, except where it is not a normal finite number:
/// |absmax| below 2^-126 or above 2^126. Formulas multiply by peak / absmax unless that overflows.
template <FormatSpec F>
  requires(CodebookFormat<F> || ScaledFormulaFormat<F>)
QFMT_HD constexpr BlockScaling block_scaling(float absmax) {
  if constexpr (CodebookFormat<F>) {
    uint32_t const bits = float_bits(absmax) & 0x7FFFFFFFu;  // a scale may be negative
    bool const divides = bits < 0x00800000u || bits > 0x7E800000u;
    return {absmax, divides ? 0.f : exact::div(1.f, absmax), 1.f, divides};
  } else {
    float const factor = exact::div(F::peak, absmax);
    return {absmax, factor, F::peak, !is_finite(factor)};
  }
}

/// The code of value x in a block with this absmax (finite; below zero for codebooks alone);
/// zero_code where absmax is 0.
template <FormatSpec F>
QFMT_HD constexpr uint8_t encode(float x, float absmax) {
  if (is_zero(absmax)) return zero_code<F>;
  if constexpr (CodebookFormat<F>) {
    return encode<F>(exact::rounded(block_scaling<F>(absmax)(x)));
  } else {
    return static_cast<uint8_t>(F::encode(x, absmax));
  }
}

/// True if every code of a codebook is the code of its own level, up to the sign of zero. The whole
/// test a new format needs: static_assert(qfmt::round_trips<Mine>()).
template <CodebookFormat F>
QFMT_HD consteval bool round_trips() {
  for (int c = 0; c < F::codebook.count; ++c) {
    float const x = F::codebook.level[c];
    if (F::codebook.level[encode<F>(x)] != x) return false;
  }
  return true;
}

}  // namespace qfmt::inline v0
