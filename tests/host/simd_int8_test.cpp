// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() at every SIMD level, on AArch64 by emulation: sums exact, every output bit that of the
// second statement of the rules.
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/int8_cases.hpp"

using namespace int8_cases;

namespace {
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEST_CASE("int8: an outlier in one row clears its column in every row", "[host][int8]") {
  for (std::int64_t const k : {1, 31, 32, 33, 64, 499}) {
    std::vector<bfloat16> x =
        simd_test::normal_values<bfloat16>(static_cast<std::size_t>(k) * 300, 3);
    at(x, 7 * k) = bfloat16(60.f);
    at(x, 299 * k + k - 1) = bfloat16(-6.f);  // as large as the threshold
    at(x, 5 * k + k / 2) = bfloat16(not_a_number);
    check_quantization(x, 300, k, 6.f);
    check_quantization(x, 300, k, inf);
    check_quantization(x, 300, k, 0.f);  // row 5 is NaN throughout
  }
}

TEST_CASE("int8: sums of products of codes are exact", "[host][int8]") {
  std::mt19937 random(4);
  for (SimdLevel const level : all_levels())
    host::simd::with_int8_dots(level, [&]<class Kernel>(Kernel) {
      constexpr int m = Kernel::rows_of_x, n = Kernel::template rows_of_weights<m>;
      std::vector<std::int64_t> counts{1, 15, 31, 32, 33, 63, 64, 65, 127, 499, 4095};
      counts.push_back(int8_sum_cols);
      for (std::int64_t const count : counts)
        for (int const extreme : {-128, 127, 0}) {  // 0: random
          std::int64_t const stride = count + 3;
          std::vector<unsigned char> w(static_cast<std::size_t>(n * stride)),
              x(static_cast<std::size_t>(m * stride));
          auto const code = [&](int low) {
            return static_cast<unsigned char>(
                static_cast<int>(random() % static_cast<unsigned>(128 - low)) + low);
          };
          for (auto& c : w) c = extreme != 0 ? static_cast<unsigned char>(extreme) : code(-128);
          for (auto& c : x) c = extreme != 0 ? static_cast<unsigned char>(-127) : code(-127);
          std::vector<std::int32_t> prepared, out(static_cast<std::size_t>(n * m));
          for (int j = 0; j < m; ++j)
            prepared.push_back(Kernel::prepare(x.data() + j * stride, count));
          Kernel::template dots<n, m>(w.data(), stride, x.data(), stride, count, prepared.data(),
                                      out.data());
          for (int i = 0; i < n; ++i)
            for (int j = 0; j < m; ++j) {
              std::int64_t sum = 0;
              for (std::int64_t c = 0; c < count; ++c)
                sum += std::int64_t{static_cast<signed char>(at(w, i * stride + c))} *
                       static_cast<signed char>(at(x, j * stride + c));
              CAPTURE(level, count, extreme, i, j);
              REQUIRE(at(out, i * m + j) == sum);
            }
        }
    });
}

TEMPLATE_TEST_CASE("int8: a product has the documented bits at every level", "[host][int8]", float,
                   float16, bfloat16) {
  using T = TestType;
  struct Shape {
    std::int64_t m, n, k;
  };
  for (auto const [m, n, k] :
       {Shape{1, 7, 1}, {3, 5, 31}, {1, 66, 499}, {17, 67, 499}, {5, 9, 64}, {6, 3, 4095}}) {
    Case<T> c(m, n, k, 11);
    at(c.x, k / 2) = from_float<T>(60.f);
    at(c.x, (m - 1) * k + k - 1) = from_float<T>(-1000.f);
    for (float const threshold : {0.f, 6.f, 2.f})
      for (auto const outliers : {Outliers::from_int8, Outliers::kept}) {
        auto const y = expected(c, threshold, outliers, true);
        for (SimdLevel const level : all_levels()) {
          CAPTURE(m, n, k, threshold, static_cast<int>(outliers), level);
          auto const got = c.multiply(threshold, outliers, level, true);
          REQUIRE(simd_test::same(got.data(), y.data(), y.size()));
        }
      }
  }
}

TEST_CASE("int8: more columns than 32 bits hold the sum of", "[host][int8]") {
  std::int64_t const k = 2 * int8_sum_cols + 77;  // 127 * 127 * k > 2^31
  Case<float> c(2, 3, k, 5);
  std::fill(c.x.begin(), c.x.end(), 1.f);
  std::fill(c.weights.begin(), c.weights.end(), -2.f);
  REQUIRE(host::quantize(c.weights, c.int8.span()));
  for (SimdLevel const level : all_levels())
    for (float const y : c.multiply(0.f, Outliers::from_int8, level))
      REQUIRE(std::fabs(y / (-2.f * static_cast<float>(k)) - 1.f) < 1e-6f);
}
