// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: constraints not satisfied
// expect-gcc: FormatSpec
// expect-clang: constraints not satisfied for class template 'Format'
// expect-clang: does not satisfy 'FormatSpec'
// expect-nvcc: template constraint not satisfied
#include "qfmt/qfmt.hpp"

using namespace qfmt;

struct Meaningless {
  static constexpr auto name = "meaningless";
};

#ifdef GOOD
using S = Scheme<Format<NF4>>;
#else
using S = Scheme<Format<Meaningless>>;
#endif

int bits() { return S::bits; }
