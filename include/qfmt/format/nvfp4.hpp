// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"
#include "qfmt/format/small_floats.hpp"

namespace qfmt::inline v0 {

/// NVIDIA's NVFP4: E2M1 elements, blocks of 16 with an E4M3 scale each, and one f32 for the tensor.
///
///     value = element * (scale * tensor_scale)          tensor_scale = absmax of the tensor / 2688
///     scale = (absmax / 6) / tensor_scale, nearest, ties to even, 2^-9 at least if absmax > 0
///     element = x / (scale * tensor_scale), nearest, ties to even, at most 6 in magnitude
///
/// Each operation rounds once to f32; 2688 is 6 * 448. Bytes: codes as everywhere in qfmt (first
/// value in the high nibble), one byte of scale a block, one f32. Checkpoints (ModelOpt) have the
/// first value in the low nibble: `W` U8 (rows, cols / 2), `W_scale` F8_E4M3 (rows, cols / 16),
/// `W_scale_2` F32. 4.5 bits a value.
struct NVFP4 : ScaledNumbers<E2M1> {
  static constexpr auto name = "nvfp4";
  static constexpr int default_block_size = 16;
  using default_scale = E4M3;
  static constexpr bool default_tensor_scale = true;
  static constexpr auto checkpoint_codes = "";  // what follows the weight's name in files
  static constexpr auto checkpoint_scales = "_scale";
  static constexpr auto checkpoint_tensor_scale = "_scale_2";
  static constexpr bool checkpoint_blocks_apart = false;
};

}  // namespace qfmt::inline v0
