// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// propagate_non_finite: what a bad value harms, what it does not, and that it is counted.
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/data.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::FP4,
    qfmt::Int8, qfmt::NF4, qfmt::RowWise, qfmt::Scheme, qfmt::Status;
using qfmt::host::BlockRange, qfmt::host::Serial, qfmt::host::Threads;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

qfmt::QuantizeOptions propagate(unsigned long long* count = nullptr) {
  qfmt::QuantizeOptions options;
  options.propagate_non_finite = true;
  options.non_finite_count = count;
  return options;
}

/// Values with `count` bad ones at distinct random places.
template <class T>
std::vector<T> with_bad(std::vector<T> values, int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int n = 0; n < count;) {
    T& x = values[random() % values.size()];
    if (!std::isfinite(static_cast<float>(x))) continue;
    x = nearest<T>(n % 3 == 0 ? not_a_number : n % 3 == 1 ? infinity : -infinity);
    ++n;
  }
  return values;
}

/// Bytes are the reference's, which gives a bad block absmax NaN and codes of zero; by every
/// executor, with and without a workspace; each bad value is counted once.
template <class S, class T>
void check_against_reference(int64_t size, int bad, int64_t row_length = 0) {
  auto const good = make_values<T>(Shape::normal, kind_of<typename S::format>, size, 1);
  auto const values = with_bad(good, bad, 2);
  auto const expected = reference::quantize(plan_of<S>(row_length), widened(values));
  auto const decoded = reference::dequantize(plan_of<S>(row_length), expected, values.size());
  std::vector<float> scratch(expected.inner_codes.size());
  CAPTURE(size, bad, type_of<T>, S::block_size, S::is_nested);

  auto const check = [&](auto const& executor) {
    for (bool const with_workspace : {false, true}) {
      qfmt::Workspace workspace;
      if (with_workspace) {
        workspace.data = scratch.data();
        workspace.bytes = static_cast<int64_t>(scratch.size() * sizeof(float));
      }
      Buffers<S> out(size, row_length);
      unsigned long long count = 1000;
      Status const status = qfmt::host::quantize_parallel(
          executor, values, out.view(), qfmt::Nearest{}, propagate(&count), workspace);
      REQUIRE(status.code == Errc::ok);
      REQUIRE(compare(out, expected, S::is_nested) == "");
      REQUIRE(count == 1000u + static_cast<unsigned>(bad));
      Guarded<T> back(size);
      REQUIRE(qfmt::host::dequantize(out.view(), std::span(back.data(), back.size())));
      REQUIRE(compare_values(back, decoded) == "");
    }
  };
  check(Serial{});
  check(Threads{8});
  Buffers<S> out(size, row_length);
  REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, propagate()));
  REQUIRE(compare(out, expected, S::is_nested) == "");
}

/// Plain scales: a block that holds a bad value decodes to NaN throughout; the bytes and scales of
/// all others are those of the tensor without it.
template <class S, class T>
void check_only_its_block(float bad, int64_t row_length = 0) {
  int64_t const size = 20 * 64 * 3 + 7 * (S::is_row_wise ? 0 : 1);
  int64_t const length = S::is_row_wise ? row_length : S::block_size;
  auto const clean = make_values<T>(Shape::normal, kind_of<typename S::format>, size, 3);
  Buffers<S> expected(size, row_length);
  REQUIRE(qfmt::host::quantize(clean, expected.view()));
  Guarded<T> expected_values(size);
  REQUIRE(qfmt::host::dequantize(expected.view(),
                                 std::span(expected_values.data(), expected_values.size())));

  for (int64_t at = 0; at < size; at += 61) {
    auto values = clean;
    values[static_cast<size_t>(at)] = nearest<T>(bad);
    Buffers<S> out(size, row_length);
    REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, propagate()));
    Guarded<T> back(size);
    REQUIRE(qfmt::host::dequantize(out.view(), std::span(back.data(), back.size())));
    for (int64_t i = 0; i < size; ++i) {
      auto const k = static_cast<size_t>(i);
      bool const ok = i / length == at / length
                          ? std::isnan(static_cast<float>(back[k]))
                          : bits_of(back[k]) == bits_of(expected_values[k]) &&
                                out.codes[k * S::bits / 8] == expected.codes[k * S::bits / 8];
      if (!ok) FAIL("value " << i << " with " << bad << " at " << at);
    }
    for (size_t b = 0; b < out.scales.size(); ++b)
      REQUIRE((static_cast<int64_t>(b) == at / length ? std::isnan(out.scales[b])
                                                      : out.scales[b] == expected.scales[b]));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("Propagated: bytes and count are the reference's", "[host][propagate]", float,
                   qfmt::float16, qfmt::bfloat16) {
  for (int const bad : {0, 1, 2, 300}) {
    int64_t const size = 2 * 65536 + 1003;
    check_against_reference<Scheme<Format<NF4>>, TestType>(size, bad);
    check_against_reference<Scheme<Format<FP4>, BlockSize<16>>, TestType>(size, bad);
    check_against_reference<Scheme<Format<Int8>, BlockSize<512>>, TestType>(size, bad);
    check_against_reference<Scheme<Format<Dynamic8>, BlockSize<256>>, TestType>(4099, bad);
    check_against_reference<Scheme<Format<Int8>, RowWise>, TestType>(700 * 100, bad, 100);
    check_against_reference<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, TestType>(size,
                                                                                             bad);
    check_against_reference<Scheme<Format<Int8>, BlockSize<64>, DoubleQuant<true>>, TestType>(size,
                                                                                              bad);
  }
}

