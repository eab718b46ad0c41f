// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on the CPU: codes, sums, outlier columns, at every SIMD level.
//
//   host_test "[int8_outliers]" -s    prints the table of errors under planted outliers
#include "qfmt/host/int8_matmul.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdio>

#include "host/int8_cases.hpp"

using namespace int8_cases;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<SimdLevel> all_levels() {
  auto levels = simd_test::levels();
  levels.push_back(SimdLevel::scalar);
  return levels;
}

/// Activations in memory of their own, quantized by the library.
struct Activations {
  std::vector<unsigned char> memory;
  QuantizedActivations<> view;

  Activations(std::int64_t m, std::int64_t k)
      : memory(static_cast<std::size_t>(int8_matmul_workspace_bytes(m, k)), 0xA5),
        view(place_activations(memory.data(), m, k)) {}

  int code(std::int64_t r, std::int64_t k) const {
    auto const* const codes = reinterpret_cast<signed char const*>(view.values.values.codes);
    return codes[view.values.origin + r * view.values.row_stride + k];
  }
  bool marks(std::int64_t k) const { return (view.outliers[k / 32] >> (k % 32) & 1u) != 0; }
};

template <class T>
void check_quantization(std::vector<T> const& x, std::int64_t m, std::int64_t k, float threshold) {
  Quantized const expected = int8_cases::quantize(x.data(), m, k, threshold);
  for (SimdLevel const level : all_levels()) {
    CAPTURE(sizeof(T), m, k, threshold, level);
    Activations a(m, k);
    host::Int8Options options;
    options.simd = level;
    if (level == SimdLevel::scalar) {
      REQUIRE(host::quantize_activations(x.data(), threshold, a.view, options));
    } else {
      REQUIRE(host::quantize_activations_parallel(host::Threads{3}, x.data(), threshold, a.view,
                                                  options));
    }
    REQUIRE(simd_test::same(a.view.values.values.scales.absmax, expected.absmax.data(),
                            expected.absmax.size()));
    std::int64_t wrong = 0;
    for (std::int64_t r = 0; r < m; ++r)
      for (std::int64_t i = 0; i < k; ++i) wrong += a.code(r, i) != at(expected.codes, r * k + i);
    REQUIRE(wrong == 0);
    for (std::int64_t i = 0; i < k; ++i)
      wrong += a.marks(i) != expected.is_outlier_column[static_cast<std::size_t>(i)];
    for (std::int64_t i = k; i < (k + 31) / 32 * 32; ++i) wrong += a.marks(i);
    REQUIRE(wrong == 0);
  }
}

/// Every value of a 16-bit type; without the not finite ones where they would blank the row.
template <class T>
std::vector<T> every_value(bool with_non_finite, float most = inf) {
  std::vector<T> values;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    T const x = T::from_bits(static_cast<std::uint16_t>(bits));
    if (with_non_finite || std::fabs(to_float(x)) <= most)
      if (with_non_finite || std::isfinite(to_float(x))) values.push_back(x);
  }
  return values;
}

}  // namespace

TEST_CASE("int8: codes of all 16-bit values are bitsandbytes'", "[host][int8]") {
  for (float const threshold : {6.f, 5.f, 8.f, 5.999f, 0x1.801p2f, 1.f, 1e-3f, 6e-8f, 1e-8f,
                                65504.f, 65520.f, 1e30f, inf}) {
    auto const halves = every_value<float16>(true);
    check_quantization(halves, 1, static_cast<std::int64_t>(halves.size()), threshold);
  }
  for (float const threshold : {6.f, 8.f, 6.01f, 1e-30f, inf}) {
    auto const bfloats = every_value<bfloat16>(true);
    check_quantization(bfloats, 1, static_cast<std::int64_t>(bfloats.size()), threshold);
  }
  // Without a threshold: each absmax in turn that the largest value of a row may be.
  for (float most = 65504.f; most > 1e-7f; most *= 0.37f) {
    auto const halves = every_value<float16>(false, most);
    check_quantization(halves, 1, static_cast<std::int64_t>(halves.size()), 0.f);
  }
}

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

