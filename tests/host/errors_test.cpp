// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every refused call: which Errc, which index, and that nothing was written.
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/data.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::FP4,
    qfmt::Int8, qfmt::NF4, qfmt::RowWise, qfmt::Scheme, qfmt::Status;
using qfmt::host::BlockRange, qfmt::host::Threads;

namespace {

using Plain = Scheme<Format<NF4>, BlockSize<16>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Nested = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
constexpr int64_t size = 16 * 300;

/// Every operation that takes a whole view fails with `expected`, and writes nothing anywhere.
template <class S>
void check_refused(qfmt::QuantizedSpan<S> view, Errc expected, std::span<float> values) {
  std::vector<float> const before(values.begin(), values.end());
  std::vector<float> absmax(300, 1.f);
  std::span<float const> const scales = absmax;
  std::vector<Status> statuses{
      qfmt::host::quantize(values, view),
      qfmt::host::quantize_parallel(Threads{3}, values, view),
      qfmt::host::dequantize(view, values),
      qfmt::host::dequantize_parallel(Threads{3}, view, values),
      qfmt::host::dequantize_range(view, values, BlockRange{0, 1}),
  };
  if constexpr (S::is_nested) {
    statuses.push_back(qfmt::host::absmax_range(values, std::span(absmax), view, BlockRange{0, 1}));
    statuses.push_back(qfmt::host::encode_range(values, scales, view, BlockRange{0, 256}));
  } else {
    statuses.push_back(qfmt::host::quantize_range(values, view, BlockRange{0, 1}));
  }
  for (size_t i = 0; i < statuses.size(); ++i) {
    CAPTURE(i);
    CHECK(statuses[i].code == expected);
    CHECK(statuses[i].index == -1);
    CHECK(!statuses[i]);
  }
  REQUIRE(std::equal(before.begin(), before.end(), values.begin()));
  REQUIRE(absmax == std::vector<float>(300, 1.f));
}

/// Breaks one thing of a good view.
template <class S, class Break>
void check_broken(Errc expected, Break const& break_view) {
  std::vector<float> values(static_cast<size_t>(size), 1.f);
  Buffers<S> out(size, 16);
  auto view = out.view();
  break_view(view);
  check_refused<S>(view, expected, values);
  REQUIRE(out.untouched());
}

template <class P>
P* off_by(P* pointer, uintptr_t bytes) {
  return reinterpret_cast<P*>(reinterpret_cast<uintptr_t>(pointer) + bytes);
}

template <class S, class T>
void check_non_finite(int64_t row_length = 0) {
  int64_t const count = 3 * 65536 + 320;  // several tasks
  auto const good = make_values<T>(Shape::normal, kind_of<typename S::format>, count, 1);
  float const infinity = std::numeric_limits<float>::infinity();
  for (float const bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    for (int64_t const at : {int64_t{0}, int64_t{1}, int64_t{15}, int64_t{4095}, int64_t{4096},
                             int64_t{65535}, int64_t{65536}, int64_t{70001}, count - 1}) {
      auto values = good;
      values[static_cast<size_t>(at)] = nearest<T>(bad);
      Buffers<S> out(count, row_length);
      CAPTURE(bad, at, type_of<T>, S::is_nested, S::is_row_wise);
      Status const serial = qfmt::host::quantize(values, out.view());
      REQUIRE(serial.code == Errc::non_finite);
      REQUIRE(serial.index == at);
      Status const parallel = qfmt::host::quantize_parallel(Threads{8}, values, out.view());
      REQUIRE(parallel.code == Errc::non_finite);
      REQUIRE(parallel.index == at);
      REQUIRE(out.untouched());
    }
}

/// Many bad values: the first one is reported, whoever finds which.
template <class S, class T>
void check_lowest_wins(int64_t row_length = 0) {
  int64_t const count = 1 << 20;
  auto const good = make_values<T>(Shape::uniform, kind_of<typename S::format>, count, 2);
  std::mt19937_64 random(3);
  for (int round = 0; round < (sanitized ? 4 : 16); ++round) {
    auto values = good;
    int64_t lowest = count;
    for (int n = 0; n < 20; ++n) {
      auto const at = static_cast<int64_t>(random() % static_cast<uint64_t>(count));
      values[static_cast<size_t>(at)] =
          nearest<T>(n % 2 == 0 ? std::numeric_limits<float>::quiet_NaN()
                                : -std::numeric_limits<float>::infinity());
      lowest = std::min(lowest, at);
    }
    Buffers<S> out(count, row_length);
    Status const parallel = qfmt::host::quantize_parallel(Threads{8}, values, out.view());
    REQUIRE(parallel.code == Errc::non_finite);
    REQUIRE(parallel.index == lowest);
    Status const serial = qfmt::host::quantize(values, out.view());
    REQUIRE(serial.index == lowest);
    REQUIRE(out.untouched());
  }
}

}  // namespace

TEST_CASE("Null pointers are refused", "[host][errors]") {
  check_broken<Plain>(Errc::null_pointer, [](auto& v) { v.codes = nullptr; });
  check_broken<Plain>(Errc::null_pointer, [](auto& v) { v.scales.absmax = nullptr; });
  check_broken<Rows>(Errc::null_pointer, [](auto& v) { v.codes = nullptr; });
  check_broken<Rows>(Errc::null_pointer, [](auto& v) { v.scales.absmax = nullptr; });
  check_broken<Nested>(Errc::null_pointer, [](auto& v) { v.codes = nullptr; });
  check_broken<Nested>(Errc::null_pointer, [](auto& v) { v.scales.offset = nullptr; });
  check_broken<Nested>(Errc::null_pointer, [](auto& v) { v.scales.absmax.codes = nullptr; });
  check_broken<Nested>(Errc::null_pointer,
                       [](auto& v) { v.scales.absmax.scales.absmax = nullptr; });
  Buffers<Plain> out(size);
  std::span<float> const nothing(static_cast<float*>(nullptr), static_cast<size_t>(size));
  Status const coded = qfmt::host::quantize(nothing, out.view());
  REQUIRE(coded.code == Errc::null_pointer);
  Status const decoded = qfmt::host::dequantize(out.view(), nothing);
  REQUIRE(decoded.code == Errc::null_pointer);
  REQUIRE(out.untouched());
}

TEST_CASE("Floats and values must be aligned, codes need not be", "[host][errors]") {
  for (uintptr_t const bytes : {1, 2, 3}) {
    CAPTURE(bytes);
    auto const shift = [&](auto*& p) { p = off_by(p, bytes); };
    check_broken<Plain>(Errc::misaligned, [&](auto& v) { shift(v.scales.absmax); });
    check_broken<Rows>(Errc::misaligned, [&](auto& v) { shift(v.scales.absmax); });
    check_broken<Nested>(Errc::misaligned, [&](auto& v) { shift(v.scales.offset); });
    check_broken<Nested>(Errc::misaligned, [&](auto& v) { shift(v.scales.absmax.scales.absmax); });

    std::vector<float> values(static_cast<size_t>(size) + 1, 1.f);
    Buffers<Plain> out(size);
    std::span<float> const odd(off_by(values.data(), bytes), static_cast<size_t>(size));
    Status const coded = qfmt::host::quantize(odd, out.view());
    REQUIRE(coded.code == Errc::misaligned);
    REQUIRE(out.untouched());
    Status const decoded = qfmt::host::dequantize(out.view(), odd);
    REQUIRE(decoded.code == Errc::misaligned);
    REQUIRE(values == std::vector<float>(static_cast<size_t>(size) + 1, 1.f));
  }
  std::vector<qfmt::bfloat16> halves(static_cast<size_t>(size) + 1, qfmt::bfloat16(1.f));
  Buffers<Plain> out(size);
  std::span<qfmt::bfloat16> const odd(off_by(halves.data(), 1), static_cast<size_t>(size));
  Status const coded = qfmt::host::quantize(odd, out.view());
  REQUIRE(coded.code == Errc::misaligned);
  REQUIRE(out.untouched());

  for (size_t shift = 0; shift < 16; ++shift) {  // codes anywhere
    auto const values = make_values<float>(Shape::normal, reference::Kind::nf4, size, 7);
    Buffers<Nested> straight(size);
    Buffers<Nested> shifted(size);
    std::vector<uint8_t> codes(straight.codes.size() + 16);
    std::vector<uint8_t> inner(straight.inner_codes.size() + 16);
    auto view = shifted.view();
    view.codes = codes.data() + shift;
    view.scales.absmax.codes = inner.data() + 15 - shift;
    REQUIRE(qfmt::host::quantize(values, straight.view()));
    REQUIRE(qfmt::host::quantize(values, view));
    REQUIRE(std::equal(view.codes, view.codes + straight.codes.size(), straight.codes.data()));
    std::vector<float> expected(values.size());
    std::vector<float> decoded(values.size());
    REQUIRE(qfmt::host::dequantize(straight.view(), expected));
    REQUIRE(qfmt::host::dequantize(view, decoded));
    REQUIRE(decoded == expected);
  }
}

TEST_CASE("Sizes that do not belong together are refused", "[host][errors]") {
  for (int64_t const wrong : {size - 1, size + 1, int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
    CAPTURE(wrong);
    check_broken<Plain>(Errc::size_mismatch, [&](auto& v) { v.size = wrong; });
  }
  for (int64_t const wrong :
       {int64_t{299}, int64_t{301}, int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
    CAPTURE(wrong);
    check_broken<Nested>(Errc::size_mismatch, [&](auto& v) { v.scales.absmax.size = wrong; });
  }
  check_broken<Nested>(Errc::size_mismatch, [&](auto& v) { v.size = -1; });
  check_broken<Rows>(Errc::size_mismatch, [&](auto& v) { v.size = -16; });

  std::vector<float> none;
  qfmt::QuantizedSpan<Plain> negative;
  negative.size = -1;
  Status const coded = qfmt::host::quantize(none, negative);
  REQUIRE(coded.code == Errc::size_mismatch);
  Status const decoded = qfmt::host::dequantize(negative, none);
  REQUIRE(decoded.code == Errc::size_mismatch);
}

TEST_CASE("Rows that do not divide the size are refused", "[host][errors]") {
  for (int64_t const length : {int64_t{0}, int64_t{-1}, int64_t{-16}, int64_t{7}, size + 1,
                               2 * size, INT64_MAX, INT64_MIN}) {
    CAPTURE(length);
    check_broken<Rows>(Errc::unsupported_shape, [&](auto& v) { v.scales.row_length = length; });
  }
}

TEST_CASE("Empty tensors need no memory", "[host][errors]") {
  std::vector<float> none;
  REQUIRE(qfmt::host::quantize(none, qfmt::QuantizedSpan<Plain>{}));
  REQUIRE(qfmt::host::quantize(none, qfmt::QuantizedSpan<Nested>{}));
  REQUIRE(qfmt::host::quantize(none, qfmt::QuantizedSpan<Rows>{}));  // row_length 0: (n, 0)
  REQUIRE(qfmt::host::quantize_parallel(Threads{4}, none, qfmt::QuantizedSpan<Rows>{}));
  REQUIRE(qfmt::host::dequantize(qfmt::QuantizedSpan<Plain>{}, none));
  REQUIRE(qfmt::host::dequantize(qfmt::QuantizedSpan<Nested>{}, none));
  REQUIRE(qfmt::host::dequantize(qfmt::QuantizedSpan<Rows>{}, none));
  REQUIRE(qfmt::host::dequantize_parallel(Threads{4}, qfmt::QuantizedSpan<Nested>{}, none));
  std::vector<float> one(1);
  Status const status = qfmt::host::quantize(one, qfmt::QuantizedSpan<Plain>{});
  REQUIRE(status.code == Errc::size_mismatch);
}

TEMPLATE_TEST_CASE("Non-finite values: code, first index, nothing written", "[host][errors]", float,
                   qfmt::float16, qfmt::bfloat16) {
  check_non_finite<Scheme<Format<NF4>>, TestType>();
  check_non_finite<Scheme<Format<FP4>, BlockSize<4096>>, TestType>();
  check_non_finite<Scheme<Format<Int8>, BlockSize<16>>, TestType>();
  check_non_finite<Scheme<Format<Dynamic8>, BlockSize<256>>, TestType>();
  check_non_finite<Scheme<Format<Int8>, RowWise>, TestType>(64);
  check_non_finite<Scheme<Format<NF4>, DoubleQuant<true>>, TestType>();
  check_non_finite<Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>, TestType>();
  check_non_finite<Scheme<Format<Int8>, BlockSize<256>, DoubleQuant<true>>, TestType>();
}

TEST_CASE("Non-finite values: the lowest index wins over eight threads", "[host][errors]") {
  check_lowest_wins<Scheme<Format<NF4>>, float>();
  check_lowest_wins<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, qfmt::bfloat16>();
  check_lowest_wins<Scheme<Format<Int8>, RowWise>, qfmt::float16>(1 << 10);
}

TEST_CASE("Non-finite values: every bit pattern of the 16-bit types is judged", "[host][errors]") {
  auto const check = []<class T>(T) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      std::vector<T> const values{T(1.f), from_bits<T>(bits)};
      Buffers<Plain> out(2);
      Status const status = qfmt::host::quantize(values, out.view());
      bool const finite = std::isfinite(reference::widen(type_of<T>, bits));
      if (status.code != (finite ? Errc::ok : Errc::non_finite) ||
          status.index != (finite ? -1 : 1) || (!finite && !out.untouched()))
        FAIL(hex(bits));
    }
  };
  check(qfmt::float16{});
  check(qfmt::bfloat16{});
  SUCCEED();
}

TEST_CASE("Non-finite values: ranges report the index in the whole tensor", "[host][errors]") {
  std::vector<float> values(static_cast<size_t>(size), 1.f);
  values[100] = std::numeric_limits<float>::quiet_NaN();  // block 6
  values[4000] = std::numeric_limits<float>::infinity();  // block 250
  Buffers<Plain> out(size);
  Status const late = qfmt::host::quantize_range(values, out.view(), BlockRange{7, 300});
  REQUIRE(late.code == Errc::non_finite);
  REQUIRE(late.index == 4000);
  Status const early = qfmt::host::quantize_range(values, out.view(), BlockRange{6, 7});
  REQUIRE(early.index == 100);
  REQUIRE(out.untouched());
  REQUIRE(qfmt::host::quantize_range(values, out.view(), BlockRange{0, 6}));
  REQUIRE(qfmt::host::quantize_range(values, out.view(), BlockRange{7, 250}));

  Buffers<Nested> nested(size);
  std::vector<float> absmax(300, -1.f);
  Status const steps =
      qfmt::host::absmax_range(values, std::span(absmax), nested.view(), BlockRange{7, 300});
  REQUIRE(steps.code == Errc::non_finite);
  REQUIRE(steps.index == 4000);
  REQUIRE(absmax == std::vector<float>(300, -1.f));
  REQUIRE(nested.untouched());
}

TEST_CASE("Workspaces: too small and misaligned are refused", "[host][errors][nested]") {
  auto const values = make_values<float>(Shape::normal, reference::Kind::nf4, size, 1);
  std::vector<float> scratch(301);
  int64_t const needed = 300 * 4;  // the host wants the floats alone
  REQUIRE(qfmt::quantize_workspace_bytes<Nested>(size) > needed);
  auto const run = [&](void* data, int64_t bytes, Buffers<Nested>& out) {
    qfmt::Workspace const workspace{data, bytes};
    return qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, {}, workspace);
  };
  for (int64_t const bytes : {int64_t{0}, int64_t{4}, needed - 1, int64_t{-1}, INT64_MIN}) {
    CAPTURE(bytes);
    Buffers<Nested> out(size);
    Status const status = run(scratch.data(), bytes, out);
    REQUIRE(status.code == Errc::workspace_too_small);
    REQUIRE(out.untouched());
  }
  for (uintptr_t const bytes : {1, 2, 3}) {
    Buffers<Nested> out(size);
    Status const status = run(off_by(scratch.data(), bytes), needed, out);
    REQUIRE(status.code == Errc::misaligned);
    REQUIRE(out.untouched());
  }
  // Schemes that are not nested need none and look at none.
  Buffers<Plain> out(size);
  REQUIRE(qfmt::quantize_workspace_bytes<Plain>(size) == 0);
  REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, {},
                               qfmt::Workspace{off_by(scratch.data(), 1), 0}));
}

