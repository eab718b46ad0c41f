// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The transposed product under the harness against float64, and columns decoded for cuBLASLt.

#include "qfmt/ops/matmul_transposed.cuh"

#include "qfmt/ops/dequantized/columns.cuh"

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
constexpr double one_rounding = 1.8e-3;  // to bfloat16

/// dx against float64, with the rounding to T in it.
template <SchemeSpec S, class T>
double transposed_error(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t m) {
  auto const dy = random_values<T>(m * w.rows, 11);
  DeviceBuffer<T> const from(dy), to(m * w.cols);
  REQUIRE(device::matmul_transposed(w, from.data(), m, to.data(), {}, nullptr));
  REQUIRE(to.is_written());
  auto const dx = to.host();
  std::vector<double> got, exact;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t k = 0; k < w.cols; ++k) {
      double sum = 0;
      for (int64_t n = 0; n < w.rows; ++n)
        sum += weights.at(w.origin + n * w.row_stride + k) *
               double{to_float(dy[static_cast<std::size_t>(i * w.rows + n)])};
      exact.push_back(sum);
      got.push_back(double{to_float(dx[static_cast<std::size_t>(i * w.cols + k)])});
    }
  return relative_error(got, exact);
}

}  // namespace

TEST_CASE("transposed: shapes, types and schemes", "[matmul][transposed]") {
  Weights<Nested> const w(70, 200, 1);
  for (int64_t const m : {1, 8, 9}) {
    CHECK(transposed_error<Nested, float>(w, w.matrix(), m) < 1e-6);
    CHECK(transposed_error<Nested, bfloat16>(w, w.matrix(), m) < one_rounding);
  }
  Weights<Scheme<Format<Int8>, RowWise>> const rows(9, 77, 2);
  CHECK(transposed_error<Scheme<Format<Int8>, RowWise>, float>(rows, rows.matrix(), 3) < 1e-6);
  Weights<Plain> const odd(3, 333, 3);
  CHECK(transposed_error<Plain, float>(odd, odd.matrix(), 2) < 1e-6);
  auto slice = w.matrix();
  slice.rows = 33;
  slice.cols = 65;
  slice.origin = 7 * 200 + 13;
  CHECK(transposed_error<Nested, float>(w, slice, 5) < 1e-6);
}

TEST_CASE("transposed: merged weights", "[matmul][transposed]") {
  Weights<Nested> const q(20, 128, 4), k(9, 128, 5);
  MatrixParts<Nested, 3> parts;
  parts.part[0] = q.matrix();
  parts.part[1].cols = parts.part[1].row_stride = 128;  // no rows
  parts.part[2] = k.matrix();
  parts.count = 3;
  auto const dy = random_values<float>(2 * 29, 6);
  DeviceBuffer<float> const from(dy), to(2 * 128);
  REQUIRE(device::matmul_transposed(parts, from.data(), 2, to.data(), {}, nullptr));
  auto const dx = to.host();
  for (int64_t i = 0; i < 2 * 128; ++i) {
    double exact = 0;
    for (int64_t n = 0; n < 29; ++n)
      exact += (n < 20 ? q.at(n * 128 + i % 128) : k.at((n - 20) * 128 + i % 128)) *
               double{dy[static_cast<std::size_t>(i / 128 * 29 + n)]};
    CHECK(std::fabs(double{dx[static_cast<std::size_t>(i)]} - exact) < 1e-6);
  }
}

TEST_CASE("transposed: the same bits in every order and for every m", "[matmul][transposed]") {
  Weights<Nested> const w(40, 128, 7);
  auto const dy = random_values<float>(9 * 40, 8);
  DeviceBuffer<float> const from(dy), to(9 * 128);
  REQUIRE(device::matmul_transposed(w.matrix(), from.data(), 9, to.data(), {}, nullptr));
  auto const expected = to.host();
  gpu_free::for_each_seed(4, [&](std::uint64_t) {
    for (int64_t const m : {3, 9}) {
      DeviceBuffer<float> const again(m * 128);
      REQUIRE(device::matmul_transposed(w.matrix(), from.data(), m, again.data(), {}, nullptr));
      auto const got = again.host();
      for (std::size_t i = 0; i < got.size(); ++i)
        REQUIRE(float_bits(got[i]) == float_bits(expected[i]));
    }
  });
}

TEST_CASE("transposed: no rows give zeros; refusals", "[matmul][transposed]") {
  QuantizedMatrix<Plain> none;
  none.cols = none.row_stride = 64;
  DeviceBuffer<float> const to(64);
  float* const null = nullptr;
  REQUIRE(device::matmul_transposed(none, null, 1, to.data(), {}, nullptr));
  for (float const v : to.host()) CHECK(v == 0.f);
  Weights<Plain> const w(4, 64, 9);
  CHECK(device::matmul_transposed(w.matrix(), null, 0, null, {}, nullptr));
  CHECK(device::matmul_transposed(w.matrix(), null, 1, null, {}, nullptr).code ==
        Errc::null_pointer);
  CHECK(device::matmul_transposed(w.matrix(), null, -1, null, {}, nullptr).code ==
        Errc::size_mismatch);
}

TEST_CASE("columns decoded are those that decode_at decodes", "[matmul][transposed]") {
  auto const check = [](auto scheme, auto element, int64_t rows, int64_t cols) {
    using S = decltype(scheme);
    using T = decltype(element);
    Weights<S> const w(rows, cols, 10);
    for (auto const& [first, count] :
         {std::pair<int64_t, int64_t>{0, cols}, {8, cols - 8}, {1, cols - 1}, {cols - 1, 1}}) {
      DeviceBuffer<T> const out(rows * count);
      REQUIRE(
          dequantized::decode_columns<S>(w.matrix(), {0, rows, first, count}, out.data(), nullptr));
      REQUIRE(out.is_written());
      auto const got = out.host();
      for (int64_t i = 0; i < rows * count; ++i)
        REQUIRE(element_bits(got[static_cast<std::size_t>(i)]) ==
                element_bits(
                    from_float<T>(static_cast<float>(w.at(i / count * cols + first + i % count)))));
    }
  };
  check(Nested{}, bfloat16{}, 35, 320);
  check(Nested{}, float{}, 9, 72);
  check(Plain{}, float16{}, 5, 77);
  check(Scheme<Format<Int8>, RowWise>{}, bfloat16{}, 9, 96);
  check(Scheme<Format<Dynamic8>>{}, float16{}, 9, 264);
}
