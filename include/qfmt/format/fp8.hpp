// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"
#include "qfmt/format/small_floats.hpp"

namespace qfmt::inline v0 {

/// OCP FP8 in blocks, 128 values and an f32 scale by default; also RowWise, and with
/// BlockSize<32>, ScaleType<E8M0> what the OCP standard calls MXFP8.
///
///     value = element * scale                  scale = absmax / largest (448 for E4M3)
///     element = x / scale, nearest, ties to even, at most `largest` in magnitude
///
/// Bytes: one a value, the element; one f32 a block. 8.25 bits a value.
struct FP8E4M3 {
  static constexpr auto name = "fp8_e4m3";
  static constexpr int bits = 8;
  static constexpr float largest = E4M3::largest;
  static constexpr int default_block_size = 128;

  QFMT_HD static constexpr float decode(uint8_t code, float scale) {
    return exact::mul(E4M3::decode(code), scale);
  }
  QFMT_HD static constexpr uint8_t encode(float x, float scale) {
    return is_zero(scale) ? uint8_t{0} : E4M3::encode(exact::div(x, scale));
  }
};

/// The same with elements of more range and less precision: `largest` is 57344.
struct FP8E5M2 {
  static constexpr auto name = "fp8_e5m2";
  static constexpr int bits = 8;
  static constexpr float largest = E5M2::largest;
  static constexpr int default_block_size = 128;

  QFMT_HD static constexpr float decode(uint8_t code, float scale) {
    return exact::mul(E5M2::decode(code), scale);
  }
  QFMT_HD static constexpr uint8_t encode(float x, float scale) {
    return is_zero(scale) ? uint8_t{0} : E5M2::encode(exact::div(x, scale));
  }
};

}  // namespace qfmt::inline v0
