// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The streaming matmul under the harness: accuracy against float64, every way in which a launch
// divides its work, and the same bits however its threads and copies are ordered.

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
constexpr double before_rounding = 0.9e-3;  // the bound for bfloat16

MatmulOptions divided(int row_warps, int splits, int cluster, int blocks = 0) {
  MatmulOptions options;
  options.tuning = {.row_warps = row_warps, .splits = splits, .cluster = cluster, .blocks = blocks};
  return options;
}

/// y of random x.
template <SchemeSpec S, class T>
std::vector<T> result(QuantizedMatrix<S> const& w, int64_t m, MatmulOptions options) {
  DeviceBuffer<T> const x(random_values<T>(m * w.cols, 3)), y(m * w.rows);
  REQUIRE(device::matmul(w, x.data(), m, y.data(), nullptr, {}, nullptr, options));
  REQUIRE(y.is_written());
  return y.host();
}

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (element_bits(a[i]) != element_bits(b[i])) return false;
  return true;
}

}  // namespace

TEST_CASE("error before rounding, bfloat16", "[matmul][stream]") {
  Weights<Plain> const plain(40, 1024, 1);
  for (int64_t const m : {1, 8, 9, 17, 33})
    CHECK(error_before_rounding<Plain, bfloat16>(plain, plain.matrix(), m) < before_rounding);
  Weights<Nested> const nested(33, 1024, 2);
  CHECK(error_before_rounding<Nested, bfloat16>(nested, nested.matrix(), 3) < before_rounding);
  using Fp4 = Scheme<Format<FP4>, DoubleQuant<true>>;
  Weights<Fp4> const fp4(33, 512, 3);  // every level is exact under the format's gain
  CHECK(error_before_rounding<Fp4, bfloat16>(fp4, fp4.matrix(), 3) < 0.05e-3);
}

TEST_CASE("float16: rows of x of every count in a pass, bias", "[matmul][stream]") {
  Weights<Plain> const w(36, 320, 4);
  for (int64_t const m : {1, 2, 7, 8, 15, 16, 31, 63, 64, 65})
    CHECK(error_of<Plain, float16>(w, w.matrix(), m, m % 2 == 0) < 0.4e-3);
}

TEST_CASE("rows of models that do not end on a stage", "[matmul][stream]") {
  Weights<Nested> const wide(5, 11008, 5);
  CHECK(error_of<Nested, float16>(wide, wide.matrix(), 2, true) < 0.4e-3);
  using Blocks32 = Scheme<Format<NF4>, BlockSize<32>>;
  Weights<Blocks32> const half(5, 7392, 6);  // 115.5 times 64
  CHECK(error_of<Blocks32, float16>(half, half.matrix(), 2, true) < 0.4e-3);
  Weights<Plain> const one(1, 64, 7);
  CHECK(error_of<Plain, float16>(one, one.matrix(), 1, false) < 1e-3);
}

TEST_CASE("blocks of every size", "[matmul][stream]") {
  auto const check = [](auto scheme) {
    using S = decltype(scheme);
    Weights<S> const w(20, 1088, 8);  // blocks of 128 and more lie across rows
    CHECK(error_of<S, float16>(w, w.matrix(), 9, false) < 0.4e-3);
  };
  check(Scheme<Format<NF4>, BlockSize<16>>{});
  check(Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>{});
  check(Scheme<Format<NF4>, BlockSize<128>>{});
  check(Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>{});
}

TEST_CASE("blocks, clusters, tiles one after another: the division does not show",
          "[matmul][stream]") {
  Weights<Nested> const w(200, 1536, 9);
  for (int const cluster : {1, 2, 4, 8})
    for (auto const& [warps, splits] : {std::pair{1, 1}, {1, 4}, {2, 3}, {3, 2}, {8, 1}}) {
      // Two clusters at most: tiles follow one another through the same rings.
      auto const options = divided(warps, splits, cluster, 2 * cluster);
      CHECK(error_of<Nested, float16>(w, w.matrix(), 3, true, options) < 0.4e-3);
    }
}

TEST_CASE("activations in two buffers that take turns", "[matmul][stream]") {
  // 40 rows of x and one block: only a stage or two of activations fit at a time. 9 and 11 stages:
  // the last run is short, and the first of the next tile follows it.
  for (int64_t const cols : {2304, 2816}) {
    Weights<Plain> const w(70, cols, 10);
    CHECK(error_of<Plain, float16>(w, w.matrix(), 40, false, divided(1, 1, 1, 1)) < 0.4e-3);
    CHECK(error_of<Plain, float16>(w, w.matrix(), 40, false, divided(1, 2, 1, 1)) < 0.4e-3);
    CHECK(error_of<Plain, float16>(w, w.matrix(), 24, false, divided(2, 1, 1, 1)) < 0.4e-3);
  }
  Weights<Plain> const long_rows(34, 12 * 1024, 10);
  CHECK(error_of<Plain, float16>(long_rows, long_rows.matrix(), 8, false, divided(1, 3, 1, 1)) <
        0.4e-3);
}

