// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/options.hpp"

namespace qfmt::inline v0::host {

/// What an int8 matmul may be told.
struct Int8Options {
  SimdLevel simd = SimdLevel::best;  ///< the most that may be used
};

}  // namespace qfmt::inline v0::host
