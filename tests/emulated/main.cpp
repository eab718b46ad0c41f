// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/host/simd/level.hpp"

#include <catch2/catch_test_macros.hpp>

/// Runs all cases but the long ones, of which each compares NEON with the scalar codec.
int main() {
  using qfmt::SimdLevel;
  bool const is_neon = qfmt::host::simd_level(SimdLevel::neon) == SimdLevel::neon;
  if (!is_neon) return std::printf("no NEON here: nothing to compare\n"), 2;
  for (emulated::Case const& c : emulated::cases()) {
    if (std::strstr(c.tags, "[.]") != nullptr) continue;
    std::printf("%s\n", c.name);
    std::fflush(stdout);
    c.run();
  }
  std::printf("all passed: %ld checks in %zu cases\n", emulated::checked, emulated::cases().size());
}
