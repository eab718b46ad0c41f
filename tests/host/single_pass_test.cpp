// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// options.single_pass: the same bytes and the same errors from one pass over the values.
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <atomic>

#include "host/data.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::Int8,
    qfmt::NF4, qfmt::QuantizeOptions, qfmt::RowWise, qfmt::Scheme, qfmt::Status, qfmt::Workspace;
using qfmt::host::BlockRange, qfmt::host::Serial, qfmt::host::Threads;

namespace {

QuantizeOptions single_pass(unsigned long long* count = nullptr) {
  QuantizeOptions options;
  options.single_pass = true;
  options.non_finite_count = count;
  return options;
}

template <class S>
struct Scratch {
  std::vector<float> floats;
  Workspace workspace;

  Scratch(int64_t size, bool wanted) {
    if (!S::is_nested || !wanted) return;
    floats.resize(static_cast<size_t>(qfmt::quantize_workspace_bytes<S>(size) / 4 + 1));
    workspace = {floats.data(), static_cast<int64_t>(floats.size() * 4)};
  }
};

template <class S, class T>
void check_same_bytes(int64_t size, int64_t row_length = 0) {
  auto const values = make_values<T>(Shape::normal, kind_of<typename S::format>, size, 1);
  Buffers<S> expected(size, row_length);
  REQUIRE(qfmt::host::quantize(values, expected.view()));
  for (bool const with_workspace : {false, true}) {
    CAPTURE(size, with_workspace, S::is_nested, S::block_size, type_of<T>);
    Scratch<S> scratch(size, with_workspace);
    Buffers<S> out(size, row_length), parallel(size, row_length);
    REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, single_pass(),
                                 scratch.workspace));
    REQUIRE(out.bytes() == expected.bytes());
    REQUIRE(qfmt::host::quantize_parallel(Threads{3}, values, parallel.view(), qfmt::Nearest{},
                                          single_pass(), scratch.workspace));
    REQUIRE(parallel.bytes() == expected.bytes());
  }
}

template <class S, class T>
void check_errors(int64_t row_length = 0) {
  int64_t const size = 5 * 65536 + 320;
  auto const good = make_values<T>(Shape::normal, kind_of<typename S::format>, size, 2);
  for (int64_t const at : {int64_t{0}, int64_t{4095}, int64_t{65536}, int64_t{70001}, size - 1}) {
    auto values = good;
    for (int64_t const i : {at, std::min(size - 1, at + 9), size - 1})
      values[static_cast<size_t>(i)] = nearest<T>(-std::numeric_limits<float>::infinity());
    Scratch<S> scratch(size, true);
    Buffers<S> out(size, row_length);
    unsigned long long count = 7;
    CAPTURE(at, type_of<T>, S::is_nested, S::is_row_wise);
    Status const serial = qfmt::host::quantize(values, out.view(), qfmt::Nearest{},
                                               single_pass(&count), scratch.workspace);
    REQUIRE(serial.code == Errc::non_finite);
    REQUIRE(serial.index == at);
    Status const parallel = qfmt::host::quantize_parallel(
        Threads{8}, values, out.view(), qfmt::Nearest{}, single_pass(&count), scratch.workspace);
    REQUIRE(parallel.code == Errc::non_finite);
    REQUIRE(parallel.index == at);
    REQUIRE(out.guards_intact());
    REQUIRE(count == 7);  // nothing was propagated
  }
}

/// Runs tasks in order and counts how often it is called.
struct Counting {
  int* calls;
  template <class Body>
  void operator()(int64_t tasks, Body const& body) const {
    ++*calls;
    for (int64_t task = 0; task < tasks; ++task) body(task);
  }
};

