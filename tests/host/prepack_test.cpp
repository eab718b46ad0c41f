// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Prepacking on the host: where every byte goes, by the rule stated a second time; exactly undone
// for every shape; nothing outside of whole tiles moves.

#include "qfmt/host/prepack.hpp"

#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

#include <random>
#include <set>
#include <vector>

namespace {

using namespace qfmt;
using Plain = Scheme<Format<NF4>>;
using Rows = Scheme<Format<Int8>, RowWise>;

std::vector<uint8_t> random_bytes(int64_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::vector<uint8_t> bytes(static_cast<std::size_t>(count));
  for (auto& b : bytes) b = static_cast<uint8_t>(random());
  return bytes;
}

template <SchemeSpec S>
QuantizedMatrix<S> matrix(std::vector<uint8_t>& codes, std::vector<float>& absmax, int64_t rows,
                          int64_t cols, int64_t stride, int64_t origin) {
  QuantizedMatrix<S> w;
  w.values.codes = codes.data();
  w.values.size = static_cast<int64_t>(codes.size()) * 8 / S::bits;
  w.values.scales.absmax = absmax.data();
  if constexpr (S::is_row_wise) w.values.scales.row_length = 1;
  w.rows = rows, w.cols = cols, w.row_stride = stride, w.origin = origin;
  return w;
}

template <SchemeSpec S>
void check_shape(int64_t rows, int64_t cols, int64_t stride, int64_t origin) {
  int64_t const size = origin + rows * stride + 7;
  auto codes = random_bytes(codes_bytes<S>(size));
  auto const before = codes;
  std::vector<float> absmax(static_cast<std::size_t>(size + 1), 1.f);
  auto const w = matrix<S>(codes, absmax, rows, cols, stride, origin);
  std::vector<uint8_t> raw;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) raw.push_back(code_of(w, r, c));
  PrepackedMatrix<S> packed;
  REQUIRE(host::prepack(w, packed));
  CHECK((packed.rows == rows && packed.cols == cols && packed.codes == codes.data()));
  auto const view = qfmt::detail::as_quantized(packed);
  std::size_t wrong = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      wrong += code_of(view, r, c) != raw[static_cast<std::size_t>(r * cols + c)];
  CHECK(wrong == 0);
  // What lies in no whole tile has not moved.
  int64_t const whole_rows = rows / 16 * 16, whole_cols = cols / 64 * 64;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = r < whole_rows ? whole_cols : 0; c < cols; ++c)
      wrong += code_of(w, r, c) != raw[static_cast<std::size_t>(r * cols + c)];
  CHECK(wrong == 0);
  bool const moves =
      whole_rows > 0 && whole_cols > 0 && (S::bits == 8 || (stride % 2 == 0 && origin % 2 == 0));
  CHECK((codes != before) == moves);
  QuantizedMatrix<S> restored;
  REQUIRE(host::unpack(packed, restored));
  CHECK(codes == before);
  CHECK((restored.values.codes == codes.data() && restored.rows == rows && restored.cols == cols &&
         restored.row_stride == stride && restored.origin == origin));
}

}  // namespace

