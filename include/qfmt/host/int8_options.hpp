// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/options.hpp"

namespace qfmt::inline v0::host {

struct Int8Options {
  SimdLevel simd = SimdLevel::best;
};

}  // namespace qfmt::inline v0::host
