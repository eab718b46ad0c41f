// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuzz {

/// Ends the run as a crash where a promise is broken.
inline void require(bool kept) {
  if (!kept) __builtin_trap();
}

}  // namespace fuzz