TEST_CASE("Workspaces: the bytes are those without, and nothing behind the end is used",
          "[host][errors][nested]") {
  for (int64_t const count : all_sizes) {
    auto const values = make_values<float>(Shape::normal, reference::Kind::nf4, count, 5);
    Buffers<Nested> without(count);
    Buffers<Nested> with(count);
    int64_t const bytes = qfmt::quantize_workspace_bytes<Nested>(count);
    Guarded<float> scratch(bytes / 4);
    REQUIRE(qfmt::host::quantize(values, without.view()));
    REQUIRE(qfmt::host::quantize(values, with.view(), qfmt::Nearest{}, {},
                                 qfmt::Workspace{scratch.data(), bytes}));
    REQUIRE(with.bytes() == without.bytes());
    REQUIRE(scratch.guard_intact());
  }
  REQUIRE(qfmt::quantize_workspace_bytes<Nested>(-1) == -1);
  int64_t const blocks = int64_t{1} << 59;
  auto const bit = [](int i) { return int64_t{1} << i; };
  int64_t const sums = bit(51) + bit(40) + bit(29) + bit(18) + bit(7) + 1;
  REQUIRE(qfmt::quantize_workspace_bytes<Nested>(INT64_MAX) == blocks * 4 + 4 + sums * 16);
}