TEST_CASE("int8: columns kept in 16 bits, weights quantized for a call, slices, threads",
          "[host][int8]") {
  Case<float16> c(5, 200, 320, 21);
  std::int64_t const columns[]{3, 64, 65, 319};  // 100 was not kept
  for (std::int64_t const o : {3, 65, 100, 319}) at(c.x, 2 * c.k + o) = float16(40.f);
  std::vector<float16> kept;
  for (std::int64_t j = 0; j < c.n; ++j)
    for (std::int64_t const o : columns) kept.push_back(at(c.weights, j * c.k + o));
  std::vector<float> memory(static_cast<std::size_t>(c.workspace_bytes() / 4 + 1));
  Workspace const workspace{memory.data(), c.workspace_bytes()};
  auto const whole = c.multiply(6.f, Outliers::kept);
  std::vector<float16> y(whole.size()), z(whole.size());

  // Only column 100 is taken from the int8 weights.
  REQUIRE(host::int8_matmul(c.int8.matrix(), {kept.data(), columns, 4}, c.x.data(), c.m, y.data(),
                            nullptr, 6.f, workspace));
  auto mixed = c.weights;
  std::vector<float> decoded(static_cast<std::size_t>(c.n * c.k));
  REQUIRE(host::dequantize(c.int8.span(), decoded));
  for (std::int64_t j = 0; j < c.n; ++j)
    at(mixed, j * c.k + 100) = float16(at(decoded, j * c.k + 100));
  REQUIRE(host::int8_matmul(c.int8.matrix(), {mixed.data(), nullptr, c.k}, c.x.data(), c.m,
                            z.data(), nullptr, 6.f, workspace));
  CHECK(simd_test::same(y.data(), z.data(), y.size()));
  CHECK_FALSE(simd_test::same(y.data(), whole.data(), y.size()));

  // has_fp16_weights: what kept weights and their int8 form give.
  REQUIRE(host::int8_matmul(c.weights.data(), c.n, c.k, c.x.data(), c.m, y.data(), nullptr, 6.f,
                            workspace));
  CHECK(simd_test::same(y.data(), whole.data(), y.size()));
  std::fill(y.begin(), y.end(), float16(0.f));
  REQUIRE(host::int8_matmul_parallel(host::Threads{3}, c.weights.data(), c.n, c.k, c.x.data(), c.m,
                                     y.data(), nullptr, 6.f, workspace));
  CHECK(simd_test::same(y.data(), whole.data(), y.size()));
  std::fill(y.begin(), y.end(), float16(0.f));
  REQUIRE(host::int8_matmul_parallel(host::Threads{3}, c.int8.matrix(),
                                     {c.weights.data(), nullptr, c.k}, c.x.data(), c.m, y.data(),
                                     nullptr, 6.f, workspace));
  CHECK(simd_test::same(y.data(), whole.data(), y.size()));

  // Rows 10 to 16 of the weights: columns 10 to 16 of y.
  auto slice = c.int8.matrix();
  slice.origin = 10 * c.k;
  slice.rows = 7;
  REQUIRE(host::int8_matmul(slice, {c.weights.data() + 10 * c.k, nullptr, c.k}, c.x.data(), c.m,
                            z.data(), nullptr, 6.f, workspace));
  for (std::int64_t r = 0; r < c.m; ++r)
    CHECK(simd_test::same(z.data() + r * 7, whole.data() + r * c.n + 10, 7));
}

TEST_CASE("int8: rows with NaN and infinities", "[host][int8]") {
  Case<bfloat16> c(4, 9, 100, 31);
  auto const clean_plain = c.multiply(0.f, Outliers::from_int8);
  at(c.x, c.k + 3) = bfloat16(not_a_number);
  at(c.x, 2 * c.k + 4) = bfloat16(-inf);
  auto const plain = c.multiply(0.f, Outliers::from_int8);
  auto const mixed = c.multiply(6.f, Outliers::kept);
  for (std::int64_t j = 0; j < c.n; ++j) {
    CHECK(std::isnan(to_float(at(plain, c.n + j))));
    CHECK(std::isnan(to_float(at(plain, 2 * c.n + j))));
    CHECK(std::isnan(to_float(at(mixed, c.n + j))));
    float const w = to_float(at(c.weights, j * c.k + 4));
    CHECK(to_float(at(mixed, 2 * c.n + j)) == (w > 0.f ? -inf : inf));
    for (std::int64_t const r : {0, 3}) {
      CHECK(to_float(at(plain, r * c.n + j)) == to_float(at(clean_plain, r * c.n + j)));
      CHECK(std::isfinite(to_float(at(mixed, r * c.n + j))));
    }
  }
}

