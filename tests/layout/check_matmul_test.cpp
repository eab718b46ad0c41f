// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a matmul refuses, as constant expressions: each line changes one thing of a good product.
#include "qfmt/layout/check_matmul.hpp"

#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

namespace {

using namespace qfmt;
using S = Scheme<Format<NF4>>;

constexpr std::uint8_t codes[256]{};
constexpr float absmax[8]{};
constexpr float x[512]{};
constexpr float y[512]{};
constexpr float bias[8]{};
constexpr float const* none = nullptr;

/// 4 rows of 128.
constexpr QuantizedMatrix<S const> good{{codes, {absmax}, 512}, 4, 128, 128, 0};

constexpr QuantizedMatrix<S const> with(auto change) {
  auto w = good;
  change(w);
  return w;
}
constexpr MatrixParts<S const> parts_with(auto change) {
  MatrixParts<S const> w;
  w.part[0] = w.part[1] = good;
  w.count = 2;
  change(w);
  return w;
}
constexpr std::int64_t huge = std::int64_t{1} << 58;

static_assert(check_matmul(good, x, 3, y, bias) == Errc::ok);
static_assert(check_matmul(good, x, 3, y, none) == Errc::ok);
static_assert(check_matmul(good, x, -1, y, none) == Errc::size_mismatch);
static_assert(check_matmul(good, none, 3, y, none) == Errc::null_pointer);
static_assert(check_matmul(good, x, 3, none, none) == Errc::null_pointer);
static_assert(check_matmul(good, none, 0, none, none) == Errc::ok, "an empty product");
static_assert(check_matmul(good, x, huge, y, none) == Errc::unsupported_shape,
              "m * cols does not fit");
static_assert(check_matmul(with([](auto& w) { w.rows = 0; }), none, 3, none, none) == Errc::ok);
static_assert(check_matmul(with([](auto& w) { w.rows = 5; }), x, 3, y, none) != Errc::ok,
              "more rows than values");
static_assert(check_matmul(with([](auto& w) { w.origin = 1; }), x, 3, y, none) != Errc::ok,
              "the last row ends behind the values");
static_assert(check_matmul(with([](auto& w) { w.rows = -1; }), x, 3, y, none) != Errc::ok);
static_assert(check_matmul(with([](auto& w) { w.values.codes = nullptr; }), x, 3, y, none) ==
              Errc::null_pointer);

static_assert(check_matmul(parts_with([](auto&) {}), x, 3, y, bias) == Errc::ok);
static_assert(check_matmul(parts_with([](auto& w) { w.count = 5; }), x, 3, y, none) ==
              Errc::size_mismatch);
static_assert(check_matmul(parts_with([](auto& w) { w.count = -1; }), x, 3, y, none) ==
              Errc::size_mismatch);
static_assert(check_matmul(parts_with([](auto& w) { w.part[1].cols = 64; }), x, 3, y, none) ==
              Errc::size_mismatch);
static_assert(check_matmul(parts_with([](auto& w) { w.part[1].values.scales.absmax = nullptr; }), x,
                           3, y, none) == Errc::null_pointer);

}  // namespace

TEST_CASE("a misaligned operand is refused", "[layout][matmul]") {
  alignas(16) static char bytes[2048];
  auto const odd = reinterpret_cast<float*>(reinterpret_cast<std::uintptr_t>(bytes) + 2);
  auto const even = reinterpret_cast<float*>(bytes);
  CHECK(check_matmul(good, odd, 3, even, none) == Errc::misaligned);
  CHECK(check_matmul(good, even, 3, odd, none) == Errc::misaligned);
  CHECK(check_matmul(good, even, 3, even, odd) == Errc::misaligned);
  CHECK(check_matmul(good, even, 3, even, even) == Errc::ok);
}
