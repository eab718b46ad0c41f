// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiled matmul of Hopper under the harness: accuracy against float64, tiles that do not fill,
// clusters that share a tile, and the same bits however its threads and copies are ordered.

#include "qfmt/ops/matmul_wgmma.cuh"

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

MatmulOptions divided(int cluster, int blocks = 0, int columns = 0) {
  MatmulOptions options;
  options.tuning = {.cluster = cluster, .blocks = blocks, .columns = columns};
  return options;
}

struct Tiled {
  template <SchemeSpec S, class T>
  Status operator()(QuantizedMatrix<S> const& w, T const* x, int64_t m, T* y, T const* bias,
                    MatmulOptions options) const {
    return device::matmul_wgmma(w, x, m, y, bias, nullptr, options);
  }
};

template <SchemeSpec S, class T>
double error(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t m, bool with_bias,
             MatmulOptions options = {}) {
  return error_of<S, T>(weights, w, m, with_bias, options, Tiled{});
}

/// y of random x, one row after another.
template <SchemeSpec S, class T>
std::vector<T> result(QuantizedMatrix<S> const& w, int64_t m, MatmulOptions options) {
  DeviceBuffer<T> const x(random_values<T>(m * w.cols, 11)), y(m * w.rows);
  REQUIRE(device::matmul_wgmma(w, x.data(), m, y.data(), nullptr, nullptr, options));
  REQUIRE(y.is_written());
  return y.host();
}

}  // namespace

TEST_CASE("wgmma: rows of x around every tile, bias", "[matmul][wgmma]") {
  Weights<Nested> const w(136, 320, 1);  // a stage and a quarter; a tile and eight rows
  for (int64_t const m : {1, 31, 33, 65, 130})
    CHECK(error<Nested, float16>(w, w.matrix(), m, m % 2 == 1, divided(1)) < 0.4e-3);
  CHECK(error<Nested, bfloat16>(w, w.matrix(), 257, true, divided(1, 0, 256)) < 3e-3);
}

TEST_CASE("wgmma: error before rounding, scales on products and on weights", "[matmul][wgmma]") {
  Weights<Nested> const w(200, 1024, 21);
  auto const error = [&](int columns) {
    return error_before_rounding<Nested, bfloat16>(w, w.matrix(), 2, divided(1, 0, columns),
                                                   Tiled{});
  };
  CHECK(error(64) < 0.9e-3);
  CHECK(error(128) < 0.9e-3);
  double const rounded_twice = error(256);
  CHECK(rounded_twice < 2.1e-3);
  CHECK(rounded_twice > 1e-3);  // or it is not the kernel that was asked for
}

TEST_CASE("wgmma: rows of weights that end anywhere", "[matmul][wgmma]") {
  for (int64_t const rows : {1, 15, 64, 129}) {
    Weights<Plain> const w(rows, 128, 2);
    CHECK(error<Plain, float16>(w, w.matrix(), 17, true, divided(1)) < 0.6e-3);
  }
}

TEST_CASE("wgmma: blocks of every size, Int8, rows", "[matmul][wgmma]") {
  auto const check = [](auto scheme, double most) {
    using S = decltype(scheme);
    Weights<S> const w(20, 576, 3);  // blocks of 128 and more lie across rows
    CHECK(error<S, float16>(w, w.matrix(), 9, false, divided(1)) < most);
  };
  check(Scheme<Format<NF4>, BlockSize<16>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<FP4>, BlockSize<128>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<Int8>>{}, 0.4e-3);
  check(Scheme<Format<Int8>, RowWise>{}, 0.4e-3);
}

TEST_CASE("wgmma: clusters share a tile, blocks take several tiles", "[matmul][wgmma]") {
  Weights<Nested> const w(150, 1536, 4);
  for (int const cluster : {1, 2, 4})
    CHECK(error<Nested, float16>(w, w.matrix(), 40, true, divided(cluster, 1)) < 0.4e-3);
  CHECK(error<Nested, float16>(w, w.matrix(), 70, true, divided(2)) < 0.4e-3);
}

TEST_CASE("wgmma: the same bits under every order of threads and copies", "[matmul][wgmma]") {
  Weights<Nested> const w(130, 1280, 5);
  for (int const cluster : {1, 2}) {
    auto const expected = result<Nested, bfloat16>(w.matrix(), 33, divided(cluster, 1));
    gpu_free::for_each_seed(4, [&](std::uint64_t) {
      auto const again = result<Nested, bfloat16>(w.matrix(), 33, divided(cluster, 1));
      for (std::size_t i = 0; i < again.size(); ++i)
        REQUIRE(element_bits(again[i]) == element_bits(expected[i]));
    });
  }
}

TEST_CASE("wgmma: merged weights and slices", "[matmul][wgmma]") {
  Weights<Nested> const q(70, 512, 15), k(33, 512, 16);
  MatrixParts<Nested, 3> parts;
  parts.part[0] = q.matrix();
  parts.part[1].cols = parts.part[1].row_stride = 512;  // no rows
  parts.part[2] = k.matrix();
  parts.count = 3;
  int64_t const m = 9, n = 103;
  auto const x = random_values<float16>(m * 512, 18);
  DeviceBuffer<float16> const from(x), to(m * n);
  REQUIRE(device::matmul_wgmma(parts, from.data(), m, to.data(), nullptr, nullptr));
  auto const y = to.host();
  std::vector<double> got, expected;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t c = 0; c < n; ++c) {
      got.push_back(double{to_float(y[static_cast<std::size_t>(i * n + c)])});
      expected.push_back(c < 70 ? product(q, q.matrix(), c, x, i)
                                : product(k, k.matrix(), c - 70, x, i));
    }
  CHECK(relative_error(got, expected) < 0.4e-3);
  auto slice = q.matrix();
  slice.rows = 30;
  slice.cols = 256;
  slice.origin = 11 * 512 + 128;
  CHECK(error<Nested, float16>(q, slice, 17, false, divided(1)) < 0.4e-3);
}

TEST_CASE("wgmma: what it does not take is refused", "[matmul][wgmma]") {
  Weights<Plain> const w(8, 96, 6);
  DeviceBuffer<float16> const x(random_values<float16>(96, 1)), y(8);
  CHECK(device::matmul_wgmma(w.matrix(), x.data(), 1, y.data(), nullptr, nullptr).code ==
        Errc::unsupported_shape);
}
