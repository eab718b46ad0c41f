// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// 2-bit NormalFloat: the construction of NF3 for two bits. Code 1 is zero. Stored in 4 bits: codes
/// 0 to 3. Decision points: the midpoints.
struct NF2 {
  static constexpr auto name = "nf2";

  static constexpr Codebook codebook{-1.f, 0.f, 0x1.be471ep-2f, 1.f};
};

}  // namespace qfmt::inline v0