TEST_CASE("int8: bfloat16 keeps its range", "[host][int8]") {
  Case<bfloat16> c(2, 8, 64, 41);
  for (auto& x : c.x) x = bfloat16(to_float(x) * 0x1p118f);
  auto const y = c.multiply(0.f, Outliers::from_int8);
  auto const exact = c.exact(c.x);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::isfinite(to_float(y[i])));
  CHECK(relative_error(y, exact, exact) < 0.02);
}

TEST_CASE("int8: empty products and refusals", "[host][int8]") {
  Case<float> c(2, 3, 40, 51);
  std::vector<float> memory(1024), y(6, -1.f);
  Workspace const workspace{memory.data(), 4096};
  float const* const none = nullptr;
  float* const nowhere = nullptr;
  auto const w = c.int8.matrix();
  auto const code = [](Status s) { return s.code; };
  CHECK(host::int8_matmul(w, none, 0, nowhere, nullptr, 6.f, {}));
  CHECK(code(host::int8_matmul(w, none, 2, y.data(), nullptr, 6.f, workspace)) ==
        Errc::null_pointer);
  CHECK(code(host::int8_matmul(w, c.x.data(), -1, y.data(), nullptr, 6.f, workspace)) ==
        Errc::size_mismatch);
  CHECK(code(host::int8_matmul(w, c.x.data(), 2, y.data(), nullptr, -1.f, workspace)) ==
        Errc::invalid_threshold);
  CHECK(code(host::int8_matmul(w, c.x.data(), 2, y.data(), nullptr, not_a_number, workspace)) ==
        Errc::invalid_threshold);
  CHECK(code(host::int8_matmul(w, c.x.data(), 2, y.data(), nullptr, 6.f, {})) ==
        Errc::workspace_too_small);
  std::int64_t const needed = int8_matmul_workspace_bytes(2, 40);
  CHECK(code(host::int8_matmul(w, c.x.data(), 2, y.data(), nullptr, 6.f,
                               {memory.data(), needed - 1})) == Errc::workspace_too_small);
  CHECK(host::int8_matmul(w, c.x.data(), 2, y.data(), nullptr, 6.f, {memory.data(), needed}));
  CHECK(code(host::int8_matmul(c.weights.data(), 3, 40, c.x.data(), 2, y.data(), nullptr, 6.f,
                               {memory.data(), needed})) == Errc::workspace_too_small);
  std::int64_t const column = 0;
  CHECK(code(host::int8_matmul(w, {c.weights.data(), nullptr, 39}, c.x.data(), 2, y.data(), nullptr,
                               6.f, workspace)) == Errc::size_mismatch);
  CHECK(code(host::int8_matmul(w, {c.weights.data(), &column, 1, 0}, c.x.data(), 2, y.data(),
                               nullptr, 6.f, workspace)) == Errc::size_mismatch);
  auto crossing = w;  // a row that lies in two rows of scales
  crossing.origin = 20;
  crossing.rows = 1;
  CHECK(code(host::int8_matmul(crossing, c.x.data(), 2, y.data(), nullptr, 6.f, workspace)) ==
        Errc::unsupported_shape);
  CHECK(int8_matmul_workspace_bytes(-1, 4) == -1);
  CHECK(int8_matmul_workspace_bytes(std::int64_t{1} << 40, std::int64_t{1} << 40) == -1);
  CHECK(int8_matmul_workspace_bytes(1, 1, std::int64_t{1} << 62) == -1);

  // K = 0: the bias alone.
  QuantizedTensor<LlmInt8> empty(3, 0);
  REQUIRE(empty.status());
  REQUIRE(
      host::int8_matmul(empty.matrix(), c.x.data(), 2, y.data(), c.bias.data(), 6.f, workspace));
  for (std::size_t i = 0; i < 6; ++i) CHECK(y[i] == c.bias[i % 3]);
}

