// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/nf2.hpp"

#include "qfmt/codec/encode.hpp"
#include "support/normal_float.hpp"

#include <catch2/catch_test_macros.hpp>

TEST_CASE("NF2: quantiles of the normal distribution", "[format]") {
  using qfmt::NF2;
  STATIC_CHECK(qfmt::round_trips<NF2>());
  STATIC_CHECK(qfmt::zero_code<NF2> == 1);
  STATIC_CHECK(NF2::codebook.count == 4);
  auto const expected = normal_float::levels(2);
  for (std::size_t c = 0; c < expected.size(); ++c)
    CHECK(std::fabs(double{NF2::codebook.level[c]} - expected[c]) < 1e-7);
}
