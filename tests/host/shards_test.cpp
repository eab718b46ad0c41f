// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Slices and shards: whatever is cut, for however many ranks, the parts decode to the whole's bits.
#include "qfmt/host/shards.hpp"

#include "qfmt/host/quantized_tensor.hpp"
#include "qfmt/qfmt.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

namespace {

using namespace qfmt;

using Rows = Scheme<Format<Int8>, RowWise>;
using Schemes = std::tuple<Scheme<Format<NF4>>, Scheme<Format<NF4>, DoubleQuant<true>>,
                           Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>,
                           Scheme<Format<FP4>, BlockSize<4096>>,
                           Scheme<Format<Dynamic8>, BlockSize<128>, DoubleQuant<true>>, Rows>;

std::vector<float> gaussian(std::int64_t count) {
  std::mt19937 source(42);
  std::normal_distribution<float> normal(0.f, 1.f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(source);
  return values;
}

template <SchemeSpec S>
QuantizedTensor<S> quantized(std::int64_t rows, std::int64_t cols) {
  QuantizedTensor<S> tensor(rows, cols);
  REQUIRE(tensor.status());
  REQUIRE(host::quantize(gaussian(rows * cols), tensor.span()));
  return tensor;
}

/// Columns [first, first + count) of a row-major matrix, by another route than slices take.
std::vector<float> window(std::vector<float> const& whole, std::int64_t cols, Part r, Part c) {
  std::vector<float> part;
  for (std::int64_t row = r.first; row < r.first + r.count; ++row)
    for (std::int64_t col = c.first; col < c.first + c.count; ++col)
      part.push_back(whole[static_cast<std::size_t>(row * cols + col)]);
  return part;
}

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<std::uint32_t, float>,
                            std::bit_cast<std::uint32_t, float>);
}

template <SchemeSpec S>
std::vector<float> decoded(QuantizedMatrix<S> const& m) {
  std::vector<float> values(static_cast<std::size_t>(m.rows * m.cols), -77.f);
  REQUIRE(host::dequantize(m, values));
  return values;
}

/// A packed copy as P; its own memory.
template <SchemeSpec P>
struct Packed {
  QuantizedTensor<P> memory;
  QuantizedMatrix<P> matrix;
};
template <SchemeSpec P, SchemeSpec S>
Packed<P> packed(QuantizedMatrix<S> const& part) {
  auto const layout = packed_layout(part, P::is_nested);
  REQUIRE(layout.size >= 0);
  auto memory =
      P::is_row_wise ? QuantizedTensor<P>(part.rows, part.cols) : QuantizedTensor<P>(layout.size);
  auto matrix = memory.matrix();
  REQUIRE(host::pack(part, matrix));
  return {std::move(memory), matrix};
}

template <SchemeSpec S>
void check_part(QuantizedTensor<S> const& tensor, std::vector<float> const& whole, Part rows,
                Part cols) {
  std::int64_t const width = tensor.matrix().cols;
  auto const part = slice(tensor.matrix(), rows, cols);
  auto const expected = window(whole, width, rows, cols);
  REQUIRE(part.values.codes == tensor.span().codes);  // the parent's bytes
  REQUIRE(same_bits(decoded(part), expected));
  REQUIRE(same_bits(decoded(packed<PlainOf<S>>(part).matrix), expected));
  if constexpr (S::is_nested) {
    if (packed_layout(part, true).size >= 0)
      REQUIRE(same_bits(decoded(packed<S>(part).matrix), expected));
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Decoded parts put together are the decoded whole", "[shards]", Schemes) {
  using S = TestType;
  // Awkward extents of real models beside widths that cut blocks.
  for (auto const& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{7392, 40},
                                   {11008, 24},
                                   {3420, 72},
                                   {40, 344},
                                   {24, 7392},
                                   {9, 11008},
                                   {33, 3420},
                                   {64, 40},
                                   {1, 1},
                                   {5, 1},
                                   {1, 333}}) {
    auto const tensor = quantized<S>(rows, cols);
    std::vector<float> whole(static_cast<std::size_t>(rows * cols));
    REQUIRE(host::dequantize(tensor.span(), whole));
    for (std::int64_t const ranks : {1, 2, 3, 4, 8, 16}) {
      std::int64_t next_row = 0, next_col = 0;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        Part const r = part_of(rows, ranks, rank), c = part_of(cols, ranks, rank);
        REQUIRE((r.first == next_row && c.first == next_col));
        next_row += r.count;
        next_col += c.count;
        check_part(tensor, whole, r, {0, cols});
        check_part(tensor, whole, {0, rows}, c);
        if (rank == ranks / 2) check_part(tensor, whole, r, c);
      }
      REQUIRE((next_row == rows && next_col == cols));
    }
  }
}