TEST_CASE("the same bits under every order of threads, blocks and copies", "[matmul][stream]") {
  Weights<Nested> const w(70, 1536, 12);
  auto const options = divided(2, 2, 2, 2);
  auto const expected = result<Nested, bfloat16>(w.matrix(), 9, options);
  gpu_free::for_each_seed(4, [&](std::uint64_t) {
    auto const again = result<Nested, bfloat16>(w.matrix(), 9, options);
    CHECK(same_bits(again, expected, expected.size()));
  });
}

TEST_CASE("batch_invariant: a row's bits do not depend on how many rows there are",
          "[matmul][stream]") {
  Weights<Nested> const w(48, 1024, 13);
  MatmulOptions options;
  options.batch_invariant = true;
  int64_t const most = 257;
  auto const all = result<Nested, bfloat16>(w.matrix(), most, options);
  for (int64_t const m : {1, 4, 8, 9, 16, 17, 24, 32, 64}) {
    DeviceBuffer<bfloat16> const x(random_values<bfloat16>(most * 1024, 3)), y(m * 48);
    REQUIRE(device::matmul(w.matrix(), x.data(), m, y.data(), nullptr, {}, nullptr, options));
    CHECK(same_bits(y.host(), all, static_cast<std::size_t>(m * 48)));
  }
}

TEST_CASE("slices by rows and by columns", "[matmul][stream]") {
  Weights<Nested> const w(50, 1024, 14);
  auto slice = w.matrix();
  slice.rows = 30;
  slice.cols = 512;
  slice.origin = 11 * 1024 + 256;
  CHECK(error_before_rounding<Nested, bfloat16>(w, slice, 2) < before_rounding);
}

TEST_CASE("merged weights in one launch", "[matmul][stream]") {
  Weights<Nested> const q(70, 512, 15), k(33, 512, 16), v(40, 512, 17);
  MatrixParts<Nested, 4> parts;
  parts.part[0] = q.matrix();
  parts.part[1].cols = parts.part[1].row_stride = 512;  // no rows
  parts.part[2] = k.matrix();
  parts.part[3] = v.matrix();
  parts.count = 4;
  int64_t const m = 9, n = 143;
  auto const x = random_values<float16>(m * 512, 18);
  auto const bias = random_values<float16>(n, 19);
  DeviceBuffer<float16> const from(x), add(bias), to(m * n);
  REQUIRE(device::matmul(parts, from.data(), m, to.data(), add.data(), {}, nullptr));
  REQUIRE(to.is_written());
  auto const y = to.host();
  std::vector<double> got, expected;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t r = 0; r < n; ++r) {
      auto const [weights, row] = r < 70    ? std::pair{&q, r}
                                  : r < 103 ? std::pair{&k, r - 70}
                                            : std::pair{&v, r - 103};
      got.push_back(double{to_float(y[static_cast<std::size_t>(i * n + r)])});
      expected.push_back(product(*weights, weights->matrix(), row, x, i) +
                         double{to_float(bias[static_cast<std::size_t>(r)])});
    }
  CHECK(relative_error(got, expected) < 0.4e-3);
}

TEST_CASE("on a GPU without clusters", "[matmul][stream]") {
  gpu_free::Seeded const restore(0);
  gpu_free::settings().compute_major = 8;
  gpu_free::settings().sm_count = 3;
  Weights<Plain> const w(300, 512, 20);
  CHECK(error_of<Plain, float16>(w, w.matrix(), 3, true) < 0.4e-3);
}

TEST_CASE("beyond 65504 a float16 result is infinite, a bfloat16 is not", "[matmul][stream]") {
  Weights<Plain> const w(8, 64, 21);
  auto const greatest = [&]<class T>(T) {
    DeviceBuffer<T> const x(std::vector<T>(64, from_float<T>(6e4f))), y(8);
    std::vector<T> bias(8, from_float<T>(6e4f));
    bias[3] = from_float<T>(6e4f);
    DeviceBuffer<T> const add(bias);
    REQUIRE(device::matmul(w.matrix(), x.data(), 1, y.data(), add.data(), {}, nullptr));
    float most = 0;
    for (T const v : y.host()) most = std::max(most, to_float(v));
    return most;
  };
  CHECK(std::isinf(greatest(float16{})));
  CHECK(std::isfinite(greatest(bfloat16{})));
}
