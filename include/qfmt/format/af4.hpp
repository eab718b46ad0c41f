// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/format/concepts.hpp"

namespace qfmt::inline v0 {

/// AbnormalFloat-4 (Yoshida, "NF4 Isn't Information Theoretically Optimal (and that's Good)") for
/// blocks of 64, as published, to eight decimals: levels that are the medians of the values that
/// take them where weights are normal. Code 7 is zero. Decision points: the midpoints. Bytes: as
/// NF4's.
struct AbnormalFloat4 {
  static constexpr auto name = "af4";

  static constexpr Codebook codebook{-1.0f,        -0.69441008f, -0.51243739f, -0.3736951f,  //
                                     -0.25607552f, -0.14982478f, -0.04934812f, 0.0f,         //
                                     0.04273164f,  0.12934483f,  0.21961274f,  0.31675666f,  //
                                     0.42563882f,  0.55496234f,  0.72424863f,  1.0f};
};

}  // namespace qfmt::inline v0