TEST_CASE("Parts are as equal as cuts on multiples allow", "[shards]") {
  for (std::int64_t extent = 0; extent < 70; ++extent)
    for (std::int64_t ranks = 1; ranks < 20; ++ranks)
      for (std::int64_t const multiple : {1, 2, 7, 64}) {
        std::int64_t next = 0, least = extent + 1, most = 0;
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
          Part const part = part_of(extent, ranks, rank, multiple);
          REQUIRE(part.first == next);
          REQUIRE(part.count >= 0);
          next += part.count;
          REQUIRE((next % multiple == 0 || next == extent));
          least = std::min(least, part.count);
          most = std::max(most, part.count);
        }
        REQUIRE(next == extent);
        // The last part may end with a short multiple.
        REQUIRE(most - least < (multiple == 1 ? 2 : 2 * multiple));
      }
  Part const huge = part_of(INT64_MAX, 7, 6);
  CHECK(huge.first + huge.count == INT64_MAX);
}

TEST_CASE("A cut on block boundaries is bitsandbytes' layout: the bytes of the part alone",
          "[shards]") {
  using S = Scheme<Format<NF4>>;
  auto const tensor = quantized<S>(48, 256);
  auto const values = gaussian(48 * 256);
  for (auto const& [rows, cols] : {std::pair<Part, Part>{{3, 17}, {0, 256}},
                                   {{0, 48}, {64, 128}},
                                   {{5, 7}, {192, 64}},
                                   {{47, 1}, {128, 100}}}) {
    auto const part = slice(tensor.matrix(), rows, cols);
    PackedLayout const layout = packed_layout(part);
    CHECK(layout.bitsandbytes);
    CHECK(layout.size == rows.count * cols.count);
    auto const copy = packed<S>(part);
    QuantizedTensor<S> alone(rows.count, cols.count);
    REQUIRE(host::quantize(window(values, 256, rows, cols), alone.span()));
    CHECK(std::memcmp(copy.matrix.values.codes, alone.span().codes,
                      static_cast<std::size_t>(codes_bytes<S>(layout.size))) == 0);
    CHECK(std::memcmp(copy.matrix.values.scales.absmax, alone.span().scales.absmax,
                      static_cast<std::size_t>(block_count<S>(layout.size)) * 4) == 0);
  }
}

