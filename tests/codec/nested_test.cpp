// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/codec/nested.hpp"

#include "support/oracle.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace qfmt;

/// DESIGN's words: each group of 256 by a fixed binary tree with missing = 0, the group sums again
/// in groups of 256, and so on.
double sum_in_groups(std::vector<double> terms) {
  while (terms.size() > 1) {
    std::vector<double> next;
    for (std::size_t begin = 0; begin < terms.size(); begin += 256) {
      std::vector<double> group(256, 0.0);
      std::copy(terms.begin() + static_cast<std::ptrdiff_t>(begin),
                terms.begin() + static_cast<std::ptrdiff_t>(std::min(begin + 256, terms.size())),
                group.begin());
      while (group.size() > 1) {
        std::vector<double> pairs;
        for (std::size_t i = 0; i < group.size(); i += 2) pairs.push_back(group[i] + group[i + 1]);
        group = pairs;
      }
      next.push_back(group[0]);
    }
    terms = next;
  }
  return terms.empty() ? 0.0 : terms[0];
}

std::vector<float> random_scales(std::size_t count, unsigned seed, bool with_holes) {
  std::mt19937 random(seed);
  std::vector<float> scales(count);
  for (float& s : scales) {
    s = std::ldexp(1.f + static_cast<float>(random() % 8388608u) / 8388608.f,
                   static_cast<int>(random() % 60u) - 30);
    if (with_holes && random() % 10 == 0) s = std::bit_cast<float>(canonical_nan_bits);
  }
  return scales;
}

}  // namespace

TEST_CASE("the offset is the tree's sum over the count of finite scales", "[codec]") {
  int order_matters = 0;
  for (std::size_t const count : {0, 1, 2, 3, 255, 256, 257, 1000, 65535, 65536, 65537, 200000}) {
    for (bool const holes : {false, true}) {
      auto const scales = random_scales(count, static_cast<unsigned>(count) + holes, holes);
      std::vector<double> terms;
      std::int64_t finite = 0;
      double in_sequence = 0.0;
      ScaleSumTree tree;
      for (float const s : scales) {
        tree.append(ScaleSum::of(s));
        terms.push_back(std::isfinite(s) ? static_cast<double>(s) : 0.0);
        finite += std::isfinite(s);
        in_sequence += terms.back();
      }
      ScaleSum const total = tree.total();
      INFO("count " << count);
      CHECK(total.count == finite);
      CHECK(total.sum == sum_in_groups(terms));
      order_matters += in_sequence != total.sum;
      double const mean = finite == 0 ? 0.0 : sum_in_groups(terms) / static_cast<double>(finite);
      CHECK(oracle::same(total.mean(), static_cast<float>(mean)));
    }
  }
  CHECK(order_matters > 0);  // the data can tell one order from another
}

TEST_CASE("sums of runs of a power of two of scales make up the same tree", "[codec]") {
  auto const scales = random_scales(100003, 5, true);
  ScaleSumTree whole;
  for (float const s : scales) whole.append(ScaleSum::of(s));
  for (int const height : {0, 1, 4, 8, 11, 16, 17}) {
    ScaleSumTree of_runs;
    std::size_t const run = std::size_t{1} << height;
    for (std::size_t begin = 0; begin < scales.size(); begin += run) {
      ScaleSumTree part;
      for (std::size_t i = begin; i < std::min(begin + run, scales.size()); ++i)
        part.append(ScaleSum::of(scales[i]));
      of_runs.append(part.total(), height);
    }
    INFO("height " << height);
    CHECK(std::bit_cast<std::uint64_t>(of_runs.total().sum) ==
          std::bit_cast<std::uint64_t>(whole.total().sum));
    CHECK(of_runs.total().count == whole.total().count);
  }
}

TEST_CASE("a group's scales are Dynamic8 codes of what is left after the offset", "[codec]") {
  std::array<float, 256> levels{};
  std::copy_n(Dynamic8::codebook.level, 256, levels.begin());
  oracle::MapEncoder const nearest(levels);
  for (std::int64_t const count : {1, 5, 256, 300, 1000}) {
    auto const scales = random_scales(static_cast<std::size_t>(count), 11, false);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(count), 0xEE);
    std::vector<float> absmax2(static_cast<std::size_t>((count + 255) / 256), -1.f);
    float const offset = 0.0123f;
    QuantizedSpan<AbsmaxScheme> const out{codes.data(), {absmax2.data()}, count};
    encode_scales(scales.data(), 0, count, offset, out);
    for (std::int64_t group = 0; group < count; group += 256) {
      std::int64_t const end = std::min(count, group + 256);
      float most = 0.f;
      for (std::int64_t i = group; i < end; ++i) {
        float volatile const d = scales[static_cast<std::size_t>(i)] - offset;
        most = std::max(most, std::fabs(static_cast<float>(d)));
      }
      REQUIRE(absmax2[static_cast<std::size_t>(group / 256)] == most);
      float volatile const reciprocal = 1.f / most;
      for (std::int64_t i = group; i < end; ++i) {
        float volatile const d = scales[static_cast<std::size_t>(i)] - offset;
        float volatile const t = d * reciprocal;
        REQUIRE(codes[static_cast<std::size_t>(i)] == nearest(t));
      }
    }
  }
}

TEST_CASE("one bad scale spoils its group of 256 and no other", "[codec]") {
  auto scales = random_scales(1024, 13, false);
  std::vector<std::uint8_t> clean(1024), spoilt(1024);
  std::vector<float> clean2(4), spoilt2(4);
  encode_scales(scales.data(), 0, 1024, 0.01f, {clean.data(), {clean2.data()}, 1024});
  scales[300] = std::numeric_limits<float>::infinity();
  encode_scales(scales.data(), 0, 1024, 0.01f, {spoilt.data(), {spoilt2.data()}, 1024});
  for (std::size_t group : {0u, 2u, 3u}) {
    CHECK(clean2[group] == spoilt2[group]);
    CHECK(std::memcmp(&clean[group * 256], &spoilt[group * 256], 256) == 0);
  }
  CHECK(float_bits(spoilt2[1]) == canonical_nan_bits);
}
