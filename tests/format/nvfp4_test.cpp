// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/nvfp4.hpp"

#include "support/every_input.hpp"

#include <catch2/catch_template_test_macros.hpp>

#include <algorithm>

namespace {
using namespace qfmt;
using S = Scheme<Format<NVFP4>>;
constexpr small_floats::Layout e2m1{2, 1, 1, 7, false};
constexpr small_floats::Layout e4m3{4, 3, 7, 0x7E, false};
}  // namespace

TEST_CASE("NVFP4: the scheme of existing checkpoints", "[format]") {
  STATIC_CHECK(
      std::same_as<S, Scheme<TensorScale<true>, ScaleType<E4M3>, BlockSize<16>, Format<NVFP4>>>);
  STATIC_CHECK(S::has_tensor_scale);
  STATIC_CHECK_FALSE(std::same_as<S, Scheme<TensorScale<false>, Format<NVFP4>>>);
}

TEMPLATE_TEST_CASE("NVFP4: every 16-bit value, two scales", "[format]", float16, bfloat16) {
  every_input::check<S, TestType>(e2m1, [](double absmax, auto const& scales, std::int64_t) {
    float const top =
        sizeof(TestType) == 2 && std::same_as<TestType, float16> ? 65504.f : 0x1.fep127f;
    float const whole = top / 2688.f;
    REQUIRE(*scales.tensor_scale == whole);
    float const one = static_cast<float>(absmax) / 6.f / whole;
    int const code = std::max(small_floats::nearest(e4m3, one), absmax > 0 ? 1 : 0);
    return static_cast<float>(small_floats::value(e4m3, code)) * whole;
  });
}

TEST_CASE("NVFP4: every code under every scale, two roundings", "[format]") {
  for (float tensor_scale : {1.f, 0.0123f, 3e-5f, 7777.7f})
    for (int scale = 0; scale < 256; ++scale)
      for (int code = 0; code < 16; ++code) {
        auto byte = static_cast<std::uint8_t>(code << 4);
        auto stored = static_cast<std::uint8_t>(scale);
        float const value = decode_at(QuantizedSpan<S>{&byte, {&stored, &tensor_scale}, 1}, 0);
        auto const together = static_cast<float>(small_floats::value(e4m3, scale) * tensor_scale);
        auto const expected = static_cast<float>(small_floats::value(e2m1, code) * together);
        INFO("scale " << scale << " code " << code);
        CHECK((value == expected || (value != value && expected != expected)));
      }
}
