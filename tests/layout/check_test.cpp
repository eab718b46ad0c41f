// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/layout/check.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <cstring>
#include <limits>

namespace {

using namespace qfmt;

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Map = Scheme<Format<Dynamic8>, BlockSize<256>>;

alignas(16) std::uint8_t codes[256];
alignas(16) std::uint8_t inner[64];
alignas(16) float floats[8];
alignas(16) float map[256];

/// The address one byte on: no float lives there, and nothing here reads it.
float* one_byte_on(float* p) {
  auto const address = reinterpret_cast<std::uintptr_t>(p) + 1;
  return reinterpret_cast<float*>(address);
}

QuantizedSpan<Plain> plain() { return {codes, {floats}, 200}; }
QuantizedSpan<Nested> nested() { return {codes, {{inner, {floats, map}, 13}, floats + 4}, 200}; }
QuantizedSpan<Rows> rows() { return {codes, {floats, 50}, 200}; }
QuantizedSpan<Map> mapped() { return {codes, {floats, map}, 200}; }

/// check of a view after `change`, through its const view also.
template <class S, class Change>
Errc after(QuantizedSpan<S> view, Change const& change) {
  change(view);
  Errc const result = check(view);
  CHECK(check(QuantizedSpan<S const>(view)) == result);
  return result;
}

}  // namespace

TEST_CASE("sound views are ok", "[layout]") {
  CHECK(check(plain()) == Errc::ok);
  CHECK(check(nested()) == Errc::ok);
  CHECK(check(rows()) == Errc::ok);
  CHECK(check(mapped()) == Errc::ok);
}

TEST_CASE("an empty view is ok whatever it points at", "[layout]") {
  CHECK(check(QuantizedSpan<Plain>{}) == Errc::ok);
  CHECK(check(QuantizedSpan<Nested>{}) == Errc::ok);
  CHECK(check(QuantizedSpan<Rows>{}) == Errc::ok);
  CHECK(check(QuantizedSpan<Map>{}) == Errc::ok);
}

TEST_CASE("null pointers", "[layout]") {
  CHECK(after(plain(), [](auto& v) { v.codes = nullptr; }) == Errc::null_pointer);
  CHECK(after(plain(), [](auto& v) { v.scales.absmax = nullptr; }) == Errc::null_pointer);
  CHECK(after(rows(), [](auto& v) { v.codes = nullptr; }) == Errc::null_pointer);
  CHECK(after(rows(), [](auto& v) { v.scales.absmax = nullptr; }) == Errc::null_pointer);
  CHECK(after(mapped(), [](auto& v) { v.scales.absmax = nullptr; }) == Errc::null_pointer);
  CHECK(after(nested(), [](auto& v) { v.codes = nullptr; }) == Errc::null_pointer);
  CHECK(after(nested(), [](auto& v) { v.scales.offset = nullptr; }) == Errc::null_pointer);
  CHECK(after(nested(), [](auto& v) { v.scales.absmax.codes = nullptr; }) == Errc::null_pointer);
  CHECK(after(nested(), [](auto& v) { v.scales.absmax.scales.absmax = nullptr; }) ==
        Errc::null_pointer);
}

TEST_CASE("a null map means the built-in one", "[layout]") {
  CHECK(after(mapped(), [](auto& v) { v.scales.levels = nullptr; }) == Errc::ok);
  CHECK(after(nested(), [](auto& v) { v.scales.absmax.scales.levels = nullptr; }) == Errc::ok);
}

TEST_CASE("floats must be aligned, codes need not", "[layout]") {
  auto const shift = [](auto& p) { p = one_byte_on(const_cast<float*>(p)); };
  CHECK(after(plain(), [&](auto& v) { shift(v.scales.absmax); }) == Errc::misaligned);
  CHECK(after(rows(), [&](auto& v) { shift(v.scales.absmax); }) == Errc::misaligned);
  CHECK(after(nested(), [&](auto& v) { shift(v.scales.offset); }) == Errc::misaligned);
  CHECK(after(nested(), [&](auto& v) { shift(v.scales.absmax.scales.absmax); }) ==
        Errc::misaligned);
  CHECK(after(mapped(), [](auto& v) { v.scales.levels = one_byte_on(map); }) == Errc::misaligned);
  CHECK(after(plain(), [](auto& v) { v.codes += 1; }) == Errc::ok);
  CHECK(after(nested(), [](auto& v) { v.codes += 3; }) == Errc::ok);
  CHECK(after(nested(), [](auto& v) { v.scales.absmax.codes += 7; }) == Errc::ok);
}

TEST_CASE("sizes that do not belong together", "[layout]") {
  for (std::int64_t const size : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    CHECK(after(plain(), [=](auto& v) { v.size = size; }) == Errc::size_mismatch);
    CHECK(after(nested(), [=](auto& v) { v.size = size; }) == Errc::size_mismatch);
    CHECK(after(rows(), [=](auto& v) { v.size = size; }) == Errc::size_mismatch);
  }
  for (std::int64_t const size : {0, 12, 14, -13})  // 200 values are 13 blocks of 16
    CHECK(after(nested(), [=](auto& v) { v.scales.absmax.size = size; }) == Errc::size_mismatch);
  CHECK(after(nested(), [](auto& v) { v.size = 208; }) == Errc::ok);
  CHECK(after(nested(), [](auto& v) { v.size = 209; }) == Errc::size_mismatch);
}

TEST_CASE("rows must divide the size", "[layout]") {
  for (std::int64_t const length : {0, -1, -50, 3, 199, 201, 400})
    CHECK(after(rows(), [=](auto& v) { v.scales.row_length = length; }) == Errc::unsupported_shape);
  for (std::int64_t const length : {1, 2, 8, 100, 200})
    CHECK(after(rows(), [=](auto& v) { v.scales.row_length = length; }) == Errc::ok);
}

TEST_CASE("a view is checked in constant expressions", "[layout]") {
  STATIC_CHECK(check(QuantizedSpan<Plain>{nullptr, {}, 3}) == Errc::null_pointer);
  STATIC_CHECK(check(QuantizedSpan<Plain>{nullptr, {}, -3}) == Errc::size_mismatch);
}
