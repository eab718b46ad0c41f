// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// NF4, FP4 and Int8 by name, by table and in the 16-bit types that bitsandbytes rounds them to.
#include "qfmt/codec/decode.hpp"
#include "qfmt/codec/encode.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <string_view>

namespace {

using namespace qfmt;

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

}  // namespace

TEST_CASE("NF4 is the published table", "[format]") {
  CHECK(NF4::name == std::string_view("nf4"));
  CHECK(bits_of<NF4> == 4);
  CHECK(NF4::codebook.count == 16);
  constexpr std::array<std::uint16_t, 16> published_bfloat16{
      0xBF80, 0xBF32, 0xBF06, 0xBECA, 0xBE92, 0xBE3D, 0xBDBA, 0x0000,
      0x3DA3, 0x3E25, 0x3E7C, 0x3EAD, 0x3EE2, 0x3F10, 0x3F39, 0x3F80};
  constexpr std::array<std::uint16_t, 16> published_float16{
      0xBC00, 0xB992, 0xB833, 0xB652, 0xB48D, 0xB1EA, 0xADD4, 0x0000,
      0x2D18, 0x3126, 0x33E0, 0x3568, 0x370D, 0x3880, 0x39C9, 0x3C00};
  for (std::size_t c = 0; c < 16; ++c) {
    INFO("code " << c);
    float const level = NF4::codebook.level[c];
    CHECK(bits(level) == oracle::nf4_levels[c]);
    CHECK(bfloat16(level).bits == published_bfloat16[c]);
    CHECK(float16(level).bits == published_float16[c]);
    CHECK(bits(decode<NF4>(static_cast<std::uint8_t>(c), 1.f)) == oracle::nf4_levels[c]);
  }
}

TEST_CASE("NF4's decision points are bitsandbytes' literals, not the midpoints", "[format]") {
  for (std::size_t i = 0; i < 15; ++i) {
    INFO("between " << i << " and " << i + 1);
    CHECK(bits(NF4::thresholds[i]) == oracle::nf4_thresholds[i]);
    float const midpoint = (NF4::codebook.level[i] + NF4::codebook.level[i + 1]) / 2.f;
    bool const one_off = i == 0 || i == 8 || i == 12 || i == 14;
    CHECK((bits(midpoint) != oracle::nf4_thresholds[i]) == one_off);
  }
}

TEST_CASE("FP4 is the published table", "[format]") {
  CHECK(FP4::name == std::string_view("fp4"));
  CHECK(bits_of<FP4> == 4);
  CHECK(FP4::codebook.count == 16);
  constexpr std::array<std::uint16_t, 8> published_bfloat16{0x0000, 0x3BAB, 0x3F2B, 0x3F80,
                                                            0x3EAB, 0x3F00, 0x3E2B, 0x3E80};
  constexpr std::array<std::uint16_t, 8> published_float16{0x0000, 0x1D55, 0x3955, 0x3C00,
                                                           0x3555, 0x3800, 0x3155, 0x3400};
  for (std::size_t c = 0; c < 16; ++c) {
    INFO("code " << c);
    float const level = FP4::codebook.level[c];
    std::uint32_t const sign = c < 8 ? 0 : 1;
    CHECK(bits(level) == (oracle::fp4_magnitudes[c % 8] | sign << 31));
    CHECK(bfloat16(level).bits == (published_bfloat16[c % 8] | sign << 15));
    CHECK(float16(level).bits == (published_float16[c % 8] | sign << 15));
  }
}

TEST_CASE("FP4's magnitudes are twelfths", "[format]") {
  constexpr std::array<double, 8> twelfths{0, 0.0625, 8, 12, 4, 6, 2, 3};
  for (std::size_t c = 0; c < 8; ++c)
    CHECK(FP4::codebook.level[c] == static_cast<float>(twelfths[c] / 12.0));
}

TEST_CASE("Int8 holds -127 to 127 and decodes by 1/127", "[format]") {
  CHECK(Int8::name == std::string_view("int8"));
  CHECK(bits_of<Int8> == 8);
  CHECK(bits(Int8::decode(1, 1.f)) == 0x3C010204u);
  CHECK(Int8::decode(127, 1.f) == 1.f);
  CHECK(Int8::decode(0x81, 1.f) == -1.f);
  CHECK(Int8::decode(0, 3.f) == 0.f);
}

TEST_CASE("Int8 gives bitsandbytes' row", "[format]") {
  // bitsandbytes.md 2.1
  constexpr std::array<float, 8> row{1.f, .5f, -.5f, .25f, .125f, -.75f, .00390625f, .01171875f};
  constexpr std::array<int, 8> codes{127, 64, -64, 32, 16, -95, 0, 1};
  for (std::size_t i = 0; i < row.size(); ++i)
    CHECK(static_cast<std::int8_t>(encode<Int8>(row[i], 1.f)) == codes[i]);
}

TEST_CASE("every stored level comes back as itself", "[format]") {
  STATIC_CHECK(round_trips<NF4>());
  STATIC_CHECK(round_trips<FP4>());
  STATIC_CHECK(round_trips<Dynamic8>());
  STATIC_CHECK(round_trips<UnsignedDynamic8>());
  for (int q = -127; q <= 127; ++q) {
    float const x = static_cast<float>(q) / 127.f;
    CHECK(static_cast<std::int8_t>(encode<Int8>(x, 1.f)) == q);
  }
}