namespace {

/// Errors of y against the f64 product, as shares of that product and of what the columns without
/// outliers contribute to it.
struct Errors {
  double of_product, of_others;
};

constexpr std::int64_t planted_columns[]{17, 300, 301, 1000};

/// 4 of 1024 columns hold values about `size` times as large as the others'. In float, but all
/// operands are float16's: no rounding of the output hides the error.
Errors planted(float size, float threshold, Outliers outliers) {
  Case<float> c(16, 96, 1024, 61);
  for (auto* values : {&c.weights, &c.x})
    for (float& v : *values) v = to_float(float16(v));
  REQUIRE(host::quantize(c.weights, c.int8.span()));
  auto others = c.x;
  for (std::int64_t const k : planted_columns)
    for (std::int64_t r = 0; r < c.m; ++r) {
      float& x = at(c.x, r * c.k + k);
      if (size > 1.f) x = to_float(float16(std::copysign(size * (1.f + x / 16.f), x)));
      if (size > 1.f) at(others, r * c.k + k) = 0.f;
    }
  auto const y = c.multiply(threshold, outliers);
  auto const exact = c.exact(c.x);
  return {relative_error(y, exact, exact), relative_error(y, exact, c.exact(others))};
}

Errors show(char const* data, char const* policy, Errors e) {
  std::printf("%-14s %-22s %10.5f %10.5f\n", data, policy, e.of_product, e.of_others);
  return e;
}

TEST_CASE("int8: planted outlier columns", "[host][int8][int8_outliers]") {
  std::printf("%-14s %-22s %10s %10s\n", "outliers", "error relative to", "x w^T", "the others");
  Errors const none = show("none", "int8", planted(1.f, 6.f, Outliers::from_int8));
  for (float const size : {60.f, 1000.f}) {
    char const* const data = size == 60.f ? "60x" : "1000x";
    Errors const plain = show(data, "plain int8", planted(size, 0.f, Outliers::from_int8));
    Errors const bnb = show(data, "int8 outlier weights", planted(size, 6.f, Outliers::from_int8));
    Errors const kept = show(data, "kept outlier weights", planted(size, 6.f, Outliers::kept));
    CHECK(kept.of_others < 1.2 * none.of_others);
    CHECK(kept.of_others > 0.8 * none.of_others);
    CHECK(kept.of_product < 0.3 * none.of_others);
    // An outlier column's int8 weights keep their error, whatever the column is multiplied in.
    CHECK(bnb.of_product > 2.5 * kept.of_product);
    CHECK(bnb.of_product < 1.2 * none.of_others);
    CHECK(bnb.of_others > 2.0 * none.of_others);
    // Without a threshold the other columns drown in the step that the outliers force.
    CHECK(plain.of_others > 8.0 * none.of_others);
    CHECK((size == 60.f || plain.of_others > 0.9));
  }
}

/// bitsandbytes' own bars for a layer of 1024 to 3072: no element off by more than 0.03, at most
/// 2.5e-4 of them by more than 0.02 (its weights and inputs; its tests/test_linear8bitlt.py).
TEST_CASE("int8: within bitsandbytes' tolerances, and tighter", "[host][int8]") {
  std::mt19937 random(71);
  std::uniform_real_distribution<float> uniform(-1.f / 32.f, 1.f / 32.f);  // torch.nn.Linear's
  Case<float16> c(16, 384, 1024, 72);
  for (auto& w : c.weights) w = float16(uniform(random));
  REQUIRE(host::quantize(c.weights, c.int8.span()));
  auto const y = c.multiply(6.f, Outliers::from_int8);
  auto const exact = c.exact(c.x);
  double worst = 0.0, many = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const e = std::fabs(double{to_float(y[i])} - exact[i]);
    worst = std::max(worst, e);
    many += e > 0.02;
  }
  CHECK(worst < 0.025);
  CHECK(many / static_cast<double>(y.size()) <= 2.5e-4);
  CHECK(relative_error(y, exact, exact) < 0.011);
}

}  // namespace
