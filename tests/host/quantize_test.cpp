// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What quantize_{nf4,fp4,int8}_test.cpp leave: Dynamic8, rows, long nested tensors, arbitrary
// bytes.
#include "host/quantize_cases.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Format, qfmt::FP4, qfmt::Int8,
    qfmt::NF4, qfmt::RowWise, qfmt::Scheme;

namespace {

template <class S, class T>
void check_rows() {
  uint64_t seed = 100;
  for (Shape const shape : all_shapes)
    for (int64_t const row_length : {1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 1000, 4097})
      for (int64_t const rows : {0, 1, 2, 7}) {
        CAPTURE(name_of(shape), rows);
        auto const values =
            make_values<T>(shape, kind_of<typename S::format>, rows * row_length, ++seed);
        check_tensor<S>(values, row_length);
      }
}

/// Any bytes under any finite scales decode by the formula, codes that no encoder writes included.
template <class S>
void check_any_bytes(int64_t size, int64_t row_length, uint64_t seed) {
  std::mt19937_64 random(seed);
  Buffers<S> in(size, row_length);
  reference::Result bytes;
  for (size_t i = 0; i < in.codes.size(); ++i)
    bytes.codes.push_back(in.codes.data()[i] = static_cast<uint8_t>(random()));
  for (size_t i = 0; i < in.inner_codes.size(); ++i)
    bytes.inner_codes.push_back(in.inner_codes.data()[i] = static_cast<uint8_t>(random()));
  auto const scales = make_values<float>(Shape::any_bits, reference::Kind::nf4,
                                         static_cast<int64_t>(in.scales.size()), seed);
  std::copy(scales.begin(), scales.end(), in.scales.data());
  (S::is_nested ? bytes.absmax2 : bytes.absmax) = scales;
  // Near the group's scale, so that the sum's rounding is seen.
  bytes.offset = *in.offset.data() = S::is_nested ? scales[0] * 0.7f : 0.f;
  auto const expected =
      reference::dequantize(plan_of<S>(row_length), bytes, static_cast<size_t>(size));
  CAPTURE(S::block_size, S::is_nested, seed);
  check_decoded<S, float>(in, size, expected);
  check_decoded<S, qfmt::float16>(in, size, expected);
  check_decoded<S, qfmt::bfloat16>(in, size, expected);
}

}  // namespace

TEST_CASE("Dynamic8: bytes, scales and decoded values are the reference's", "[host][quantize]") {
  check_block_sizes<Dynamic8>(std::integer_sequence<int, 256>{});
}

TEST_CASE("Row-wise: one scale per row, whatever its length", "[host][quantize]") {
  using Rows = Scheme<Format<Int8>, RowWise>;
  check_rows<Rows, float>();
  check_rows<Rows, qfmt::float16>();
  check_rows<Rows, qfmt::bfloat16>();
  check_rows<Scheme<Format<Dynamic8>, RowWise>, float>();
}

TEST_CASE("Nested: the offset's tree has three levels", "[host][quantize]") {
  using S16 = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  using S64 = Scheme<Format<FP4>, BlockSize<64>, DoubleQuant<true>>;
  // More than 256 * 256 blocks; scales of every magnitude, so that the order of the sum shows.
  int64_t const size = 16 * (65536 + 300) + 3;
  check_tensor<S16>(make_values<float>(Shape::any_scale, reference::Kind::nf4, size, 1));
  check_tensor<S16>(make_values<float>(Shape::normal, reference::Kind::nf4, size, 2));
  check_tensor<S64>(make_values<qfmt::bfloat16>(Shape::any_scale, reference::Kind::fp4, size, 3));
}

