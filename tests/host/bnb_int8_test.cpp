// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() against the real bitsandbytes package, its CPU back end (tests/data/make_bnb_int8.py):
// codes, scales and outlier columns equal; products equal up to what its roundings differ by.
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <sstream>
#include <string>

#include "host/int8_cases.hpp"

using namespace int8_cases;

namespace {

constexpr std::int64_t m = 5, n = 7, k = 499;

/// The script's input i.
float input(std::int64_t i) {
  std::uint64_t z = 1 + (static_cast<std::uint64_t>(i) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  std::int64_t sum = -131070;
  for (int lane = 0; lane < 4; ++lane) sum += static_cast<std::int64_t>(z >> 16 * lane & 0xFFFF);
  return static_cast<float>(sum) / 65536.f;
}

template <class T>
std::vector<T> inputs(std::int64_t first, std::int64_t count) {
  std::vector<T> values;
  for (std::int64_t i = first; i < first + count; ++i)
    values.push_back(from_float<T>(i < m * k && i % 1005 == 0 ? 60.f * input(i) : input(i)));
  return values;
}

/// A line of the file.
struct Line {
  std::string dtype;
  float threshold;
  std::string x_codes, w_codes, columns, x_absmax, w_absmax, y;
};

std::string fnv_of_rows(std::uint8_t const* codes, std::int64_t rows, std::int64_t stride) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < k; ++i) h = (h ^ codes[r * stride + i]) * 0x100000001B3u;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016llX", static_cast<unsigned long long>(h));
  return text;
}

std::string hexes(float const* values, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) {
    char digits[9];
    (void)std::snprintf(digits, sizeof digits, "%08X", reference::as_bits(values[i]));
    text += digits;
  }
  return text;
}

template <class T>
void check(Line const& line) {
  CAPTURE(line.dtype, line.threshold);
  auto const x = inputs<T>(0, m * k);
  auto const w = inputs<float16>(m * k, n * k);
  auto const bias = inputs<T>(m * k + n * k, n);
  QuantizedTensor<LlmInt8> weights(n, k);
  REQUIRE(host::quantize(w, weights.span()));
  CHECK(fnv_of_rows(weights.matrix().values.codes, n, k) == line.w_codes);
  CHECK(hexes(weights.matrix().values.scales.absmax, n) == line.w_absmax);

  std::vector<float> memory(static_cast<std::size_t>(int8_matmul_workspace_bytes(m, k) / 4 + 1));
  auto const a = place_activations(memory.data(), m, k);
  REQUIRE(host::quantize_activations(x.data(), line.threshold, a));
  CHECK(fnv_of_rows(a.values.values.codes, m, a.values.row_stride) == line.x_codes);
  CHECK(hexes(a.values.values.scales.absmax, m) == line.x_absmax);
  std::string columns;
  for (std::int64_t i = 0; line.threshold > 0.f && i < k; ++i)
    if (is_outlier_column(a.outliers, i))
      columns += (columns.empty() ? "" : ",") + std::to_string(i);
  CHECK((columns.empty() ? "-" : columns) == line.columns);

  std::vector<T> y(static_cast<std::size_t>(m * n));
  REQUIRE(host::int8_matmul(weights.matrix(), x.data(), m, y.data(), bias.data(), line.threshold,
                            {memory.data(), int8_matmul_workspace_bytes(m, k)}));
  // It rounds the integer part to T before it adds the outliers' products, which it rounds to T as
  // well, and takes 6.200124e-05 for 1/127^2, 1.9e-5 too much.
  double const place = sizeof(T) == 4 ? 0.0 : Float16Like<T> ? 0x1p-11 : 0x1p-8;
  std::size_t const digits = 2 * sizeof(T);
  for (std::size_t i = 0; i < y.size(); ++i) {
    auto const bits =
        static_cast<std::uint32_t>(std::stoul(line.y.substr(i * digits, digits), nullptr, 16));
    double const theirs = reference::widen(type_of<T>, bits);
    double const size = std::fabs(theirs) + (line.threshold > 0.f ? 150.0 : 0.0);
    CAPTURE(i, theirs, to_float(y[i]));
    CHECK(std::fabs(double{to_float(y[i])} - theirs) <=
          (2.0 * place + 2.2e-5) * size + 1e-3 * place);
  }
}

}  // namespace

TEST_CASE("int8: bitsandbytes' CPU back end", "[host][int8][bnb]") {
  std::ifstream file(QFMT_TEST_DATA "/bnb_int8.txt");
  REQUIRE(file);
  int lines = 0;
  for (std::string text; std::getline(file, text);) {
    if (text[0] == '#') continue;
    std::istringstream words(text);
    Line line;
    words >> line.dtype >> line.threshold >> line.x_codes >> line.w_codes >> line.columns >>
        line.x_absmax >> line.w_absmax >> line.y;
    REQUIRE(words);
    if (line.dtype == "fp32") check<float>(line);
    if (line.dtype == "fp16") check<float16>(line);
    if (line.dtype == "bf16") check<bfloat16>(line);
    ++lines;
  }
  CHECK(lines == 6);
}
