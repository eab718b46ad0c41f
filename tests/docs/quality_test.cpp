// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The figures of examples/troubleshooting.md, measured: relative RMSE (the root of the sum of
// squared errors over the sum of squared values) of 2^20 values, and bits per value.
//
//     docs_test '[quality]' -s | grep relative
#include <qfmt/qfmt.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <numbers>
#include <string>
#include <vector>

namespace {

using namespace qfmt;

/// 16 levels at equal distances.
struct Even4 {
  static constexpr auto name = "even4";
  static constexpr Codebook codebook{
      -15.f / 15, -13.f / 15, -11.f / 15, -9.f / 15, -7.f / 15, -5.f / 15, -3.f / 15, -1.f / 15,
      1.f / 15,   3.f / 15,   5.f / 15,   7.f / 15,  9.f / 15,  11.f / 15, 13.f / 15, 15.f / 15};
};

/// In [0, 1), by splitmix64.
double uniform(std::uint64_t i) {
  std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
}

double normal(std::uint64_t i) {
  double const radius = std::sqrt(-2. * std::log(1. - uniform(2 * i)));
  return radius * std::cos(2. * std::numbers::pi * uniform(2 * i + 1));
}

std::vector<float> values(std::string const& kind) {
  std::size_t const n = 1 << 20;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    double const v = kind == "uniform" ? 2. * uniform(i) - 1. : normal(i);
    bool const outlier = kind == "outliers" && uniform(~i) < 1. / 500;
    x[i] = static_cast<float>(outlier ? 20. * v : v);
  }
  return x;
}

struct Figure {
  double bits;
  double error;
};

template <SchemeSpec S>
Figure figure(std::vector<float> const& x) {
  QuantizedTensor<S> tensor(static_cast<std::int64_t>(x.size()));
  std::vector<float> decoded(x.size());
  REQUIRE(host::quantize(x, tensor.span()));
  REQUIRE(host::dequantize(tensor.span(), decoded));
  double errors = 0., squares = 0.;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const v = x[i], e = decoded[i] - v;
    errors += e * e;
    squares += v * v;
  }
  return {tensor.bits_per_value(), std::sqrt(errors / squares)};
}

template <class F, int N = 64, bool Nested = false>
using Of = Scheme<Format<F>, BlockSize<N>, DoubleQuant<Nested>>;

using Measure = std::function<Figure(std::vector<float> const&)>;
std::map<std::string, Measure> const measures{
    {"NF4", figure<Of<NF4>>},
    {"NF4, double quantization", figure<Of<NF4, 64, true>>},
    {"NF4, blocks of 32", figure<Of<NF4, 32>>},
    {"NF4, blocks of 32, double quantization", figure<Of<NF4, 32, true>>},
    {"NF4, blocks of 256", figure<Of<NF4, 256>>},
    {"FP4", figure<Of<FP4>>},
    {"FP4, double quantization", figure<Of<FP4, 64, true>>},
    {"16 levels at equal distances", figure<Of<Even4>>},
    {"Int8", figure<Of<Int8>>},
};

/// Rows `| normal | NF4 | 4.500 | 0.09200 |` of the page.
struct Row {
  std::string data, scheme;
  double bits, error;
};

std::vector<Row> rows_of_page() {
  std::ifstream page(QFMT_TEST_DATA "/../../examples/troubleshooting.md");
  std::vector<Row> rows;
  for (std::string line; std::getline(page, line);) {
    char data[40], scheme[60];
    Row row{};
    if (std::sscanf(line.c_str(), "| %39[^|]| %59[^|]| %lf | %lf |", data, scheme, &row.bits,
                    &row.error) != 4)
      continue;
    auto const trimmed = [](std::string text) {
      return text.substr(0, text.find_last_not_of(' ') + 1);
    };
    row.data = trimmed(data);
    row.scheme = trimmed(scheme);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("quality: the figures of the page are those measured here", "[docs][quality]") {
  auto const rows = rows_of_page();
  REQUIRE(rows.size() >= 16);
  std::map<std::string, std::vector<float>> data;
  for (Row const& row : rows) {
    auto const& x = data.try_emplace(row.data, values(row.data)).first->second;
    REQUIRE(measures.contains(row.scheme));
    Figure const measured = measures.at(row.scheme)(x);
    std::printf("| %s | %s | %.3f | %.5f |\n", row.data.c_str(), row.scheme.c_str(), measured.bits,
                measured.error);
    INFO(row.data << ", " << row.scheme << ": " << measured.bits << " " << measured.error);
    CHECK(std::abs(measured.bits - row.bits) < 0.002);
    CHECK(std::abs(measured.error / row.error - 1.) < 0.005);
  }
}

// The two advices of the bitsandbytes guide that these figures contradict.
TEST_CASE("quality: FP4 is not the format for uniform data", "[docs][quality]") {
  auto const x = values("uniform");
  double const nf4 = figure<Of<NF4>>(x).error, fp4 = figure<Of<FP4>>(x).error;
  CHECK(nf4 < fp4);
  CHECK(figure<Of<Even4>>(x).error < nf4);
}

TEST_CASE("quality: double quantization does not improve it", "[docs][quality]") {
  for (char const* const kind : {"normal", "uniform", "outliers"}) {
    auto const x = values(kind);
    CHECK(figure<Of<NF4, 64, true>>(x).error >= figure<Of<NF4>>(x).error);
    CHECK(figure<Of<FP4, 64, true>>(x).error >= figure<Of<FP4>>(x).error);
  }
}

// What does help: smaller blocks, at less than the scales cost when they are nested.
TEST_CASE("quality: smaller blocks improve it", "[docs][quality]") {
  for (char const* const kind : {"normal", "outliers"}) {
    auto const x = values(kind);
    Figure const plain = figure<Of<NF4>>(x), small = figure<Of<NF4, 32, true>>(x);
    CHECK(small.error < plain.error);
    CHECK(small.bits < plain.bits);
  }
}
