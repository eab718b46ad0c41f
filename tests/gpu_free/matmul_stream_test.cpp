// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdio>

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {
using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
constexpr double before_rounding = 0.9e-3;
}  // namespace

TEST_CASE("nf4 by the streaming kernel: error before rounding", "[matmul]") {
  Weights<Plain> const plain(64, 1024, 1);
  for (int64_t const m : {1, 8, 16, 33}) {
    double const e = error_before_rounding<Plain, bfloat16>(plain, plain.matrix(), m);
    std::printf("m %d %g\n", int(m), e);
    CHECK(e < before_rounding);
  }
  Weights<Nested> const nested(40, 1024, 2);
  double const e = error_before_rounding<Nested, bfloat16>(nested, nested.matrix(), 3);
  std::printf("nested %g\n", e);
  CHECK(e < before_rounding);
}
