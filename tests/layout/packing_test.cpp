// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/layout/packing.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstdint>
#include <limits>

namespace {

using namespace qfmt;

using Nibbles = Scheme<Format<NF4>>;
using Bytes = Scheme<Format<Int8>, BlockSize<4096>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Nested16 = Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>;

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t beyond_32_bits = (std::int64_t{1} << 32) + 12345;

}  // namespace

TEST_CASE("the first of two codes is in the high nibble", "[layout]") {
  constexpr std::array<std::uint8_t, 3> bytes{0x1F, 0xA0, 0x7C};
  constexpr std::array<int, 6> nibbles{0x1, 0xF, 0xA, 0x0, 0x7, 0xC};
  for (int i = 0; i < 6; ++i) CHECK(code_at<4>(bytes.data(), i) == nibbles[std::size_t(i)]);
  for (int i = 0; i < 3; ++i) CHECK(code_at<8>(bytes.data(), i) == bytes[std::size_t(i)]);
  STATIC_CHECK(code_at<4>(bytes.data(), 4) == 7);
}

TEST_CASE("bytes of codes, counted one by one", "[layout]") {
  std::int64_t nibbles = 0, bytes = 0;
  for (std::int64_t size = 0; size < 10000; ++size) {
    REQUIRE(codes_bytes<Nibbles>(size) == nibbles);
    REQUIRE(codes_bytes<Nested16>(size) == nibbles);
    REQUIRE(codes_bytes<Bytes>(size) == bytes);
    REQUIRE(codes_bytes<Rows>(size) == bytes);
    nibbles += size % 2 == 0;  // value `size` opens a byte if it is even
    ++bytes;
  }
}

TEST_CASE("scales, counted one by one", "[layout]") {
  std::int64_t of_16 = 0, of_64 = 0, of_4096 = 0, of_rows = 0;
  for (std::int64_t size = 0; size < 10000; ++size) {
    REQUIRE(block_count<Nested16>(size) == of_16);
    REQUIRE(block_count<Nibbles>(size) == of_64);
    REQUIRE(block_count<Bytes>(size) == of_4096);
    REQUIRE(block_count<Rows>(size, 77) == of_rows);
    of_16 += size % 16 == 0;  // value `size` opens a block
    of_64 += size % 64 == 0;
    of_4096 += size % 4096 == 0;
    of_rows += size % 77 == 0;
  }
  CHECK(block_count<Rows>(0, 0) == 0);
}

TEST_CASE("sizes beyond 32 bits, up to the largest", "[layout]") {
  STATIC_CHECK(codes_bytes<Nibbles>(beyond_32_bits) == 2147489821);
  STATIC_CHECK(codes_bytes<Bytes>(beyond_32_bits) == 4294979641);
  STATIC_CHECK(block_count<Nibbles>(beyond_32_bits) == 67109057);
  STATIC_CHECK(block_count<Nested16>(beyond_32_bits) == 268436228);
  STATIC_CHECK(block_count<Rows>(beyond_32_bits, std::int64_t{1} << 31) == 3);
  STATIC_CHECK(codes_bytes<Nibbles>(most) == std::int64_t{1} << 62);
  STATIC_CHECK(codes_bytes<Bytes>(most) == most);
  STATIC_CHECK(block_count<Nibbles>(most) == std::int64_t{1} << 57);
  STATIC_CHECK(block_count<Rows>(most, most) == 1);
  STATIC_CHECK(ceil_div(most, 2) == std::int64_t{1} << 62);
  STATIC_CHECK(ceil_div(most, 1) == most);
  STATIC_CHECK(ceil_div(0, 7) == 0);
}
