// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/nf3.hpp"

#include "qfmt/codec/encode.hpp"
#include "support/normal_float.hpp"

#include <catch2/catch_test_macros.hpp>

TEST_CASE("NF3: quantiles of the normal distribution", "[format]") {
  using qfmt::NF3;
  STATIC_CHECK(qfmt::round_trips<NF3>());
  STATIC_CHECK(qfmt::zero_code<NF3> == 3);
  STATIC_CHECK(NF3::codebook.count == 8);
  auto const expected = normal_float::levels(3);
  for (std::size_t c = 0; c < expected.size(); ++c)
    CHECK(std::fabs(double{NF3::codebook.level[c]} - expected[c]) < 1e-7);
}
