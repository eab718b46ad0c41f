// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Format<F>: every level of F::codebook must be finite
#include "qfmt/qfmt.hpp"

struct Broken {
  static constexpr auto name = "broken";
#ifdef GOOD
  static constexpr qfmt::Codebook codebook{-1.f, 0.f, 1.f};
#else
  static constexpr qfmt::Codebook codebook{-1.f, __builtin_nanf(""), 1.f};
#endif
};

int bits() { return qfmt::Scheme<qfmt::Format<Broken>>::bits; }
