// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/fp8.hpp"

#include "support/every_input.hpp"

#include <catch2/catch_template_test_macros.hpp>

namespace {
using namespace qfmt;
constexpr small_floats::Layout e4m3{4, 3, 7, 0x7E, false};
constexpr small_floats::Layout e5m2{5, 2, 15, 0x7B, true};

/// absmax / largest, the least float at least.
template <int largest>
constexpr auto quotient = [](double absmax, auto const&, std::int64_t) {
  float const scale = static_cast<float>(absmax) / static_cast<float>(largest);
  return scale == 0.f && absmax > 0 ? 0x1p-149f : scale;
};
}  // namespace

TEMPLATE_TEST_CASE("FP8: every 16-bit value, f32 scales", "[format]", float16, bfloat16) {
  STATIC_CHECK(std::same_as<Scheme<Format<FP8E4M3>>,
                            Scheme<Format<FP8E4M3>, BlockSize<128>, DoubleQuant<false>>>);
  every_input::check<Scheme<Format<FP8E4M3>, BlockSize<16>>, TestType>(e4m3, quotient<448>);
  every_input::check<Scheme<Format<FP8E5M2>, BlockSize<16>>, TestType>(e5m2, quotient<57344>);
}

TEST_CASE("MXFP8: powers of two by the OCP rule", "[format]") {
  auto const power = [](int most) {
    return [most](double absmax, auto const&, std::int64_t) {
      int const exponent = absmax == 0 ? -127 : std::max(-127, std::ilogb(absmax) - most);
      return static_cast<float>(std::ldexp(1.0, exponent));
    };
  };
  every_input::check<Scheme<Format<FP8E4M3>, BlockSize<16>, ScaleType<E8M0>>, bfloat16>(e4m3,
                                                                                        power(8));
  every_input::check<Scheme<Format<FP8E5M2>, BlockSize<16>, ScaleType<E8M0>>, float16>(e5m2,
                                                                                       power(15));
}

TEST_CASE("FP8: one scale a row, and nested scales", "[format]") {
  std::vector<float> values(3 * 256);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i)) * static_cast<float>(1 + i / 256);
  auto const error_of = [&](auto scheme) {
    QuantizedTensor<decltype(scheme)> tensor(3, 256);
    REQUIRE(host::quantize(values, tensor.span()));
    std::vector<float> out(values.size());
    REQUIRE(host::dequantize(tensor.span(), out));
    double error = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      error = std::max(error, std::fabs(double{out[i]} - values[i]));
    return error;
  };
  CHECK(error_of(Scheme<Format<FP8E4M3>, RowWise>{}) < 3.0 / 16 / 1.5);
  CHECK(error_of(Scheme<Format<FP8E4M3>, DoubleQuant<true>>{}) < 3.0 / 16 / 1.5);
}