TEST_CASE("Propagated: a tensor of nothing but bad values", "[host][propagate]") {
  using Nested = Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>;
  check_against_reference<Scheme<Format<NF4>>, float>(1001, 1001);
  check_against_reference<Nested, float>(16 * 300 + 1, 16 * 300 + 1);
  std::vector<float> const values(16 * 300, not_a_number);
  Buffers<Nested> out(16 * 300);
  REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, propagate()));
  REQUIRE(out.offset[0] == 0.f);  // the mean of no finite scale
  std::vector<float> back(values.size());
  REQUIRE(qfmt::host::dequantize(out.view(), back));
  REQUIRE(std::all_of(back.begin(), back.end(), [](float x) { return std::isnan(x); }));
}

TEMPLATE_TEST_CASE("Propagated: only its block is harmed", "[host][propagate]", float,
                   qfmt::float16, qfmt::bfloat16) {
  for (float const bad : {not_a_number, infinity, -infinity}) {
    check_only_its_block<Scheme<Format<NF4>>, TestType>(bad);
    check_only_its_block<Scheme<Format<FP4>, BlockSize<16>>, TestType>(bad);
    check_only_its_block<Scheme<Format<Int8>, BlockSize<128>>, TestType>(bad);
    check_only_its_block<Scheme<Format<Dynamic8>, BlockSize<256>>, TestType>(bad);
    check_only_its_block<Scheme<Format<Int8>, RowWise>, TestType>(bad, 64 * 3);
  }
}

