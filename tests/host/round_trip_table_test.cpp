// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The errors that bitsandbytes' own tests state for N(0, 1) (bitsandbytes.md section 7).
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/data.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Format, qfmt::FP4, qfmt::NF4,
    qfmt::Scheme;

namespace {

struct Errors {
  double absolute;
  double relative;
};

template <class S, class T>
Errors errors_of(std::vector<T> const& values) {
  Buffers<S> coded(static_cast<int64_t>(values.size()));
  std::vector<T> decoded(values.size());
  REQUIRE(qfmt::host::quantize(values, coded.view()));
  REQUIRE(qfmt::host::dequantize(coded.view(), decoded));
  Errors sum{};
  for (size_t i = 0; i < values.size(); ++i) {
    double const x = double{static_cast<float>(values[i])};
    double const error = std::fabs(double{static_cast<float>(decoded[i])} - x);
    sum.absolute += error;
    sum.relative += error / (std::fabs(x) + 1e-8);
  }
  auto const n = static_cast<double>(values.size());
  return {sum.absolute / n, sum.relative / n};
}

struct Row {
  double absolute, absolute_std, relative, relative_std;
};

template <class F, int block_size, class T>
void check_row(std::vector<T> const& values, Row row) {
  Errors const e = errors_of<Scheme<Format<F>, BlockSize<block_size>>>(values);
  CAPTURE(F::name, block_size, e.absolute, row.absolute, e.relative, row.relative);
  CHECK(std::fabs(e.absolute - row.absolute) <= 7 * row.absolute_std);
  CHECK(std::fabs(e.relative - row.relative) <= 7 * row.relative_std);
}

template <class T>
std::vector<T> normal_values() {
  return make_values<T>(Shape::normal, reference::Kind::nf4, 1024 * 1024, 1);
}

}  // namespace

TEMPLATE_TEST_CASE("NF4: the published round trip errors", "[host][round_trip]", float,
                   qfmt::float16) {
  auto const x = normal_values<TestType>();
  check_row<NF4, 32>(x, {.067746, .000069, .189726, .000304});
  check_row<NF4, 64>(x, {.072798, .000074, .203339, .000340});
  check_row<NF4, 128>(x, {.076831, .000091, .215237, .000391});
  check_row<NF4, 256>(x, {.080337, .000102, .226105, .000398});
  check_row<NF4, 512>(x, {.083547, .000143, .236079, .000544});
  check_row<NF4, 1024>(x, {.086610, .000187, .245370, .000600});
  check_row<NF4, 2048>(x, {.089592, .000251, .254163, .000747});
  check_row<NF4, 4096>(x, {.092547, .000360, .262473, .000999});
}

TEMPLATE_TEST_CASE("FP4: the published round trip errors", "[host][round_trip]", float,
                   qfmt::float16) {
  auto const x = normal_values<TestType>();
  check_row<FP4, 32>(x, {.088925, .000091, .242443, .000330});
  check_row<FP4, 64>(x, {.096543, .000111, .260125, .000379});
  check_row<FP4, 128>(x, {.102969, .000134, .275817, .000433});
  check_row<FP4, 256>(x, {.108684, .000182, .289831, .000497});
  check_row<FP4, 512>(x, {.114115, .000234, .302881, .000583});
  check_row<FP4, 1024>(x, {.119333, .000320, .315000, .000757});
  check_row<FP4, 2048>(x, {.124556, .000455, .326607, .000955});
  check_row<FP4, 4096>(x, {.129536, .000612, .337169, .001239});
}

TEST_CASE("Double quantization: the published bounds", "[host][round_trip][nested]") {
  auto const x = normal_values<float>();
  auto const check = [&]<class F, int n>() {
    using Nested = Scheme<Format<F>, BlockSize<n>, DoubleQuant<true>>;
    Errors const e = errors_of<Nested>(x);
    Errors const plain = errors_of<Scheme<Format<F>, BlockSize<n>>>(x);
    CAPTURE(F::name, n, e.absolute, e.relative);
    CHECK(e.absolute < 0.11);
    CHECK(e.relative < 0.28);
    CHECK(std::fabs(e.absolute - plain.absolute) < 0.01 * plain.absolute);
  };
  check.template operator()<NF4, 32>();
  check.template operator()<NF4, 64>();
  check.template operator()<NF4, 128>();
  check.template operator()<FP4, 32>();
  check.template operator()<FP4, 64>();
  check.template operator()<FP4, 128>();
}

TEST_CASE("Dynamic8: the published bounds", "[host][round_trip]") {
  auto const check = [](std::vector<float> const& x, double absolute, double relative) {
    auto const check_size = [&]<int n>() {
      Errors const e = errors_of<Scheme<Format<Dynamic8>, BlockSize<n>>>(x);
      CAPTURE(n, e.absolute, e.relative);
      CHECK(e.absolute < absolute);
      CHECK(e.relative < relative);
    };
    check_size.template operator()<64>();
    check_size.template operator()<256>();
    check_size.template operator()<4096>();
  };
  check(normal_values<float>(), 0.011, 0.018);
  auto positive = make_values<float>(Shape::uniform, reference::Kind::nf4, 1024 * 1024, 2);
  for (float& x : positive) x = std::fabs(x);
  check(positive, 0.0036, 0.015);
}
