// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/host/quantized_tensor.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "support/sweep.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace qfmt;

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Schemes = std::tuple<Plain, Nested, Rows, Scheme<Format<Int8>>,
                           Scheme<Format<FP4>, BlockSize<4096>, DoubleQuant<true>>,
                           Scheme<Format<Dynamic8>, BlockSize<256>>>;

template <class S>
bool holds_nothing(QuantizedTensor<S> const& t) {
  auto const m = t.matrix();
  return t.bytes() == 0 && t.bits_per_value() == 0.0 && m.rows == 0 && m.cols == 0 &&
         t.span().size == 0 && t.span().codes == nullptr;
}

std::vector<float> ramp(std::int64_t n) {
  std::vector<float> v;
  for (std::int64_t i = 0; i < n; ++i) v.push_back(static_cast<float>(i % 97 - 48));
  return v;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a tensor owns the storage that its scheme needs, zeroed", "[host]",
                        Schemes) {
  using S = TestType;
  for (std::int64_t const rows : {0, 1, 3, 64})
    for (std::int64_t const cols : {0, 1, 17, 64, 1000}) {
      INFO(rows << " x " << cols);
      QuantizedTensor<S> tensor(rows, cols);
      REQUIRE(tensor.status());
      CHECK(tensor.bytes() == storage_bytes<S>(rows, cols));
      CHECK(tensor.span().size == rows * cols);
      CHECK(tensor.matrix().rows == rows);
      CHECK(tensor.matrix().cols == cols);
      CHECK(tensor.matrix().values.codes == tensor.span().codes);
      CHECK(std::as_const(tensor).span().codes == tensor.span().codes);
      CHECK(reinterpret_cast<std::uintptr_t>(tensor.span().codes) % 128 == 0);
      CHECK(check(tensor.span()) == Errc::ok);
      auto const* const bytes = tensor.span().codes;
      CHECK(std::all_of(bytes, bytes + tensor.bytes(), [](std::uint8_t b) { return b == 0; }));
    }
}

TEST_CASE("a size alone is one row", "[host]") {
  QuantizedTensor<Rows> const tensor(1000);
  CHECK(tensor.matrix().rows == 1);
  CHECK(tensor.matrix().cols == 1000);
  CHECK(tensor.span().scales.row_length == 1000);
}

TEST_CASE("bits per value count codes and scales, not padding", "[host]") {
  CHECK(QuantizedTensor<Plain>(4096, 4096).bits_per_value() == 4.5);
  CHECK(QuantizedTensor<Rows>(64, 4096).bits_per_value() == 8.0 + 32.0 / 4096);
  CHECK(QuantizedTensor<Scheme<Format<Int8>>>(4096).bits_per_value() == 8.5);
  CHECK(QuantizedTensor<Plain>(1).bits_per_value() == 8.0 * (1 + 4));
  // 4 + 8/64 + 32/(64 * 256), and one f32 for the whole tensor
  double const nested = 4 + 8.0 / 64 + 32.0 / (64 * 256) + 32.0 / (1024 * 1024);
  CHECK(QuantizedTensor<Nested>(1024, 1024).bits_per_value() ==
        Catch::Approx(nested).epsilon(1e-12));
}

TEMPLATE_LIST_TEST_CASE("a bad shape leaves it empty and the status says why", "[host]", Schemes) {
  using S = TestType;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  auto const refused = [](QuantizedTensor<S> const& t) {
    return t.status().code == Errc::unsupported_shape && holds_nothing(t);
  };
  CHECK(refused(QuantizedTensor<S>(-1)));
  CHECK(refused(QuantizedTensor<S>(-1, 64)));
  CHECK(refused(QuantizedTensor<S>(64, -1)));
  CHECK(refused(QuantizedTensor<S>(-64, -64)));
  CHECK(refused(QuantizedTensor<S>(most, most)));
  CHECK(refused(QuantizedTensor<S>(std::int64_t{1} << 32, std::int64_t{1} << 32)));
  CHECK(refused(QuantizedTensor<S>(most)));
}

TEMPLATE_LIST_TEST_CASE("memory that is not there leaves it empty", "[host]", Schemes) {
  if (sweep::sanitized) SKIP("the sanitizer's allocator ends the process instead");
  QuantizedTensor<TestType> const tensor(std::int64_t{1} << 29, std::int64_t{1} << 29);
  CHECK(tensor.status().code == Errc::out_of_memory);
  CHECK(holds_nothing(tensor));
}

TEST_CASE("a fresh tensor is empty and sound", "[host]") {
  QuantizedTensor<Nested> const tensor;
  CHECK(tensor.status());
  CHECK(holds_nothing(tensor));
}

TEST_CASE("it moves and does not copy", "[host]") {
  STATIC_CHECK_FALSE(std::is_copy_constructible_v<QuantizedTensor<Plain>>);
  STATIC_CHECK_FALSE(std::is_copy_assignable_v<QuantizedTensor<Plain>>);
  STATIC_CHECK(std::is_nothrow_move_constructible_v<QuantizedTensor<Plain>>);
  STATIC_CHECK(std::is_nothrow_move_assignable_v<QuantizedTensor<Plain>>);
}

TEST_CASE("a move carries views, bytes and content along", "[host]") {
  auto const values = ramp(5000);
  QuantizedTensor<Nested> from(50, 100);
  REQUIRE(host::quantize(values, from.span()));
  auto const* const codes = from.span().codes;
  std::vector<float> before(values.size()), after(values.size());
  REQUIRE(host::dequantize(from.span(), before));

  QuantizedTensor<Nested> constructed(std::move(from));
  QuantizedTensor<Nested> assigned(3);
  assigned = std::move(constructed);
  CHECK(assigned.span().codes == codes);
  CHECK(assigned.bytes() == storage_bytes<Nested>(50, 100));
  CHECK(assigned.matrix().rows == 50);
  REQUIRE(host::dequantize(assigned.span(), after));
  CHECK(before == after);
}

TEST_CASE("const tensors give read-only views", "[host]") {
  using Tensor = QuantizedTensor<Plain>;
  STATIC_CHECK(std::same_as<decltype(std::declval<Tensor&>().span()), QuantizedSpan<Plain>>);
  STATIC_CHECK(
      std::same_as<decltype(std::declval<Tensor const&>().span()), QuantizedSpan<Plain const>>);
  STATIC_CHECK(std::same_as<decltype(std::declval<Tensor&>().matrix()), QuantizedMatrix<Plain>>);
  STATIC_CHECK(
      std::same_as<decltype(std::declval<Tensor const&>().matrix()), QuantizedMatrix<Plain const>>);
}

TEST_CASE("what was moved from is empty", "[host]") {
  QuantizedTensor<Nested> from(50, 100);
  QuantizedTensor<Nested> const to(std::move(from));
  CHECK(to.bytes() > 0);
  CHECK(holds_nothing(from));  // NOLINT: the moved-from state is the subject
}
