// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// NormalFloat-4 of QLoRA, as bitsandbytes stores it: 16 levels, code 7 is zero.
struct NF4 {
  static constexpr auto name = "nf4";  ///< what a SchemeDesc and a checkpoint call it

  /// The 16 levels, by code, ascending.
  static constexpr Codebook codebook{
      -0x1.000000p+0f, -0x1.647362p-1f, -0x1.0cd660p-1f, -0x1.946540p-2f,  //
      -0x1.23449ap-2f, -0x1.7a6a7ep-3f, -0x1.74f0e2p-4f, 0.f,              //
      0x1.45f5fep-4f,  0x1.4995c6p-3f,  0x1.f809bap-3f,  0x1.5a0674p-2f,   //
      0x1.c34970p-2f,  0x1.200f56p-1f,  0x1.722766p-1f,  0x1.000000p+0f};

  /// bitsandbytes' CUDA decision points, to the bit. Four of them (0, 8, 12, 14) lie one ulp off
  /// the float midpoints of the levels, because its source spells them as truncated decimals.
  static constexpr float thresholds[15]{
      -0x1.b239b2p-1f, -0x1.38a4e0p-1f, -0x1.d70900p-2f, -0x1.5bd4ecp-2f, -0x1.e079d8p-3f,
      -0x1.1a7178p-3f, -0x1.74f0e2p-5f, 0x1.45f5fep-5f,  0x1.ec90c6p-4f,  0x1.a0cfc0p-3f,
      0x1.2b05a8p-2f,  0x1.8ea7f2p-2f,  0x1.00da06p-1f,  0x1.491b5ep-1f,  0x1.b913b2p-1f};
};

}  // namespace qfmt::inline v0
