// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Vectors that bitsandbytes publishes by its kernels' rules (bitsandbytes.md 1.8 and 2.1).
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/buffers.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::FP4, qfmt::Int8, qfmt::NF4,
    qfmt::RowWise, qfmt::Scheme;

namespace {

/// Codes of (i - 32) / 32 * factor, i = 0..63, one hexadecimal digit each.
template <class F, class T>
std::string digits_of_ramp(float factor) {
  std::vector<T> values;
  for (int i = 0; i < 64; ++i)
    values.push_back(nearest<T>(static_cast<float>(i - 32) / 32 * factor));
  Buffers<Scheme<Format<F>>> out(64);
  REQUIRE(qfmt::host::quantize(values, out.view()));
  REQUIRE(out.scales.size() == 1);
  REQUIRE(out.scales[0] == factor);
  REQUIRE(out.guards_intact());
  std::string digits;
  for (size_t i = 0; i < 32; ++i) digits += hex(out.codes[i]).substr(6);
  return digits;
}

}  // namespace

TEMPLATE_TEST_CASE("Golden ramps", "[host][golden]", float, qfmt::float16, qfmt::bfloat16) {
  auto const nf4 = "000001111111122222333344455566677788999AAABBBCCCCDDDDEEEEEEEFFFF";
  auto const fp4 = "BBBBBBAAAAAAAADDDDDCCCCFFFEEEE9901166667774444555552222222233333";
  REQUIRE(digits_of_ramp<NF4, TestType>(1.f) == nf4);
  REQUIRE(digits_of_ramp<FP4, TestType>(1.f) == fp4);
  REQUIRE(digits_of_ramp<NF4, TestType>(0.75f) == nf4);
}

TEST_CASE("Golden ties of the 8-bit map go to the even code", "[host][golden]") {
  auto const level = [](uint32_t bits) { return reference::as_float(bits); };
  float const c128 = level(0x3513A3B7);
  std::vector<float> const values{1.f, -c128 / 2, c128 / 2, 0.f, -0.f, -1.f};
  Buffers<Scheme<Format<Dynamic8>, BlockSize<256>>> out(6);
  REQUIRE(qfmt::host::quantize(values, out.view()));
  REQUIRE(compare("codes", out.codes, {255, 126, 128, 127, 127, 0}) == "");
}

TEST_CASE("Golden row of LLM.int8()", "[host][golden]") {
  std::vector<float> const values{1.f, .5f, -.5f, .25f, .125f, -.75f, .00390625f, .01171875f};
  Buffers<Scheme<Format<Int8>, RowWise>> out(8, 8);
  REQUIRE(qfmt::host::quantize(values, out.view()));
  REQUIRE(out.scales[0] == 1.f);
  std::vector<int> codes;
  for (size_t i = 0; i < 8; ++i) codes.push_back(static_cast<int8_t>(out.codes[i]));
  REQUIRE(codes == std::vector<int>{127, 64, -64, 32, 16, -95, 0, 1});
}

TEST_CASE("Edges: zero blocks, odd ends, sign of zero", "[host][golden]") {
  auto const codes_of = [](auto scheme, std::vector<float> const& values) {
    using S = decltype(scheme);
    Buffers<S> out(static_cast<int64_t>(values.size()));
    REQUIRE(qfmt::host::quantize(values, out.view()));
    return std::vector<uint8_t>(out.codes.data(), out.codes.data() + out.codes.size());
  };
  using Bytes = std::vector<uint8_t>;
  REQUIRE(codes_of(Scheme<Format<NF4>>{}, {0.f, 0.f, 0.f}) == Bytes{0x77, 0x77});
  REQUIRE(codes_of(Scheme<Format<FP4>>{}, {0.f, -0.f, 0.f}) == Bytes{0x00, 0x00});
  REQUIRE(codes_of(Scheme<Format<Int8>>{}, {0.f, -0.f}) == Bytes{0, 0});
  REQUIRE(codes_of(Scheme<Format<Dynamic8>>{}, {0.f, -0.f}) == Bytes{127, 127});
  REQUIRE(codes_of(Scheme<Format<NF4>>{}, {1.f, -1.f, 1.f}) == Bytes{0xF0, 0xF7});
  REQUIRE(codes_of(Scheme<Format<FP4>>{}, {1.f, -1.f, 1.f}) == Bytes{0x3B, 0x30});
  // A negative value too small for the lowest level keeps its sign (code 8); -0 does not.
  REQUIRE(codes_of(Scheme<Format<FP4>>{}, {1.f, -0.001f, -0.f, 0.001f}) == Bytes{0x38, 0x00});
  // A block of the smallest subnormal and one of the largest float keep their values.
  for (float const peak : {1e-45f, 3.4028235e38f}) {
    REQUIRE(codes_of(Scheme<Format<NF4>>{}, {peak, -peak, 0.f}) == Bytes{0xF0, 0x77});
    REQUIRE(codes_of(Scheme<Format<Int8>>{}, {peak, -peak, 0.f}) == Bytes{127, 0x81, 0});
    REQUIRE(codes_of(Scheme<Format<Dynamic8>>{}, {peak, -peak, 0.f}) == Bytes{255, 0, 127});
  }
}