TEST_CASE("Which layout a cut can have", "[shards]") {
  using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
  constexpr std::int64_t group = 64 * 256;
  QuantizedMatrix<Nested> m{{.size = 4096 * 11008}, 4096, 11008};
  auto const rows = [&](Part p) { return packed_layout(slice_rows(m, p)); };
  auto const cols = [&](Part p) { return packed_layout(slice_cols(m, p)); };

  CHECK((rows({0, 100}).nested && rows({0, 100}).bitsandbytes));
  static_assert(11008 * 64 % group == 0);
  CHECK((rows({64, 9}).nested && rows({64, 9}).bitsandbytes));
  // A block boundary that is none of a group of 256: bitsandbytes' layout with plain scales, or
  // nested ones with a phase if asked for.
  static_assert(11008 % 64 == 0 && 11008 % group != 0);
  CHECK((!rows({1, 9}).nested && rows({1, 9}).bitsandbytes));
  CHECK((packed_layout(slice_rows(m, {1, 9}), true).nested &&
         packed_layout(slice_rows(m, {1, 9}), true).origin == 11008));
  CHECK((!cols({64, 640}).nested && cols({64, 640}).bitsandbytes));
  CHECK(packed_layout(slice_cols(m, {64, 640}), true).size < 0);
  // Within a block: only qfmt's own layout, rows apart by whole blocks.
  PackedLayout const odd = cols({1376, 1376});
  CHECK((!odd.bitsandbytes && odd.origin == 1376 % 64 && odd.row_stride == 1408));
  // A copy is never larger than its parent.
  QuantizedMatrix<Nested> narrow{{.size = 400 * 40}, 400, 40};
  PackedLayout const third = packed_layout(slice_cols(narrow, {13, 13}));
  CHECK((!third.bitsandbytes && third.size <= 400 * 40 + 64));
  CHECK(packed_layout(slice_rows(narrow, {0, 0})).size == 0);
}

TEST_CASE("Slices outside and packs that do not fit are refused", "[shards]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  auto tensor = quantized<S>(40, 100);
  auto const m = tensor.matrix();
  for (Part const bad : {Part{0, 41}, Part{-1, 2}, Part{40, 1}, Part{41, 0}, Part{0, -1},
                         Part{INT64_MAX, 1}, Part{1, INT64_MAX}})
    CHECK(slice_rows(m, bad).rows == 0);
  CHECK(slice_rows(m, {40, 0}).rows == 0);

  std::vector<float> out(4000);
  auto const refused = [&](std::int64_t rows, std::int64_t cols, std::int64_t stride,
                           std::int64_t origin) {
    QuantizedMatrix<S> bad = m;
    bad.rows = rows, bad.cols = cols, bad.row_stride = stride, bad.origin = origin;
    CHECK(check_bounds(bad) == Errc::size_mismatch);
    CHECK(host::dequantize(bad, out).code == Errc::size_mismatch);
    auto copy = tensor.matrix();
    CHECK(host::pack(bad, copy).code == Errc::size_mismatch);
  };
  refused(41, 100, 100, 0);
  refused(40, 100, 100, 1);
  refused(40, 100, 101, 0);
  refused(40, 101, 100, 0);
  refused(40, 100, -100, 3900);
  refused(40, 100, 100, -1);
  refused(INT64_MAX, 2, INT64_MAX, 0);
  refused(2, INT64_MAX, 1, 0);
  refused(2, 100, INT64_MAX, 100);
  refused(-1, 100, 100, 0);
  QuantizedTensor<PlainOf<S>> small(10);
  auto matrix = small.matrix();
  CHECK(host::pack(m, matrix).code == Errc::size_mismatch);
}

TEST_CASE("A slice is decoded in every element type as the whole is", "[shards]") {
  using S = Scheme<Format<FP4>>;
  auto const tensor = quantized<S>(10, 100);
  std::vector<bfloat16> whole(1000), part(7 * 50);
  REQUIRE(host::dequantize(tensor.span(), whole));
  REQUIRE(host::dequantize(slice(tensor.matrix(), {3, 7}, {33, 50}), part));
  for (std::size_t i = 0; i < part.size(); ++i)
    REQUIRE(part[i].bits == whole[(3 + i / 50) * 100 + 33 + i % 50].bits);
}