TEST_CASE("prepack: the sixteen bytes of each lane, four and eight bits", "[host][prepack]") {
  auto const check = [](auto scheme) {
    using S = decltype(scheme);
    constexpr int pair = S::bits == 4 ? 1 : 2;  // bytes of two values
    constexpr int row_bytes = 64 * S::bits / 8;
    std::vector<uint8_t> codes(16 * row_bytes);
    std::vector<int> from(codes.size());
    // Two passes: the row of each byte's origin, then its column.
    for (int const pass : {0, 1}) {
      for (std::size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<uint8_t>(pass == 0 ? i / row_bytes : i % row_bytes);
      std::vector<float> absmax(64 * 16, 1.f);
      PrepackedMatrix<S> packed;
      REQUIRE(host::prepack(matrix<S>(codes, absmax, 16, 64, 64, 0), packed));
      for (std::size_t i = 0; i < codes.size(); ++i)
        from[i] = pass == 0 ? codes[i] * row_bytes : from[i] + codes[i];
    }
    int const rows[16] = {0, 3, 5, 6, 1, 2, 4, 7, 8, 11, 13, 14, 9, 10, 12, 15};
    for (int half = 0; half < row_bytes / 32; ++half)
      for (int lane = 0; lane < 32; ++lane)
        for (int b = 0; b < 16; ++b) {
          int const g = lane / 4, t = lane % 4;
          int const at = rows[lane / 2] * row_bytes + half * 32 + lane % 2 * 16 + b;
          int const row = b < 8 ? g : g + 8;
          int const word = b % 8 / pair;  // four pairs each
          int const byte = half * 32 + (word * 4 + t) * pair + b % pair;
          CHECK(from[static_cast<std::size_t>(at)] == row * row_bytes + byte);
        }
  };
  check(Plain{});
  check(Scheme<Format<Int8>>{});
}

TEST_CASE("prepack: eight lanes meet in no bank, however rows are twisted", "[host][prepack]") {
  for (int phase = 0; phase < 4; ++phase) {
    std::set<int> by_eight, by_four;
    for (int l = 0; l < 8; ++l) {
      int const lane = phase * 8 + l;
      int const row = qfmt::detail::unit_row(lane);
      by_eight.insert((lane % 2) ^ (row % 8));
      by_four.insert((lane % 2) ^ (row % 4 * 2));
    }
    CHECK(by_eight.size() == 8);
    CHECK(by_four.size() == 8);
  }
}

TEST_CASE("prepack: every shape around whole tiles, and back", "[host][prepack]") {
  for (int64_t const rows : {0, 1, 15, 16, 17, 31, 32, 70})
    for (int64_t const cols : {0, 1, 2, 63, 64, 65, 127, 128, 200}) {
      check_shape<Plain>(rows, cols, cols, 0);
      check_shape<Rows>(rows, cols, cols, 0);
    }
  check_shape<Plain>(33, 130, 131, 0);  // rows that begin within bytes
  check_shape<Plain>(33, 130, 140, 3);
  check_shape<Plain>(33, 130, 140, 6);
  check_shape<Rows>(33, 130, 141, 5);
}

TEST_CASE("prepack: slices along tiles are those of the raw matrix", "[host][prepack]") {
  auto codes = random_bytes(48 * 200 / 2);
  std::vector<float> absmax(48 * 200, 1.f);
  auto const w = matrix<Plain>(codes, absmax, 48, 200, 200, 0);
  std::vector<uint8_t> raw;
  for (int64_t i = 0; i < 48 * 200; ++i) raw.push_back(code_of(w, i / 200, i % 200));
  PrepackedMatrix<Plain> packed;
  REQUIRE(host::prepack(w, packed));
  packed.rows = 32, packed.cols = 136, packed.origin = 16 * 200 + 64;
  auto const slice = qfmt::detail::as_quantized(PrepackedMatrix<Plain const>(packed));
  std::size_t wrong = 0;
  for (int64_t r = 0; r < 32; ++r)
    for (int64_t c = 0; c < 136; ++c)
      wrong += code_of(slice, r, c) != raw[static_cast<std::size_t>((16 + r) * 200 + 64 + c)];
  CHECK(wrong == 0);
}

TEST_CASE("prepack: refusals", "[host][prepack]") {
  std::vector<uint8_t> codes(32);
  std::vector<float> absmax(64, 1.f);
  PrepackedMatrix<Plain> packed;
  CHECK(host::prepack(matrix<Plain>(codes, absmax, 2, 64, 64, 0), packed).code ==
        Errc::size_mismatch);
  CHECK(host::prepack(matrix<Plain>(codes, absmax, 1, 64, 63, 0), packed).code ==
        Errc::unsupported_shape);
  auto w = matrix<Plain>(codes, absmax, 1, 64, 64, 0);
  w.values.codes = nullptr;
  CHECK(host::prepack(w, packed).code == Errc::null_pointer);
  packed = {};
  packed.rows = packed.cols = packed.size = packed.row_stride = 1;
  QuantizedMatrix<Plain> raw;
  CHECK(host::unpack(packed, raw).code == Errc::null_pointer);
}
