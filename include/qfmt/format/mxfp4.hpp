// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"
#include "qfmt/format/small_floats.hpp"

namespace qfmt::inline v0 {

/// OCP Microscaling MXFP4: E2M1 elements, blocks of 32, one power of two (E8M0) each.
///
///     value = element * 2^(scale - 127)        scale = floor(log2(absmax)) - 2 + 127, at least 0
///     element = x / 2^(scale - 127), nearest, ties to even, at most 6 in magnitude
///
/// Bytes: codes as everywhere in qfmt (first value in the high nibble), one byte of scale a block.
/// Checkpoints (gpt-oss) have the first value in the low nibble: `W_blocks` U8 (rows, cols / 32,
/// 16), `W_scales` U8 (rows, cols / 32). 4.25 bits a value.
struct MXFP4 : ScaledNumbers<E2M1> {
  static constexpr auto name = "mxfp4";
  static constexpr int default_block_size = 32;
  using default_scale = E8M0;
  static constexpr auto checkpoint_codes = "_blocks";  // what follows the weight's name in files
  static constexpr auto checkpoint_scales = "_scales";
  static constexpr bool checkpoint_blocks_apart = true;
};

}  // namespace qfmt::inline v0
