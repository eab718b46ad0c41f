// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/af4.hpp"

#include "qfmt/codec/encode.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

TEST_CASE("AbnormalFloat4: a level is the median of the values that take it", "[format]") {
  using qfmt::AbnormalFloat4;
  STATIC_CHECK(qfmt::round_trips<AbnormalFloat4>());
  STATIC_CHECK(qfmt::zero_code<AbnormalFloat4> == 7);
  STATIC_CHECK(
      (AbnormalFloat4::codebook.level[0] == -1.f && AbnormalFloat4::codebook.level[15] == 1.f));
  // Normal values in blocks of 64, relative to the largest of each. Not so: the ends and zero,
  // which are set, and zero's neighbours.
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> taken[16];
  for (int block = 0; block < 8000; ++block) {
    double x[64], absmax = 0;
    for (double& v : x) absmax = std::max(absmax, std::fabs(v = normal(random)));
    for (double const v : x)
      taken[qfmt::encode<AbnormalFloat4>(static_cast<float>(v / absmax))].push_back(v / absmax);
  }
  for (std::size_t c = 1; c < 15; ++c) {
    if (c >= 6 && c <= 8) continue;
    auto const middle = taken[c].begin() + static_cast<std::ptrdiff_t>(taken[c].size() / 2);
    std::nth_element(taken[c].begin(), middle, taken[c].end());
    INFO("code " << c);
    CHECK(std::fabs(*middle - double{AbnormalFloat4::codebook.level[c]}) < 0.003);
  }
}
