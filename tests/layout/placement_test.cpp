// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/layout/placement.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace qfmt;

__extension__ using Wide = __int128;  // no shape overflows it

using Nibbles = Scheme<Format<NF4>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Schemes =
    std::tuple<Nibbles, Scheme<Format<FP4>, BlockSize<16>>, Scheme<Format<NF4>, BlockSize<4096>>,
               Scheme<Format<Int8>>, Rows, Scheme<Format<Dynamic8>, BlockSize<256>>, Nested,
               Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>,
               Scheme<Format<Int8>, BlockSize<4096>, DoubleQuant<true>>>;

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

Wide up(Wide a, Wide b) { return (a + b - 1) / b; }

/// Bytes of the pieces of a tensor, without what aligns them, from the description of the layout.
struct Bytes {
  Wide codes, scales = 0, inner_codes = 0, offset = 0;

  template <class S>
  static Bytes of(Wide rows, Wide cols) {
    Wide const size = rows * cols;
    Bytes b{S::bits == 4 ? up(size, 2) : size};
    Wide const length = S::is_row_wise ? cols : Wide{S::block_size};
    Wide const blocks = size == 0 ? 0 : up(size, length);
    b.inner_codes = S::is_nested ? blocks : 0;
    b.scales = 4 * (S::is_nested ? up(blocks, 256) : blocks);
    b.offset = S::is_nested ? 4 : 0;
    return b;
  }
  Wide sum() const { return codes + scales + inner_codes + offset; }
};

/// One piece of a placed tensor: [begin, end).
struct Piece {
  std::uint8_t* begin;
  std::uint8_t* end;
};

template <class S>
std::vector<Piece> pieces_of(QuantizedMatrix<S> const& m, Bytes const& bytes) {
  auto const piece = [](void* at, Wide n) {
    auto* const begin = static_cast<std::uint8_t*>(at);
    return Piece{begin, begin + static_cast<std::ptrdiff_t>(n)};
  };
  std::vector<Piece> pieces{piece(m.values.codes, bytes.codes)};
  if constexpr (S::is_nested) {
    auto const& inner = m.values.scales.absmax;
    pieces.push_back(piece(inner.codes, bytes.inner_codes));
    pieces.push_back(piece(inner.scales.absmax, bytes.scales));
    pieces.push_back(piece(m.values.scales.offset, bytes.offset));
  } else {
    pieces.push_back(piece(m.values.scales.absmax, bytes.scales));
  }
  return pieces;
}

/// "" or what is wrong with how a tensor lies in `storage`.
template <class S>
std::string fault(QuantizedMatrix<S> const& m, std::int64_t rows, std::int64_t cols,
                  std::uint8_t* storage, std::int64_t total) {
  if (m.rows != rows || m.cols != cols || m.row_stride != cols || m.origin != 0) return "shape";
  if (m.values.size != rows * cols) return "size";
  if (m.values.codes != storage) return "codes are not first";
  auto pieces = pieces_of(m, Bytes::of<S>(rows, cols));
  for (Piece const& p : pieces) {
    if (p.begin < storage || p.end > storage + total) return "outside";
    if ((p.begin - storage) % 128 != 0) return "alignment";
  }
  std::sort(pieces.begin(), pieces.end(),
            [](Piece const& a, Piece const& b) { return a.end < b.end; });
  for (std::size_t i = 1; i < pieces.size(); ++i)
    if (pieces[i - 1].end > pieces[i].begin) return "overlap";
  return "";
}

struct Free {
  void operator()(std::uint8_t* p) const { ::operator delete (p, std::align_val_t{128}); }
};
using Storage = std::unique_ptr<std::uint8_t, Free>;

/// Exactly `bytes` bytes, so that a sanitizer sees the first one behind.
Storage allocate(std::int64_t bytes) {
  auto const size = static_cast<std::size_t>(std::max<std::int64_t>(1, bytes));
  return Storage(static_cast<std::uint8_t*>(::operator new (size, std::align_val_t{128})));
}

