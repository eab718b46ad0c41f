// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The transposed product against sums of the decoded weights in another order, at double the
// digits.

#include "qfmt/host/matmul_transposed.hpp"

#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/normal_values.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <vector>

namespace {

using test_support::normal_values;

using namespace qfmt;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

template <SchemeSpec S>
QuantizedTensor<S> tensor_of(int64_t rows, int64_t cols, unsigned seed) {
  auto const values = normal_values<float>(rows * cols, seed);
  QuantizedTensor<S> tensor(rows, cols);
  REQUIRE(host::quantize(values, tensor.span()));
  return tensor;
}

/// dx by long double sums from the last row up, rounded as promised.
template <class T>
std::vector<T> expected(std::vector<float> const& w, int64_t rows, int64_t cols, int64_t stride,
                        int64_t origin, std::vector<T> const& dy, int64_t m) {
  std::vector<T> dx;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t k = 0; k < cols; ++k) {
      long double sum = 0;
      for (int64_t n = rows - 1; n >= 0; --n)
        sum += static_cast<long double>(w[static_cast<std::size_t>(origin + n * stride + k)]) *
               static_cast<long double>(to_float(dy[static_cast<std::size_t>(i * rows + n)]));
      dx.push_back(from_float<T>(static_cast<float>(sum)));
    }
  return dx;
}

/// Equal but for a last digit where f64 rounding changed a tie of f32.
template <class T>
void check_equal(std::vector<T> const& a, std::vector<T> const& b) {
  REQUIRE(a.size() == b.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    different += element_bits(a[i]) != element_bits(b[i]);
    float const x = to_float(a[i]), y = to_float(b[i]);
    REQUIRE(std::fabs(x - y) <= std::fabs(y) * 0.008f);
  }
  CHECK(different * 1000 <= a.size());
}

}  // namespace

TEST_CASE("transposed product: every type, m around a pass, slices", "[host][matmul]") {
  auto const check = [](auto scheme, auto element, int64_t rows, int64_t cols) {
    using S = decltype(scheme);
    using T = decltype(element);
    auto const tensor = tensor_of<S>(rows, cols, 3);
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    REQUIRE(host::dequantize(tensor.span(), w));
    for (int64_t const m : {1, 16, 17}) {
      auto const dy = normal_values<T>(m * rows, 5);
      std::vector<T> dx(static_cast<std::size_t>(m * cols));
      REQUIRE(host::matmul_transposed(tensor.matrix(), dy.data(), m, dx.data()));
      check_equal(dx, expected(w, rows, cols, cols, 0, dy, m));
      std::vector<T> threaded(dx.size());
      REQUIRE(host::matmul_transposed_parallel(host::Threads{2}, tensor.matrix(), dy.data(), m,
                                               threaded.data()));
      CHECK(std::equal(dx.begin(), dx.end(), threaded.begin(),
                       [](T a, T b) { return element_bits(a) == element_bits(b); }));
    }
    auto slice = tensor.matrix();
    slice.rows = rows / 2;
    slice.cols = cols / 2 + 1;
    slice.origin = cols + 3;
    auto const dy = normal_values<T>(2 * slice.rows, 7);
    std::vector<T> dx(static_cast<std::size_t>(2 * slice.cols));
    REQUIRE(host::matmul_transposed(slice, dy.data(), 2, dx.data()));
    check_equal(dx, expected(w, slice.rows, slice.cols, cols, slice.origin, dy, 2));
  };
  check(Nested{}, float{}, 40, 192);
  check(Nested{}, bfloat16{}, 33, 65);
  check(Scheme<Format<NF4>>{}, float16{}, 7, 100);
  check(Scheme<Format<Int8>, RowWise>{}, float16{}, 9, 129);
}

TEST_CASE("transposed product: merged weights are one matrix", "[host][matmul]") {
  auto const a = tensor_of<Nested>(5, 128, 1), b = tensor_of<Nested>(11, 128, 2);
  std::vector<float> w(16 * 128);
  REQUIRE(host::dequantize(a.span(), std::span(w).first(5 * 128)));
  REQUIRE(host::dequantize(b.span(), std::span(w).subspan(5 * 128)));
  MatrixParts<Nested, 3> parts;
  parts.part[0] = const_cast<QuantizedTensor<Nested>&>(a).matrix();
  parts.part[1].cols = parts.part[1].row_stride = 128;  // no rows
  parts.part[2] = const_cast<QuantizedTensor<Nested>&>(b).matrix();
  parts.count = 3;
  auto const dy = normal_values<float>(3 * 16, 4);
  std::vector<float> dx(3 * 128);
  REQUIRE(host::matmul_transposed(parts, dy.data(), 3, dx.data()));
  check_equal(dx, expected(w, 16, 128, 128, 0, dy, 3));
}

TEST_CASE("transposed product: no rows give zeros; refusals", "[host][matmul]") {
  QuantizedMatrix<Nested> none;
  none.cols = none.row_stride = 4;
  std::vector<float> dx(8, 7.f);
  float const* const nothing = nullptr;
  REQUIRE(host::matmul_transposed(none, nothing, 2, dx.data()));
  for (float const v : dx) CHECK(v == 0.f);
  auto tensor = tensor_of<Nested>(2, 64, 1);
  float* const null = nullptr;
  CHECK(host::matmul_transposed(tensor.matrix(), null, 1, dx.data()).code == Errc::null_pointer);
  CHECK(host::matmul_transposed(tensor.matrix(), dx.data(), 1, null).code == Errc::null_pointer);
  CHECK(host::matmul_transposed(tensor.matrix(), null, -1, null).code == Errc::size_mismatch);
  CHECK(host::matmul_transposed(tensor.matrix(), null, 0, null));
}
