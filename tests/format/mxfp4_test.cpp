// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/mxfp4.hpp"

#include "support/every_input.hpp"

#include <catch2/catch_template_test_macros.hpp>

namespace {
using namespace qfmt;
using S = Scheme<Format<MXFP4>>;
constexpr small_floats::Layout e2m1{2, 1, 1, 7, false};
}  // namespace

TEST_CASE("MXFP4: the scheme that the OCP standard names", "[format]") {
  STATIC_CHECK(std::same_as<S, Scheme<ScaleType<E8M0>, BlockSize<32>, Format<MXFP4>>>);
  STATIC_CHECK(S::bits == 4);
  STATIC_CHECK((S::is_typed && !S::has_tensor_scale && !S::has_zero_point));
}

TEMPLATE_TEST_CASE("MXFP4: every 16-bit value, scale by the OCP rule", "[format]", float16,
                   bfloat16) {
  every_input::check<S, TestType>(e2m1, [](double absmax, auto const&, std::int64_t) {
    int const exponent = absmax == 0 ? -127 : std::max(-127, std::ilogb(absmax) - 2);
    return static_cast<float>(std::ldexp(1.0, exponent));
  });
}

TEST_CASE("MXFP4: every code under every scale", "[format]") {
  for (int scale = 0; scale < 256; ++scale)
    for (int code = 0; code < 16; ++code) {
      auto byte = static_cast<std::uint8_t>(code << 4);
      auto stored = static_cast<std::uint8_t>(scale);
      float const value = decode_at(QuantizedSpan<S>{&byte, {&stored}, 1}, 0);
      INFO("scale " << scale << " code " << code);
      if (scale == 255) {
        CHECK(value != value);
      } else {
        CHECK(value ==
              static_cast<float>(small_floats::value(e2m1, code) * std::ldexp(1.0, scale - 127)));
      }
    }
}