// The blocks' absmax are 1 and 3 in turn and 2 in one block, so the mean is 2 exactly whether or
// not that block counts. With a bad value in it, then, everything outside its group of 256 blocks
// must be bit for bit what it is without: offset, codes, scale codes, absmax2, decoded values.
// Within the group: the codes of the other blocks stay, absmax2 is NaN, and all of it decodes to
// NaN.
TEST_CASE("Propagated, nested: only its group of 256 blocks is harmed",
          "[host][propagate][nested]") {
  using S = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  constexpr int64_t blocks = 3 * 256 + 101;  // odd: one of 2, as many of 1 as of 3
  constexpr int64_t size = 16 * blocks;
  for (int64_t const bad_block :
       {int64_t{0}, int64_t{255}, int64_t{256}, int64_t{300}, int64_t{767}, blocks - 1})
    for (float const bad : {not_a_number, infinity, -infinity}) {
      std::mt19937_64 random(5);
      std::uniform_real_distribution<float> uniform(-1.f, 1.f);
      std::vector<float> clean;
      for (int64_t b = 0, turn = 0; b < blocks; ++b) {
        float const absmax = b == bad_block ? 2.f : turn++ % 2 == 0 ? 1.f : 3.f;
        for (int i = 0; i < 16; ++i) clean.push_back(i == 9 ? absmax : uniform(random));
      }
      auto values = clean;
      values[static_cast<size_t>(16 * bad_block + 5)] = bad;
      CAPTURE(bad_block, bad);

      Buffers<S> expected(size);
      Buffers<S> out(size);
      REQUIRE(qfmt::host::quantize(clean, expected.view()));
      unsigned long long count = 0;
      REQUIRE(qfmt::host::quantize(values, out.view(), qfmt::Nearest{}, propagate(&count)));
      REQUIRE(count == 1);
      REQUIRE(expected.offset[0] == 2.f);
      REQUIRE(out.offset[0] == 2.f);

      int64_t const bad_group = bad_block / 256;
      for (int64_t i = 0; i < size / 2; ++i) {
        auto const k = static_cast<size_t>(i);
        REQUIRE(int{out.codes[k]} == (i / 8 == bad_block ? 0x77 : int{expected.codes[k]}));
      }
      for (int64_t b = 0; b < blocks; ++b) {
        auto const k = static_cast<size_t>(b);
        REQUIRE(int{out.inner_codes[k]} ==
                (b / 256 == bad_group ? 127 : int{expected.inner_codes[k]}));
      }
      for (int64_t g = 0; g < 4; ++g) {
        auto const k = static_cast<size_t>(g);
        REQUIRE(same_float(out.scales[k], g == bad_group ? not_a_number : expected.scales[k]));
      }
      Guarded<float> expected_values(size);
      Guarded<float> back(size);
      REQUIRE(qfmt::host::dequantize(expected.view(),
                                     std::span(expected_values.data(), expected_values.size())));
      REQUIRE(qfmt::host::dequantize(out.view(), std::span(back.data(), back.size())));
      for (int64_t i = 0; i < size; ++i) {
        auto const k = static_cast<size_t>(i);
        REQUIRE(same_float(back[k], i / 4096 == bad_group ? not_a_number : expected_values[k]));
      }
    }
}

TEST_CASE("Propagated: ranges and steps on threads give the whole's bytes and count",
          "[host][propagate][ranges]") {
  using Plain = Scheme<Format<NF4>, BlockSize<16>>;
  using Nested = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  constexpr int64_t blocks = 1000;
  constexpr int64_t size = 16 * blocks;
  auto const values =
      with_bad(make_values<float>(Shape::normal, reference::Kind::nf4, size, 1), 77, 9);
  Buffers<Plain> plain(size);
  Buffers<Plain> plain_whole(size);
  Buffers<Nested> nested(size);
  Buffers<Nested> nested_whole(size);
  REQUIRE(qfmt::host::quantize(values, plain_whole.view(), qfmt::Nearest{}, propagate()));
  REQUIRE(qfmt::host::quantize(values, nested_whole.view(), qfmt::Nearest{}, propagate()));

  std::atomic<int> failures{0};
  auto const parts = [&](int64_t length, auto const& fn) {
    Threads{8}((blocks + length - 1) / length, [&](int64_t task) {
      failures += !fn(BlockRange{task * length, std::min(blocks, (task + 1) * length)});
    });
    REQUIRE(failures == 0);
  };
  unsigned long long plain_count = 0;
  parts(13, [&](BlockRange r) {
    return qfmt::host::quantize_range(values, plain.view(), r, qfmt::Nearest{},
                                      propagate(&plain_count));
  });
  REQUIRE(plain_count == 77);
  REQUIRE(plain.bytes() == plain_whole.bytes());

  unsigned long long nested_count = 0;
  std::vector<float> absmax(static_cast<size_t>(blocks));
  std::span<float const> const scales = absmax;
  parts(13, [&](BlockRange r) {
    return qfmt::host::absmax_range(values, std::span(absmax), nested.view(), r, qfmt::Nearest{},
                                    propagate(&nested_count));
  });
  REQUIRE(qfmt::host::nested_offset(scales, nested.view()));
  parts(256, [&](BlockRange r) {
    return qfmt::host::encode_range(values, scales, nested.view(), r, qfmt::Nearest{},
                                    propagate(&nested_count));
  });
  REQUIRE(nested_count == 77);
  REQUIRE(nested.bytes() == nested_whole.bytes());
}