/// Nearest, counting the blocks that it is given for their scale and for their codes.
struct Observed {
  int64_t *scales, *codes;
  template <qfmt::FormatSpec F, qfmt::Element T>
  float scale(T const* values, int64_t n) const {
    ++*scales;
    return qfmt::block_absmax(values, n);
  }
  template <qfmt::FormatSpec F, qfmt::Element T>
  void encode(T const* values, int64_t n, float scale, uint8_t* out) const {
    ++*codes;
    qfmt::encode_block<F>(values, n, scale, out);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("Single pass: the bytes of two", "[host][single_pass]", float, qfmt::float16,
                   qfmt::bfloat16) {
  for (int64_t const size : {int64_t{0}, int64_t{1}, int64_t{4097}, int64_t{3 * 65536 + 33}}) {
    check_same_bytes<Scheme<Format<NF4>>, TestType>(size);
    check_same_bytes<Scheme<Format<Dynamic8>, BlockSize<256>>, TestType>(size);
    check_same_bytes<Scheme<Format<NF4>, DoubleQuant<true>>, TestType>(size);
    check_same_bytes<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, TestType>(size);
  }
  check_same_bytes<Scheme<Format<Int8>, RowWise>, TestType>(700 * 100, 100);
}

TEMPLATE_TEST_CASE("Single pass: the error and the index of two", "[host][single_pass]", float,
                   qfmt::bfloat16) {
  check_errors<Scheme<Format<NF4>>, TestType>();
  check_errors<Scheme<Format<Int8>, RowWise>, TestType>(64);
  check_errors<Scheme<Format<NF4>, DoubleQuant<true>>, TestType>();
}

TEST_CASE("Single pass: nested tensors without room for their scales are not written before",
          "[host][single_pass]") {
  using Nested = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  int64_t const size = 16 * 20000;
  auto values = make_values<float>(Shape::normal, reference::Kind::nf4, size, 3);
  values.back() = std::numeric_limits<float>::quiet_NaN();
  Buffers<Nested> out(size);
  Status const status = qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, single_pass());
  REQUIRE(status.code == Errc::non_finite);
  REQUIRE(status.index == size - 1);
  REQUIRE(out.untouched());
}

TEST_CASE("Single pass: ranges report their first value that is not finite",
          "[host][single_pass]") {
  using Plain = Scheme<Format<NF4>, BlockSize<16>>;
  std::vector<float> values(16 * 300, 1.f);
  values[100] = std::numeric_limits<float>::quiet_NaN();
  values[4000] = std::numeric_limits<float>::infinity();
  Buffers<Plain> out(16 * 300);
  auto const range = [&](int64_t first, int64_t last) {
    return qfmt::host::quantize_range(values, out.view(), BlockRange{first, last}, qfmt::Nearest{},
                                      single_pass());
  };
  Status const late = range(7, 300), early = range(0, 300), none = range(7, 250);
  CHECK(late.index == 4000);
  CHECK(early.index == 100);
  CHECK(none.code == Errc::ok);
}

TEST_CASE("Single pass: the values are gone through once", "[host][single_pass]") {
  using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
  int64_t const size = 64 * 5000;
  auto const values = make_values<float>(Shape::normal, reference::Kind::nf4, size, 4);
  int calls = 0;
  int64_t scales = 0, codes = 0;
  Observed const encoder{&scales, &codes};

  Buffers<Scheme<Format<NF4>>> plain(size);
  REQUIRE(qfmt::host::quantize_parallel(Counting{&calls}, values, plain.view(), encoder));
  CHECK(calls == 2);
  REQUIRE(qfmt::host::quantize_parallel(Counting{&calls}, values, plain.view(), encoder,
                                        single_pass()));
  CHECK(calls == 3);
  CHECK(scales == 2 * 5000);
  CHECK(codes == 2 * 5000);

  scales = codes = 0;
  Scratch<Nested> scratch(size, true);
  Buffers<Nested> nested(size);
  REQUIRE(qfmt::host::quantize(values, nested.view(), encoder, single_pass(), scratch.workspace));
  CHECK(scales == 5000);
  CHECK(codes == 5000);
  REQUIRE(qfmt::host::quantize(values, nested.view(), encoder));  // no room: scales once more
  CHECK(scales == 3 * 5000);
  Buffers<Nested> small(64 * 2000);
  scales = 0;
  REQUIRE(qfmt::host::quantize(std::span(values.data(), 64 * 2000), small.view(), encoder));
  CHECK(scales == 2000);  // few scales are kept
}
