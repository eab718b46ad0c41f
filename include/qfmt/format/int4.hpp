// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// Symmetric 4-bit integers, two's complement, with a 16-bit scale for each 128 values; 32 to 256
/// are usual.
///
///     value = q * scale                        scale = absmax / 7, rounded to the scale's type
///     q = x / scale, nearest, ties to even, -8 to 7
///
/// Bytes: two codes a byte, the first in the high nibble; one bfloat16 a block. 4.125 bits a value.
struct SymmetricInt4 {
  static constexpr auto name = "int4";
  static constexpr int bits = 4;
  static constexpr float largest = 7.f;
  static constexpr int default_block_size = 128;
  using default_scale = bfloat16;

  QFMT_HD static constexpr float decode(uint8_t code, float scale) {
    return exact::mul(static_cast<float>(((code & 15) ^ 8) - 8), scale);
  }
  QFMT_HD static constexpr uint8_t encode(float x, float scale) {
    if (is_zero(scale)) return 0;
    float const t = exact::rounded(exact::div(x, scale));
    float const above = t > -8.f ? t : -8.f;
    return static_cast<uint8_t>(exact::round_to_int(above < 7.f ? above : 7.f) & 15);
  }
};

}  // namespace qfmt::inline v0
