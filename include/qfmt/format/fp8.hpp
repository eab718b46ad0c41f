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
struct FP8E4M3 : ScaledNumbers<E4M3> {
  static constexpr auto name = "fp8_e4m3";
  static constexpr int default_block_size = 128;
};

/// The same with elements of more range and less precision: `largest` is 57344.
struct FP8E5M2 : ScaledNumbers<E5M2> {
  static constexpr auto name = "fp8_e5m2";
  static constexpr int default_block_size = 128;
};

}  // namespace qfmt::inline v0
