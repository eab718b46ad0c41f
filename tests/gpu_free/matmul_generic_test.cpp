// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the streaming matmul refuses goes to a kernel that takes everything.

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {
using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
constexpr double rounded_away = 1e-5;  // by the measure itself, in bfloat16
}  // namespace

TEST_CASE("float weights and activations", "[matmul][generic]") {
  Weights<Nested> const w(19, 333, 1);
  for (int64_t const m : {1, 8, 9}) CHECK(error_of<Nested, float>(w, w.matrix(), m, true) < 1e-6);
}

TEST_CASE("rows in which no block begins", "[matmul][generic]") {
  Weights<Plain> const w(9, 3420, 2);
  CHECK(error_of<Plain, bfloat16>(w, w.matrix(), 2, false) < 2e-3);
  CHECK(error_before_rounding<Plain, bfloat16>(w, w.matrix(), 2) < rounded_away);
  Weights<Plain> const half(3, 7392, 3);
  CHECK(error_before_rounding<Plain, float16>(half, half.matrix(), 1) < rounded_away);
  auto slice = w.matrix();
  slice.rows = 4;
  slice.cols = 101;
  slice.row_stride = 2011;
  slice.origin = 13;
  CHECK(error_before_rounding<Plain, float16>(w, slice, 3) < rounded_away);
}

TEST_CASE("schemes without a table of 16 levels", "[matmul][generic]") {
  auto const check = [](auto scheme, int64_t cols) {
    using S = decltype(scheme);
    Weights<S> const w(9, cols, 4);
    CHECK(error_of<S, float>(w, w.matrix(), 3, true) < 1e-6);
    CHECK(error_before_rounding<S, bfloat16>(w, w.matrix(), 2) < rounded_away);
  };
  check(Scheme<Format<Dynamic8>>{}, 256);
  check(Scheme<Format<Dynamic8>, RowWise>{}, 77);
}

TEST_CASE("operands of any alignment", "[matmul][generic]") {
  Weights<Nested> const w(20, 256, 5, 4);  // codes at a multiple of 4 only
  CHECK(error_before_rounding<Nested, bfloat16>(w, w.matrix(), 2) < rounded_away);

  Weights<Nested> const aligned(20, 256, 6);
  auto const x = random_values<float16>(2 * 256, 7);
  DeviceBuffer<float16> const from(x, 2), to(2 * 20, 2);
  REQUIRE(device::matmul(aligned.matrix(), from.data(), 2, to.data(), nullptr, {}, nullptr));
  auto const y = to.host();
  for (int64_t i = 0; i < 40; ++i) {
    double const exact = product(aligned, aligned.matrix(), i % 20, x, i / 20);
    CHECK(std::fabs(double{to_float(y[static_cast<std::size_t>(i)])} - exact) <
          1e-3 * std::fabs(exact) + 1e-4);
  }
}

TEST_CASE("a GPU before sm_80", "[matmul][generic]") {
  gpu_free::Seeded const restore(0);
  gpu_free::settings().compute_major = 7;
  gpu_free::settings().compute_minor = 5;
  Weights<Plain> const w(9, 128, 8);
  CHECK(error_before_rounding<Plain, float16>(w, w.matrix(), 2) < rounded_away);
}

TEST_CASE("empty products and refusals", "[matmul][generic]") {
  Weights<Plain> const w(9, 128, 9);
  float16* const none = nullptr;
  CHECK(device::matmul(w.matrix(), none, 0, none, nullptr, {}, nullptr));
  CHECK(device::matmul(w.matrix(), none, 1, none, nullptr, {}, nullptr).code == Errc::null_pointer);
  CHECK(device::matmul(w.matrix(), none, -1, none, nullptr, {}, nullptr).code ==
        Errc::size_mismatch);
  auto wide = w.matrix();
  wide.cols = 129;  // rows would overlap
  CHECK(device::matmul(wide, none, 1, none, nullptr, {}, nullptr).code == Errc::unsupported_shape);
}

TEST_CASE("more rows of x than a launch has blocks for", "[matmul][generic]") {
  // Only the last block of each launch runs: what it writes must be the last rows.
  Weights<Plain> const w(1, 16, 10);
  int64_t const m = int64_t{65535} * 8 + 3;
  DeviceBuffer<float> x(m * 16);
  DeviceBuffer<float> const y(m);
  std::vector<float> const tail = random_values<float>(3 * 16, 11);
  x.write(tail, (m - 3) * 16);
  std::vector<float> const before(8 * 16, 1.f);
  x.write(before, (m - 11) * 16);
  gpu_free::Seeded const restore(0);
  gpu_free::settings().runs_block = [](std::uint64_t i, std::uint64_t n) { return i + 1 == n; };
  REQUIRE(device::matmul(w.matrix(), x.data(), m, y.data(), nullptr, {}, nullptr));
  CHECK(y.is_written(m - 3, 3));
  auto const got = y.host(m - 3, 3);
  for (int i = 0; i < 3; ++i)
    CHECK(std::fabs(double{got[static_cast<std::size_t>(i)]} - product(w, w.matrix(), 0, tail, i)) <
          1e-5);
}
