// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The dynamic maps are bitsandbytes' to the bit: the published words, the published digests, and
// the construction written again with the C library's fma.
#include "qfmt/format/dynamic8.hpp"

#include "support/published_dynamic8.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>
#include <vector>

#include "format/sha256.hpp"

namespace {

using namespace qfmt;

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// bitsandbytes' create_dynamic_map: in decade i the means of neighbours on a grid from 0.1 to 1,
/// scaled by 10^(i - 6); their negatives, if signed; 0 and 1.
std::vector<float> construct(bool is_signed) {
  std::vector<float> map{0.f, 1.f};
  for (int i = 0; i < 7; ++i) {
    int const n = 1 << (is_signed ? i : i + 1);
    float const step = (1.f - 0.1f) / static_cast<float>(n);
    std::vector<float> grid;
    for (int j = 0; j <= n; ++j)
      grid.push_back(j < (n + 1) / 2 ? std::fma(step, static_cast<float>(j), 0.1f)
                                     : std::fma(-step, static_cast<float>(n - j), 1.f));
    auto const power = static_cast<float>(std::pow(10.0, i - 6));
    for (std::size_t j = 0; j + 1 < grid.size(); ++j) {
      float const mean = (grid[j] + grid[j + 1]) / 2.f;
      map.push_back(mean * power);
      if (is_signed) map.push_back(-(mean * power));
    }
  }
  std::sort(map.begin(), map.end());
  return map;
}

template <class F>
std::string digest() {
  std::vector<std::uint8_t> bytes;  // little-endian, as files store them
  for (float const level : F::codebook.level)
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(bits(level) >> shift));
  return sha256::hex(bytes);
}

template <class F>
int differences_from(std::vector<float> const& map) {
  if (map.size() != 256) return 256;
  int differences = 0;
  for (std::size_t c = 0; c < 256; ++c) differences += bits(F::codebook.level[c]) != bits(map[c]);
  return differences;
}

}  // namespace

TEST_CASE("Dynamic8 is the published map and its mirror", "[format]") {
  CHECK(Dynamic8::name == std::string_view("dynamic8"));
  CHECK(Dynamic8::codebook.bits == 8);
  CHECK(Dynamic8::codebook.count == 256);
  auto const& level = Dynamic8::codebook.level;
  CHECK(bits(level[127]) == 0u);
  for (std::size_t k = 0; k < 128; ++k) {
    INFO("entry " << 128 + k);
    CHECK(bits(level[128 + k]) == published_upper_half[k]);
    if (k < 127) CHECK(bits(level[126 - k]) == (published_upper_half[k] | 0x80000000u));
  }
}

TEST_CASE("the maps have the published digests", "[format]") {
  CHECK(digest<Dynamic8>() == "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c");
  CHECK(digest<UnsignedDynamic8>() ==
        "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398");
}

TEST_CASE("the maps are what the construction with fma gives", "[format]") {
  CHECK(differences_from<Dynamic8>(construct(true)) == 0);
  CHECK(differences_from<UnsignedDynamic8>(construct(false)) == 0);
  CHECK(differences_from<UnsignedDynamic8>(construct(true)) > 200);  // the count can count
}

TEST_CASE("UnsignedDynamic8 begins at +0, ends at 1 and rises", "[format]") {
  CHECK(UnsignedDynamic8::name == std::string_view("unsigned_dynamic8"));
  CHECK(UnsignedDynamic8::codebook.count == 256);
  auto const& level = UnsignedDynamic8::codebook.level;
  CHECK(bits(level[0]) == 0u);
  CHECK(level[255] == 1.f);
  CHECK(std::adjacent_find(level, level + 256, std::greater_equal<>{}) == level + 256);
}

TEST_CASE("the digest is SHA-256", "[format]") {
  auto const of = [](std::string_view text) {
    return sha256::hex(std::vector<std::uint8_t>(text.begin(), text.end()));
  };
  CHECK(of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