TEST_CASE("Quantizing an odd cut anew says what that costs", "[shards]") {
  using S = Scheme<Format<NF4>>;
  auto const tensor = quantized<S>(64, 100);
  auto const part = slice_cols(tensor.matrix(), {33, 40});
  std::vector<float> scratch(64 * 40), again(64 * 40);
  QuantizedTensor<S> out(64, 40);
  auto const result = host::requantize(part, out.span(), scratch, again);
  REQUIRE(result.status);
  CHECK(result.max_error > 0.);
  CHECK(result.rms_error > 0.);
  std::vector<float> old(64 * 40), now(64 * 40);
  REQUIRE(host::dequantize(part, old));
  REQUIRE(host::dequantize(out.span(), now));
  double most = 0., squares = 0.;
  for (std::size_t i = 0; i < old.size(); ++i) {
    double const e = std::abs(double{old[i]} - now[i]);
    most = std::max(most, e);
    squares += e * e;
  }
  CHECK(result.max_error == most);
  CHECK(result.rms_error == std::sqrt(squares / 2560.));
  // On block boundaries nothing is lost: the codes are the old ones.
  auto const whole = quantized<S>(64, 128);
  QuantizedTensor<S> half(64, 64);
  std::vector<float> a(4096), b(4096);
  auto const exact = host::requantize(slice_cols(whole.matrix(), {64, 64}), half.span(), a, b);
  REQUIRE(exact.status);
  CHECK(exact.max_error == 0.);
  CHECK(host::requantize(part, out.span(), a, b).status.code == Errc::size_mismatch);
}

TEST_CASE("Flat shards of any bytes gather to the same bytes", "[shards]") {
  std::vector<std::byte> bytes(70'001);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 131 >> 3);
  for (std::size_t i = 0; i + 1 < 65536; ++i)  // every 16-bit pattern, NaNs of all kinds among them
    if (i < bytes.size() / 2) std::memcpy(bytes.data() + 2 * i, &i, 2);
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{16},
                                 std::size_t{4097}, bytes.size()})
    for (std::int64_t const ranks : {1, 2, 3, 4, 5, 8, 16, 17, 64, 1000})
      for (std::int64_t const alignment : {1, 2, 16, 128}) {
        auto const whole = std::span<std::byte const>(bytes).first(size);
        auto const each = flat_shard_bytes(static_cast<std::int64_t>(size), ranks, alignment);
        REQUIRE(each % alignment == 0);
        std::vector<std::byte> again(size, std::byte{0xEE});
        std::int64_t covered = 0;
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
          std::vector<std::byte> shard(static_cast<std::size_t>(each), std::byte{0xAA});
          REQUIRE(host::scatter_flat(whole, ranks, rank, shard, alignment));
          Part const part = flat_part(static_cast<std::int64_t>(size), ranks, rank, alignment);
          covered += part.count;
          for (auto i = static_cast<std::size_t>(part.count); i < shard.size(); ++i)
            REQUIRE(shard[i] == std::byte{0});
          REQUIRE(host::gather_flat(shard, ranks, rank, again, alignment));
        }
        REQUIRE(covered == static_cast<std::int64_t>(size));
        REQUIRE(std::equal(again.begin(), again.end(), whole.begin()));
      }
  std::vector<std::byte> shard(3);
  CHECK(host::scatter_flat(bytes, 2, 0, shard).code == Errc::size_mismatch);
  CHECK(host::gather_flat(shard, 2, 0, bytes).code == Errc::size_mismatch);
  CHECK(host::scatter_flat(bytes, 0, 0, shard).code == Errc::size_mismatch);
  CHECK(host::scatter_flat(bytes, 2, 2, shard).code == Errc::size_mismatch);
}

TEST_CASE("A flat shard of a whole tensor's storage holds its scales, too", "[shards]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  auto const tensor = quantized<S>(100, 77);
  auto const* const begin = reinterpret_cast<std::byte const*>(tensor.span().codes);
  std::span<std::byte const> const whole(begin, static_cast<std::size_t>(tensor.bytes()));
  QuantizedTensor<S> again(100, 77);
  std::span<std::byte> const to(reinterpret_cast<std::byte*>(again.span().codes), whole.size());
  constexpr std::int64_t ranks = 7;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    std::vector<std::byte> shard(static_cast<std::size_t>(flat_shard_bytes(tensor.bytes(), ranks)));
    REQUIRE(host::scatter_flat(whole, ranks, rank, shard));
    REQUIRE(host::gather_flat(shard, ranks, rank, to));
  }
  CHECK(same_bits(decoded(tensor.matrix()), decoded(again.matrix())));
}
