// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Views are aggregates that may be kernel parameters, and const on the scheme makes them read-only.
#include "qfmt/codec/decode.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/layout/quantized_matrix.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <cstring>
#include <tuple>
#include <type_traits>

namespace {

using namespace qfmt;

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<FP4>, BlockSize<32>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Map = Scheme<Format<Dynamic8>, BlockSize<256>>;
using MapRows = Scheme<Format<UnsignedDynamic8>, RowWise>;

using Schemes = std::tuple<Plain, Nested, Rows, Map, MapRows>;

template <class V>
constexpr bool is_parameter =
    std::is_trivially_copyable_v<V>&& std::is_aggregate_v<V>&& std::is_standard_layout_v<V>&&
        std::is_trivially_destructible_v<V>&& std::is_copy_assignable_v<V>;

/// Overload resolution sees the same direction as assignment does.
template <class S>
int which(QuantizedSpan<S const>) {
  return 1;
}
template <class S>
int which_matrix(QuantizedMatrix<S const>) {
  return 2;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("views are trivially copyable aggregates", "[layout]", Schemes) {
  using S = TestType;
  STATIC_CHECK(is_parameter<QuantizedSpan<S>>);
  STATIC_CHECK(is_parameter<QuantizedSpan<S const>>);
  STATIC_CHECK(is_parameter<QuantizedMatrix<S>>);
  STATIC_CHECK(is_parameter<QuantizedMatrix<S const>>);
  STATIC_CHECK(is_parameter<ScalesOf<S>>);
  STATIC_CHECK(sizeof(QuantizedSpan<S>) == sizeof(QuantizedSpan<S const>));
  STATIC_CHECK(sizeof(QuantizedMatrix<S>) == sizeof(QuantizedSpan<S>) + 4 * sizeof(std::int64_t));
  STATIC_CHECK(alignof(QuantizedMatrix<S>) == alignof(std::int64_t));
}

TEMPLATE_LIST_TEST_CASE("const is added and never dropped", "[layout]", Schemes) {
  using S = TestType;
  STATIC_CHECK(std::is_convertible_v<QuantizedSpan<S>, QuantizedSpan<S const>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedSpan<S const>, QuantizedSpan<S>>);
  STATIC_CHECK_FALSE(std::is_constructible_v<QuantizedSpan<S>, QuantizedSpan<S const>>);
  STATIC_CHECK(std::is_convertible_v<QuantizedMatrix<S>, QuantizedMatrix<S const>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedMatrix<S const>, QuantizedMatrix<S>>);
  STATIC_CHECK(std::is_convertible_v<ScalesOf<S>, ScalesOf<S const>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<ScalesOf<S const>, ScalesOf<S>>);
  using Codes = decltype(QuantizedSpan<S const>::codes);
  STATIC_CHECK(std::same_as<Codes, std::uint8_t const*>);
  STATIC_CHECK(std::same_as<decltype(QuantizedSpan<S>::codes), std::uint8_t*>);
}

TEST_CASE("views of different schemes do not convert into each other", "[layout]") {
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedSpan<Plain>, QuantizedSpan<Nested const>>);
  STATIC_CHECK_FALSE(
      std::is_convertible_v<QuantizedSpan<Plain>, QuantizedSpan<Scheme<Format<FP4>> const>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedSpan<Plain>, QuantizedMatrix<Plain>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedMatrix<Plain>, QuantizedSpan<Plain>>);
}

TEST_CASE("a scheme's scales are of the kind that the scheme says", "[layout]") {
  STATIC_CHECK(std::same_as<ScalesOf<Plain>, PlainScales<Plain>>);
  STATIC_CHECK(std::same_as<ScalesOf<Nested>, NestedScales<Nested>>);
  STATIC_CHECK(std::same_as<ScalesOf<Rows>, RowScales<Rows>>);
  STATIC_CHECK(std::same_as<ScalesOf<Map>, PlainScales<Map>>);
  STATIC_CHECK(std::same_as<decltype(NestedScales<Nested>::absmax), QuantizedSpan<AbsmaxScheme>>);
  STATIC_CHECK(std::same_as<decltype(NestedScales<Nested const>::absmax),
                            QuantizedSpan<AbsmaxScheme const>>);
  STATIC_CHECK(std::same_as<decltype(PlainScales<Plain const>::absmax), float const*>);
  STATIC_CHECK(std::same_as<decltype(NestedScales<Nested const>::offset), float const*>);
  STATIC_CHECK(std::same_as<decltype(PlainScales<Map>::levels), float const*>);
  STATIC_CHECK(std::same_as<decltype(RowScales<MapRows>::levels), float const*>);
}

TEST_CASE("a plain view carries no field for nesting or maps", "[layout]") {
  STATIC_CHECK(sizeof(PlainScales<Plain>) == sizeof(float*));
  STATIC_CHECK(sizeof(QuantizedSpan<Plain>) == 3 * sizeof(void*));
  STATIC_CHECK(sizeof(RowScales<Rows>) == 2 * sizeof(void*));
  STATIC_CHECK(sizeof(PlainScales<Map>) == 2 * sizeof(void*));
  STATIC_CHECK(sizeof(QuantizedSpan<Nested>) == 7 * sizeof(void*));
}

TEST_CASE("conversion carries every member", "[layout]") {
  std::uint8_t codes[8]{}, inner[4]{};
  float absmax2 = 0.f, offset = 0.f, map[256]{}, scale = 0.f;

  QuantizedSpan<Nested> const nested{codes, {{inner, {&absmax2, map}, 4}, &offset}, 100};
  QuantizedSpan<Nested const> const read = nested;
  CHECK(read.codes == codes);
  CHECK(read.size == 100);
  CHECK(read.scales.offset == &offset);
  CHECK(read.scales.absmax.codes == inner);
  CHECK(read.scales.absmax.size == 4);
  CHECK(read.scales.absmax.scales.absmax == &absmax2);
  CHECK(read.scales.absmax.scales.levels == map);

  QuantizedSpan<MapRows const> const rows = QuantizedSpan<MapRows>{codes, {&scale, 4, map}, 8};
  CHECK(rows.scales.absmax == &scale);
  CHECK(rows.scales.row_length == 4);
  CHECK(rows.scales.levels == map);

  QuantizedMatrix<Plain> const matrix{{codes, {&scale}, 16}, 2, 3, 5, 4};
  QuantizedMatrix<Plain const> const slice = matrix;
  CHECK(slice.values.codes == codes);
  CHECK(slice.values.scales.absmax == &scale);
  CHECK(slice.values.size == 16);
  CHECK(slice.rows == 2);
  CHECK(slice.cols == 3);
  CHECK(slice.row_stride == 5);
  CHECK(slice.origin == 4);

  CHECK(which<Nested>(nested) == 1);
  CHECK(which<Nested>(read) == 1);
  CHECK(which_matrix<Plain>(matrix) == 2);
}

TEST_CASE("a matrix is dense from its start unless it says otherwise", "[layout]") {
  QuantizedMatrix<Plain> const matrix{.rows = 3, .cols = 7};
  CHECK(matrix.row_stride == 7);
  CHECK(matrix.origin == 0);
  QuantizedMatrix<Plain> const empty;
  CHECK(empty.rows == 0);
  CHECK(empty.cols == 0);
  CHECK(empty.row_stride == 0);
  CHECK(empty.values.codes == nullptr);
  CHECK(empty.values.size == 0);
}

TEST_CASE("a fresh view is empty", "[layout]") {
  QuantizedSpan<Nested> const view;
  CHECK(view.codes == nullptr);
  CHECK(view.size == 0);
  CHECK(view.scales.offset == nullptr);
  CHECK(view.scales.absmax.codes == nullptr);
  CHECK(view.scales.absmax.size == 0);
  CHECK(view.scales.absmax.scales.absmax == nullptr);
  CHECK(view.scales.absmax.scales.levels == nullptr);
}

TEST_CASE("the block of a value, beyond 32 bits too", "[layout]") {
  QuantizedSpan<Plain> plain;
  QuantizedSpan<Rows> rows;
  rows.scales.row_length = 11008;
  std::int64_t const far = (std::int64_t{1} << 35) + 77;
  CHECK(block_of(plain, 0) == 0);
  CHECK(block_of(plain, 63) == 0);
  CHECK(block_of(plain, 64) == 1);
  CHECK(block_of(plain, far) == 536870913);
  CHECK(block_of(rows, 11007) == 0);
  CHECK(block_of(rows, 11008) == 1);
  CHECK(block_of(rows, far) == 3121342);
}

TEST_CASE("views survive being copied as bytes", "[layout]") {
  std::uint8_t codes[4]{};
  float scale = 1.f;
  QuantizedMatrix<Plain> const from{{codes, {&scale}, 8}, 2, 4};
  QuantizedMatrix<Plain> to;
  std::memcpy(&to, &from, sizeof(from));
  CHECK(to.values.codes == codes);
  CHECK(to.values.scales.absmax == &scale);
  CHECK(to.row_stride == 4);
}
