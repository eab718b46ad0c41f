// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Codebook: a list of 2 to 256 levels
#include "qfmt/qfmt.hpp"

struct Long {
  static constexpr auto name = "long";
#ifdef GOOD
  static constexpr float levels[256]{};
#else
  static constexpr float levels[257]{};
#endif
  static constexpr qfmt::Codebook codebook{levels};
};

int bits() { return qfmt::Scheme<qfmt::Format<Long>>::bits; }
