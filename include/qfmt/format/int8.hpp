// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// Symmetric 8-bit integers, -127..127 in two's complement: what LLM.int8() keeps weights in.
struct Int8 {
  static constexpr auto name = "int8";  ///< what a SchemeDesc calls it
  static constexpr int bits = 8;        ///< of a code

  /// The code of a value equal to absmax; codes are round(x * (peak / absmax)).
  static constexpr float peak = 127.f;

  /// (q * absmax) * f32(1/127) in two roundings, as bitsandbytes dequantizes weights.
  QFMT_HD static constexpr float decode(uint8_t code, float absmax) {
    float const q = static_cast<float>(static_cast<int8_t>(code));
    return exact::mul(exact::mul(q, absmax), 0x1.020408p-7f);
  }

  /// Nearest integer, ties to even, of a stored t; beyond +-127 the end of the range, NaN gives 0.
  QFMT_HD static constexpr uint8_t round(float t) {
    float const low = t > -peak ? t : t <= -peak ? -peak : 0.f;
    float const inside = low < peak ? low : peak;
    return static_cast<uint8_t>(exact::round_to_int(inside));
  }

  /// round(x * (127 / absmax)) with IEEE division; where 127 / absmax overflows (absmax below about
  /// 2^-121) round((x / absmax) * 127).
  QFMT_HD static constexpr uint8_t encode(float x, float absmax) {
    if (is_zero(absmax)) return 0;
    float const scale = exact::div(peak, absmax);
    float const t =
        is_finite(scale) ? exact::mul(x, scale) : exact::mul(exact::div(x, absmax), peak);
    return round(exact::rounded(t));
  }
};

}  // namespace qfmt::inline v0
