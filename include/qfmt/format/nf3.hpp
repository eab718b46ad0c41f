// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// 3-bit NormalFloat by QLoRA's construction for k bits: 2^(k-1) positive and 2^(k-1) - 1 negative
/// quantiles of the normal distribution, evenly spaced in probability up to 1 - (1 / 2^(k+1) +
/// 1 / (2^(k+1) - 2)) / 2, and zero; divided by the largest. Code 3 is zero. Stored in 4 bits:
/// codes 0 to 7. Decision points: the midpoints.
struct NF3 {
  static constexpr auto name = "nf3";

  static constexpr Codebook codebook{-0x1.000000p+0f, -0x1.11ee80p-1f, -0x1.f9b730p-3f, 0.f,
                                     0x1.7779a4p-3f,  0x1.87296cp-2f,  0x1.3ef7fcp-1f,  1.f};
};

}  // namespace qfmt::inline v0
