// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The element types of weights and activations, and their exact conversions to and from float.
#pragma once

#include "qfmt/arithmetic.hpp"

// Named, not included: the Element concept then means the same in a translation unit with the CUDA
// half types and in one without.
struct __half;
struct __nv_bfloat16;

namespace qfmt::inline v0 {

namespace detail {
/// a or b without a branch: g++ vectorizes a loop over masks, and not one over `? :` that hides a
/// float operation in one arm.
QFMT_HD constexpr uint32_t select(bool first, uint32_t a, uint32_t b) {
  uint32_t const mask = 0u - static_cast<uint32_t>(first);
  return (a & mask) | (b & ~mask);
}
}  // namespace detail

/// binary16 bits of x, ties to even; any NaN becomes 7FFF, as the GPU's conversion makes it.
QFMT_HD constexpr uint16_t float_to_half_bits(float x) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::float_to_half(x);
#endif
  uint32_t const sign = float_bits(x) >> 16 & 0x8000u;
  uint32_t const magnitude = float_bits(x) & 0x7FFFFFFFu;
  uint32_t const rebased = magnitude - (112u << 23);
  uint32_t const normal = (rebased + 0xFFFu + (rebased >> 13 & 1u)) >> 13;
  // Below 2^-14 half's places are 2^-24 wide, as are a float's next to 0.5: the sum rounds there.
  bool const tiny = magnitude < 0x38800000u;
  float const small = float_from_bits(detail::select(tiny, magnitude, 0u));
  uint32_t const subnormal = float_bits(small + 0.5f) - 0x3F000000u;
  uint32_t const finite = detail::select(tiny, subnormal, normal);
  uint32_t const bounded = detail::select(magnitude >= 0x477FF000u, 0x7C00u, finite);  // 65520
  return static_cast<uint16_t>(detail::select(magnitude > 0x7F800000u, 0x7FFFu, sign | bounded));
}

QFMT_HD constexpr float half_bits_to_float(uint16_t bits) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::half_to_float(bits);
#endif
  uint32_t const sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  uint32_t const magnitude = bits & 0x7FFFu;
  uint32_t const normal = (magnitude << 13) + (112u << 23);
  float const subnormal = static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;  // exact
  uint32_t const quiet = detail::select(magnitude > 0x7C00u, 0x00400000u, 0u);
  uint32_t const special = magnitude << 13 | 0x7F800000u | quiet;
  uint32_t const finite = detail::select(magnitude < 0x0400u, float_bits(subnormal), normal);
  return float_from_bits(sign | detail::select(magnitude >= 0x7C00u, special, finite));
}

/// bfloat16 bits of x, ties to even; any NaN becomes 7FFF.
QFMT_HD constexpr uint16_t float_to_bfloat_bits(float x) {
  uint32_t const bits = float_bits(x);
  uint32_t const rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>(
      detail::select((bits & 0x7FFFFFFFu) > 0x7F800000u, 0x7FFFu, rounded));
}

/// The value of these bits; exact.
QFMT_HD constexpr float bfloat_bits_to_float(uint16_t bits) {
  return float_from_bits(static_cast<uint32_t>(bits) << 16);
}

/// IEEE binary16 in two bytes, for builds without CUDA; same layout as `__half`.
struct float16 {
  uint16_t bits;  ///< binary16

  float16() = default;
  /// Nearest, ties to even.
  QFMT_HD constexpr float16(float value) : bits(float_to_half_bits(value)) {}
  /// The value; exact.
  QFMT_HD constexpr operator float() const { return half_bits_to_float(bits); }
  /// The number that has these bits.
  QFMT_HD static constexpr float16 from_bits(uint16_t bits) {
    float16 r{};
    r.bits = bits;
    return r;
  }
};

/// bfloat16 in two bytes, for builds without CUDA; same layout as `__nv_bfloat16`.
struct bfloat16 {
  uint16_t bits;  ///< the upper half of a float

  bfloat16() = default;
  /// Nearest, ties to even.
  QFMT_HD constexpr bfloat16(float value) : bits(float_to_bfloat_bits(value)) {}
  /// The value; exact.
  QFMT_HD constexpr operator float() const { return bfloat_bits_to_float(bits); }
  /// The number that has these bits.
  QFMT_HD static constexpr bfloat16 from_bits(uint16_t bits) {
    bfloat16 r{};
    r.bits = bits;
    return r;
  }
};

template <class T>
concept Float16Like = stl::same_as<T, float16> || stl::same_as<T, ::__half>;

template <class T>
concept Bfloat16Like = stl::same_as<T, bfloat16> || stl::same_as<T, ::__nv_bfloat16>;

/// What weights and activations may be made of.
template <class T>
concept Element = stl::same_as<T, float> || Float16Like<T> || Bfloat16Like<T>;

/// The value of x; exact.
template <Element T>
QFMT_HD constexpr float to_float(T x) {
  if constexpr (Float16Like<T>) {
    return half_bits_to_float(__builtin_bit_cast(uint16_t, x));
  } else if constexpr (Bfloat16Like<T>) {
    return bfloat_bits_to_float(__builtin_bit_cast(uint16_t, x));
  } else {
    return x;
  }
}

/// x rounded once to T, ties to even; overflow gives infinity, any NaN gives a NaN.
template <Element T>
QFMT_HD constexpr T from_float(float x) {
  if constexpr (Float16Like<T>) {
    return __builtin_bit_cast(T, float_to_half_bits(x));
  } else if constexpr (Bfloat16Like<T>) {
    return __builtin_bit_cast(T, float_to_bfloat_bits(x));
  } else {
    return x;
  }
}

/// The bits of x: 32 of a float, 16 of the others.
template <Element T>
QFMT_HD constexpr auto element_bits(T x) {
  if constexpr (stl::same_as<T, float>) {
    return float_bits(x);
  } else {
    return __builtin_bit_cast(uint16_t, x);
  }
}

/// The value that has these bits.
template <Element T>
QFMT_HD constexpr T element_from_bits(decltype(element_bits(T{})) bits) {
  return __builtin_bit_cast(T, bits);
}

/// The bits of |x|, as a signed integer, whose maximum every SIMD unit has. They order as the
/// magnitudes do, with NaN above infinity: absmax and the search for non-finite values need no
/// conversion.
template <Element T>
QFMT_HD constexpr auto magnitude_bits(T x) {
  if constexpr (stl::same_as<T, float>) {
    return static_cast<int32_t>(float_bits(x) & 0x7FFFFFFFu);
  } else {
    return static_cast<int16_t>(__builtin_bit_cast(uint16_t, x) & 0x7FFFu);
  }
}

/// magnitude_bits of infinity: what is not below it is not finite.
template <Element T>
QFMT_HD constexpr auto infinity_bits() {
  if constexpr (stl::same_as<T, float>) {
    return int32_t{0x7F800000};
  } else {
    return Float16Like<T> ? int16_t{0x7C00} : int16_t{0x7F80};
  }
}

/// The value whose magnitude_bits these are.
template <Element T>
QFMT_HD constexpr float magnitude(decltype(magnitude_bits(T{})) bits) {
  if constexpr (stl::same_as<T, float>) {
    return float_from_bits(static_cast<uint32_t>(bits));
  } else if constexpr (Float16Like<T>) {
    return half_bits_to_float(static_cast<uint16_t>(bits));
  } else {
    return bfloat_bits_to_float(static_cast<uint16_t>(bits));
  }
}

}  // namespace qfmt::inline v0
