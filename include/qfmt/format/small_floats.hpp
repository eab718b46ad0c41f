// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Floating-point numbers of 4 and 8 bits: the elements of MXFP4, NVFP4 and FP8 tensors, and the
// types that their scales are stored in.
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0 {

namespace detail {

/// A sign, ExponentBits and FractionBits, with subnormals: the IEEE layout, of which `Largest` is
/// the code of the largest finite magnitude. What lies above it is NaN, but for the first of them
/// where HasInfinity.
template <int ExponentBits, int FractionBits, int Largest, bool HasInfinity>
struct SmallFloat {
  static constexpr int bits = 1 + ExponentBits + FractionBits;
  static constexpr uint32_t sign_bit = 1u << (bits - 1);
  static constexpr int shift = 23 - FractionBits;  // between its fraction and a float's
  static constexpr int least_exponent = 2 - (1 << (ExponentBits - 1));  // of normal numbers

  /// The value of a code, of which the low `bits` bits count; exact.
  QFMT_HD static constexpr float decode(uint8_t code) {
    uint32_t const magnitude = code & (sign_bit - 1);
    uint32_t const sign = (code & sign_bit) << (32 - bits);
    if (magnitude > Largest)
      return float_from_bits(HasInfinity && magnitude == Largest + 1 ? sign | 0x7F800000u
                                                                     : canonical_nan_bits);
    if (magnitude >> FractionBits != 0)
      return float_from_bits(
          sign | ((magnitude << shift) + (static_cast<uint32_t>(126 + least_exponent) << 23)));
    // Fractions without a leading one: a multiple of the least step, and exact.
    float const step =
        float_from_bits(static_cast<uint32_t>(127 + least_exponent - FractionBits) << 23);
    float const value = static_cast<float>(static_cast<int32_t>(magnitude)) * step;
    return float_from_bits(sign | float_bits(value));
  }

  /// The nearest number, ties to even. What is too large becomes the largest finite one, infinity
  /// too; NaN becomes the last positive code, which is NaN where the type has one.
  QFMT_HD static constexpr uint8_t encode(float x) {
    uint32_t const magnitude = float_bits(x) & 0x7FFFFFFFu;
    uint32_t const sign = float_bits(x) >> 31 << (bits - 1);
    if (magnitude > 0x7F800000u) return static_cast<uint8_t>(sign_bit - 1);
    uint32_t const rounded = magnitude + ((1u << (shift - 1)) - 1) + (magnitude >> shift & 1u);
    uint32_t const normal =
        (rounded >> shift) - (static_cast<uint32_t>(126 + least_exponent) << FractionBits);
    // Below the normal numbers the step is that of a float next to `base`: the sum rounds there.
    float const base =
        float_from_bits(static_cast<uint32_t>(150 + least_exponent - FractionBits) << 23);
    bool const is_small = magnitude < static_cast<uint32_t>(127 + least_exponent) << 23;
    float const small = float_from_bits(is_small ? magnitude : 0u);
    uint32_t const code = is_small ? float_bits(small + base) - float_bits(base) : normal;
    return static_cast<uint8_t>(sign | (code < Largest ? code : Largest));
  }
};

}  // namespace detail

/// FP4 of the OCP microscaling formats: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and a sign.
struct E2M1 : detail::SmallFloat<2, 1, 7, false> {
  static constexpr float largest = 6.f;
};

/// OCP FP8 E4M3: up to 448, no infinity, NaN is S.1111.111. As a scale: a positive number, or NaN.
struct E4M3 : detail::SmallFloat<4, 3, 0x7E, false> {
  static constexpr float largest = 448.f;
  static constexpr float least = 0x1p-9f;
};

/// OCP FP8 E5M2: up to 57344, with infinity (S.11111.00) and NaN.
struct E5M2 : detail::SmallFloat<5, 2, 0x7B, true> {
  static constexpr float largest = 57344.f;
};

/// OCP E8M0: a power of two, 2^(code - 127), for scales; 255 is NaN.
struct E8M0 {
  QFMT_HD static constexpr float decode(uint8_t code) {
    uint32_t const bits = static_cast<uint32_t>(code) << 23;
    return float_from_bits(code == 255 ? canonical_nan_bits : code == 0 ? 0x00400000u : bits);
  }

  /// The largest power of two that is not above x, a positive number or 0; 2^-127 at least.
  QFMT_HD static constexpr uint8_t encode_floor(float x) {
    return static_cast<uint8_t>(is_finite(x) ? float_bits(x) >> 23 & 0xFFu : 255u);
  }
};

/// What formats have in common whose codes are such numbers: value = number * scale, and back,
/// nearest, ties to even, at most `largest` in magnitude; 0 under a scale of 0.
template <class Number>
struct ScaledNumbers {
  using element = Number;                            ///< what a code is
  static constexpr int bits = Number::bits;          ///< of a code
  static constexpr float largest = Number::largest;  ///< of the finite numbers

  /// The value of a code.
  QFMT_HD static constexpr float decode(uint8_t code, float scale) {
    return exact::mul(Number::decode(code), scale);
  }
  /// The code of a value.
  QFMT_HD static constexpr uint8_t encode(float x, float scale) {
    return is_zero(scale) ? uint8_t{0} : Number::encode(exact::div(x, scale));
  }
};

}  // namespace qfmt::inline v0