template <class S>
bool is_empty(QuantizedMatrix<S> const& m) {
  return m.rows == 0 && m.cols == 0 && m.values.size == 0 && m.values.codes == nullptr;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("pieces lie inside the storage, apart and aligned", "[layout]", Schemes) {
  using S = TestType;
  for (std::int64_t const rows : {0, 1, 2, 3, 7, 64, 257})
    for (std::int64_t const cols : {0, 1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 4097}) {
      std::int64_t const total = storage_bytes<S>(rows, cols);
      Bytes const bytes = Bytes::of<S>(rows, cols);
      INFO(rows << " x " << cols << ": " << total);
      REQUIRE(Wide{total} >= bytes.sum());
      REQUIRE(Wide{total} < bytes.sum() + 3 * 128);
      Storage const storage = allocate(total);
      QuantizedMatrix<S> const m = place<S>(storage.get(), rows, cols);
      REQUIRE(fault(m, rows, cols, storage.get(), total) == "");
      for (Piece const& p : pieces_of(m, bytes)) std::fill(p.begin, p.end, std::uint8_t{1});
      if constexpr (S::is_row_wise) REQUIRE(m.values.scales.row_length == cols);
      if constexpr (S::is_nested) REQUIRE(Wide{m.values.scales.absmax.size} == bytes.inner_codes);
    }
}

TEST_CASE("the check of pieces finds planted faults", "[layout]") {
  std::int64_t const total = storage_bytes<Nested>(64, 1000);
  Storage const storage = allocate(total);
  auto const faulty = [&](auto&& change) {
    auto m = place<Nested>(storage.get(), 64, 1000);
    change(m.values);
    return fault(m, 64, 1000, storage.get(), total);
  };
  CHECK(faulty([](auto&) {}) == "");
  CHECK(faulty([](auto& v) { v.scales.offset += 1; }) == "outside");
  CHECK(faulty([](auto& v) { v.scales.absmax.codes += 4; }) == "alignment");
  CHECK(faulty([](auto& v) { v.scales.absmax.codes -= 128; }) == "overlap");
}

TEMPLATE_LIST_TEST_CASE("sizes are exact or refused, never wrapped", "[layout]", Schemes) {
  using S = TestType;
  std::mt19937_64 random(9);
  int laid_out = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    auto const rows = static_cast<std::int64_t>(random() >> (1 + random() % 63));
    auto const cols = static_cast<std::int64_t>(random() >> (1 + random() % 63));
    std::int64_t const total = storage_bytes<S>(rows, cols);
    Wide const needed = Bytes::of<S>(rows, cols).sum();
    INFO(rows << " x " << cols << ": " << total);
    if (total < 0) {
      ++refused;
      REQUIRE(total == -1);
      REQUIRE(Wide{rows} * cols > Wide{1} << 59);
    } else {
      ++laid_out;
      REQUIRE(Wide{total} >= needed);
      REQUIRE(Wide{total} < needed + 3 * 128);
    }
  }
  CHECK(laid_out > 1000);
  CHECK(refused > 1000);
}

TEMPLATE_LIST_TEST_CASE("negative and overflowing shapes are -1 and place nothing", "[layout]",
                        Schemes) {
  using S = TestType;
  Storage const storage = allocate(4096);
  struct Shape {
    std::int64_t rows, cols;
  };
  for (auto const& [rows, cols] :
       {Shape{-1, 64}, Shape{64, -1}, Shape{-1, -1}, Shape{-64, -64}, Shape{least, least},
        Shape{least, 1}, Shape{1, least}, Shape{-1, 0}, Shape{0, -1}, Shape{most, most},
        Shape{most, 2}, Shape{2, most}, Shape{std::int64_t{1} << 32, std::int64_t{1} << 32},
        Shape{std::int64_t{3} << 31, std::int64_t{1} << 32}, Shape{most, 1}, Shape{1, most}}) {
    INFO(rows << " x " << cols);
    CHECK(storage_bytes<S>(rows, cols) == -1);
    CHECK(is_empty(place<S>(storage.get(), rows, cols)));
  }
}

TEMPLATE_LIST_TEST_CASE("nothing is placed in no memory", "[layout]", Schemes) {
  CHECK(is_empty(place<TestType>(nullptr, 4, 64)));
  CHECK(is_empty(place<TestType>(nullptr, 0, 0)));
}

TEST_CASE("one dimension may be zero and the other anything", "[layout]") {
  STATIC_CHECK(storage_bytes<Nibbles>(0, most) == 0);
  STATIC_CHECK(storage_bytes<Nibbles>(most, 0) == 0);
  STATIC_CHECK(storage_bytes<Rows>(most, 0) == 0);
  STATIC_CHECK(storage_bytes<Rows>(0, most) == 0);
  STATIC_CHECK(storage_bytes<Nested>(0, 0) == 4);  // the offset
}

TEST_CASE("storage of more than 2^32 values", "[layout]") {
  // 65537 x 131072 = 2^33 + 2^17 values
  constexpr std::int64_t size = (std::int64_t{1} << 33) + (std::int64_t{1} << 17);
  STATIC_CHECK(storage_bytes<Nibbles>(65537, 131072) == size / 2 + size / 64 * 4);
  STATIC_CHECK(storage_bytes<Rows>(65537, 131072) == size + 65537 * 4);
  constexpr std::int64_t blocks = size / 64;  // a multiple of 256
  constexpr std::int64_t padding = 96;        // behind the scales of scales
  STATIC_CHECK(storage_bytes<Nested>(65537, 131072) ==
               size / 2 + blocks + blocks / 256 * 4 + padding + 4);
}

TEST_CASE("placement is known at compile time", "[layout]") {
  STATIC_CHECK(storage_bytes<Nibbles>(1, 1) == 128 + 4);
  STATIC_CHECK(storage_bytes<Nibbles>(16, 16) == 128 + 16);
  STATIC_CHECK(storage_bytes<Nibbles const>(16, 16) == 128 + 16);
  STATIC_CHECK(storage_bytes<Nested>(16, 16) == 128 + 128 + 128 + 4);
  STATIC_CHECK(placement<Nested>(64, 1000).payload == 32000 + 1000 + 16 + 4);
}
