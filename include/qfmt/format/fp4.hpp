// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// bitsandbytes' FP4: a sign bit (8) over the magnitudes {0, 1/16, 8, 12, 4, 6, 2, 3} / 12 in code
/// order. Not E2M1: the smallest magnitude differs and codes are not in order of value.
struct FP4 {
  static constexpr auto name = "fp4";  ///< what a SchemeDesc and a checkpoint call it

  /// The 16 levels, by code.
  static constexpr Codebook codebook{
      0x0.000000p+0f,  0x1.555556p-8f,  0x1.555556p-1f,  0x1.000000p+0f,   //
      0x1.555556p-2f,  0x1.000000p-1f,  0x1.555556p-3f,  0x1.000000p-2f,   //
      -0x0.000000p+0f, -0x1.555556p-8f, -0x1.555556p-1f, -0x1.000000p+0f,  //
      -0x1.555556p-2f, -0x1.000000p-1f, -0x1.555556p-3f, -0x1.000000p-2f};

  /// bitsandbytes' CUDA literals, ascending.
  static constexpr float magnitude_thresholds[7]{0x1.555572p-9f, 0x1.6p-4f,      0x1.aaaaaap-3f,
                                                 0x1.2aaaaap-2f, 0x1.aaaaacp-2f, 0x1.2aaaa0p-1f,
                                                 0x1.aaaaaap-1f};
  static constexpr uint8_t magnitude_codes[8]{0, 1, 6, 7, 4, 5, 2, 3};  ///< by order of magnitude
  static constexpr uint8_t sign_bit = 8;                                ///< set where x < 0

  /// Decides on |x| with bitsandbytes' CUDA literals, to the bit; a tie goes to the lower
  /// magnitude. The sign is set for x < 0 only: -0 and NaN give code 0. It is read from the bits,
  /// so that a flush-to-zero mode cannot turn a small negative into a positive.
  QFMT_HD static constexpr uint8_t encode(float x) {
    float const m = float_from_bits(float_bits(x) & 0x7FFFFFFFu);
    int const rank = exact::greater(m, 0x1.555572p-9f) + exact::greater(m, 0x1.6p-4f) +
                     exact::greater(m, 0x1.aaaaaap-3f) + exact::greater(m, 0x1.2aaaaap-2f) +
                     exact::greater(m, 0x1.aaaaacp-2f) + exact::greater(m, 0x1.2aaaa0p-1f) +
                     exact::greater(m, 0x1.aaaaaap-1f);
    uint32_t const code = 0x32547610u >> (4 * rank) & 7u;  // rank of magnitude -> its code
    uint32_t const negative = float_bits(x) - 0x80000001u < 0x7F800000u;  // -tiny .. -infinity
    return static_cast<uint8_t>(code | negative << 3);
  }
};

}  // namespace qfmt::inline v0