// One scale of 2^24, one of 1 and many near 2^-30: their mean lies next to a tie of f32, and which
// of the small ones survive in f64 decides to which side it is rounded.
TEST_CASE("Nested: the offset depends on the order of the sum, which is the tree's",
          "[host][quantize][nested]") {
  using S = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  int in_sequence_differs = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::mt19937_64 random(seed);
    size_t const blocks = size_t{512} << seed % 9;  // a power of two: the division is exact
    std::vector<float> absmax;
    for (size_t b = 0; b < blocks; ++b)
      absmax.push_back(std::ldexp(1.f, -29 - static_cast<int>(random() % 4)));
    if (seed % 2 == 0) std::fill(absmax.begin(), absmax.end(), 0x1p-30f);
    absmax[random() % 16] = 1.f;
    absmax[random() % 16 + 16 * (seed % 3)] = 0x1p24f;
    std::vector<float> values(16 * blocks);
    double in_sequence = 0.0;
    for (size_t b = 0; b < blocks; ++b) {
      values[16 * b + b % 16] = absmax[b];
      in_sequence += double{absmax[b]};
    }
    float const expected = reference::mean_of_finite(absmax);
    in_sequence_differs +=
        static_cast<float>(in_sequence / static_cast<double>(blocks)) != expected;
    CAPTURE(seed, blocks);
    check_tensor<S>(values);
    Buffers<S> parallel(static_cast<int64_t>(values.size()));
    REQUIRE(qfmt::host::quantize_parallel(qfmt::host::Threads{8}, values, parallel.view()));
    REQUIRE(parallel.offset[0] == expected);
    REQUIRE(qfmt::host::nested_offset(std::span<float const>(absmax), parallel.view()));
    REQUIRE(parallel.offset[0] == expected);
  }
  REQUIRE(in_sequence_differs > 5);  // else the data would show nothing
}

TEST_CASE("Any bytes decode by the formula", "[host][dequantize]") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    check_any_bytes<Scheme<Format<NF4>, BlockSize<16>>>(2001, 0, seed);
    check_any_bytes<Scheme<Format<FP4>, BlockSize<16>>>(2001, 0, seed);
    check_any_bytes<Scheme<Format<Int8>, BlockSize<16>>>(2001, 0, seed);
    check_any_bytes<Scheme<Format<Dynamic8>, BlockSize<256>>>(20001, 0, seed);
    check_any_bytes<Scheme<Format<Int8>, RowWise>>(13 * 77, 77, seed);
    check_any_bytes<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>>(16 * 600 + 1, 0, seed);
    check_any_bytes<Scheme<Format<FP4>, BlockSize<32>, DoubleQuant<true>>>(16 * 600 + 1, 0, seed);
    check_any_bytes<Scheme<Format<Int8>, BlockSize<32>, DoubleQuant<true>>>(16 * 600 + 1, 0, seed);
  }
}

TEST_CASE("Dynamic8: a stored map takes the place of the built-in one", "[host][dequantize]") {
  using Plain = Scheme<Format<Dynamic8>, BlockSize<256>>;
  using Nested = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  std::array<float, 256> map = reference::dynamic8_levels;
  map[200] = 0.75f;  // was 0.275
  int64_t const size = 256;

  Buffers<Plain> plain(size);
  std::fill_n(plain.codes.data(), size, uint8_t{200});
  plain.codes.data()[1] = 199;
  *plain.scales.data() = 3.f;
  auto view = plain.view();
  view.scales.levels = map.data();
  std::vector<float> out(static_cast<size_t>(size));
  REQUIRE(qfmt::host::dequantize(view, out));
  REQUIRE(out[0] == 2.25f);
  REQUIRE(out[1] == reference::product(reference::dynamic8_levels[199], 3.f));

  Buffers<Nested> nested(size);
  std::fill_n(nested.codes.data(), size / 2, uint8_t{0xFF});  // 1 * absmax
  std::fill_n(nested.inner_codes.data(), size / 16, uint8_t{200});
  *nested.scales.data() = 2.f;
  *nested.offset.data() = 10.f;
  auto outer = nested.view();
  outer.scales.absmax.scales.levels = map.data();
  REQUIRE(qfmt::host::dequantize(outer, out));
  REQUIRE(out == std::vector<float>(static_cast<size_t>(size), 11.5f));
}
