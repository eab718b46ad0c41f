// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// Unsigned 4-bit integers with a zero point and a 16-bit scale for each 128 values; 32 to 256 are
/// usual.
///
///     value = (q - zero) * scale               scale = (high - low) / 15, rounded to its type
///     zero = -low / scale, nearest, ties to even, 0 to 15
///     q = x / scale, nearest, ties to even, plus zero, 0 to 15
///
/// with low and high the block's extremes or 0, whichever is further out. Bytes: two codes a byte,
/// the first in the high nibble; one bfloat16 a block; one byte a block, the zero point. 4.19 bits
/// a value.
///
/// The scale that its functions take is the block's with the zero point in its four lowest bits:
/// a 16-bit scale leaves them empty in a float. So a scale and its zero point pass as one number
/// through every kernel.
struct AsymmetricInt4 {
  static constexpr auto name = "int4_asymmetric";
  static constexpr int bits = 4;
  static constexpr bool has_zero_point = true;
  static constexpr int default_block_size = 128;
  using default_scale = bfloat16;

  QFMT_HD static constexpr float decode(uint8_t code, float scale) {
    auto const zero = static_cast<int>(float_bits(scale) & 15u);
    float const alone = float_from_bits(float_bits(scale) & ~15u);
    return exact::mul(static_cast<float>((code & 15) - zero), alone);
  }
  QFMT_HD static constexpr uint8_t encode(float x, float scale) {
    auto const zero = static_cast<int>(float_bits(scale) & 15u);
    float const alone = float_from_bits(float_bits(scale) & ~15u);
    if (is_zero(alone)) return static_cast<uint8_t>(zero);
    float const t = exact::rounded(exact::div(x, alone));
    float const above = t > -16.f ? t : -16.f;
    int const q = exact::round_to_int(above < 16.f ? above : 16.f) + zero;
    return static_cast<uint8_t>(q < 0 ? 0 : q > 15 ? 15 : q);
  }
};

}  // namespace qfmt::inline v0
