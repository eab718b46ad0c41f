// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiled matmul of Hopper under the harness: accuracy against float64, tiles that do not fill,
// blocks that share a tile, and the same bits however its threads and copies are ordered.

#include "qfmt/ops/matmul.cuh"

#include <algorithm>
#include <optional>
#include <utility>

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

MatmulOptions divided(int blocks = 0, int columns = 0) {
  MatmulOptions options;
  options.tuning = {.blocks = blocks, .columns = columns};
  return options;
}

/// Room for the sums of split tiles, with anything in it; or none.
class Room {
 public:
  Room() = default;
  explicit Room(std::int64_t size) : bytes(size) {}

  Workspace get() {
    if (bytes > 0 && !data)
      data.emplace(std::vector<std::uint8_t>(static_cast<std::size_t>(bytes), 0xA5));
    return data ? Workspace{data->data(), bytes} : Workspace{};
  }

 private:
  std::int64_t bytes = 0;
  std::optional<DeviceBuffer<std::uint8_t>> data;
};

/// Of so many blocks and any tile.
Room room_for(int blocks) { return Room(blocks * gemm::partial_bytes<gemm::Tuning<256>>(1)); }

/// Tiles that fit m, for the kernel under test also where another would be taken.
template <SchemeSpec S, class T>
int columns_for(int64_t m) {
  return gemm::Tilings<S, T>::columns_for(m, int64_t{1} << 20, 1);
}

struct Tiled {
  Room room{};

  template <SchemeSpec S, class T>
  Status operator()(QuantizedMatrix<S> const& w, T const* x, int64_t m, T* y, T const* bias,
                    MatmulOptions options) {
    if (options.tuning.columns == 0) options.tuning.columns = columns_for<S, T>(m);
    return device::matmul(w, x, m, y, bias, room.get(), nullptr, options);
  }
};

template <SchemeSpec S, class T>
double error(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t m, bool with_bias,
             MatmulOptions options = {}, Room room = {}) {
  return error_of<S, T>(weights, w, m, with_bias, options, Tiled{std::move(room)});
}

/// y of random x, one row after another.
template <SchemeSpec S, class T>
std::vector<T> result(QuantizedMatrix<S> const& w, int64_t m, MatmulOptions options,
                      Room room = {}) {
  DeviceBuffer<T> const x(random_values<T>(m * w.cols, 11)), y(m * w.rows);
  options.tuning.columns = columns_for<S, T>(m);
  REQUIRE(device::matmul(w, x.data(), m, y.data(), nullptr, room.get(), nullptr, options));
  REQUIRE(y.is_written());
  return y.host();
}

}  // namespace

TEST_CASE("wgmma: rows of x around every tile, bias", "[matmul][wgmma]") {
  Weights<Nested> const w(136, 320, 1);  // a stage and a quarter; a tile and eight rows
  for (int64_t const m : {1, 31, 33, 65, 130})
    CHECK(error<Nested, float16>(w, w.matrix(), m, m % 2 == 1, divided()) < 0.4e-3);
  CHECK(error<Nested, bfloat16>(w, w.matrix(), 257, true, divided(0, 256)) < 3e-3);
}

TEST_CASE("wgmma: error before rounding, scales on products and on weights", "[matmul][wgmma]") {
  Weights<Nested> const w(200, 1024, 21);
  auto const error = [&](int columns) {
    return error_before_rounding<Nested, bfloat16>(w, w.matrix(), 2, divided(0, columns), Tiled{});
  };
  CHECK(error(64) < 0.9e-3);
  CHECK(error(128) < 0.9e-3);
  double const rounded_twice = error(256);
  CHECK(rounded_twice < 2.1e-3);
  CHECK(rounded_twice > 1e-3);  // or it is not the kernel that was asked for
}

TEST_CASE("wgmma: rows of weights that end anywhere", "[matmul][wgmma]") {
  for (int64_t const rows : {1, 15, 64, 129}) {
    Weights<Plain> const w(rows, 128, 2);
    CHECK(error<Plain, float16>(w, w.matrix(), 17, true, divided()) < 0.6e-3);
  }
}

TEST_CASE("wgmma: blocks of every size, Int8, rows", "[matmul][wgmma]") {
  auto const check = [](auto scheme, double most) {
    using S = decltype(scheme);
    Weights<S> const w(20, 576, 3);  // blocks of 128 and more lie across rows
    CHECK(error<S, float16>(w, w.matrix(), 9, false, divided()) < most);
  };
  check(Scheme<Format<NF4>, BlockSize<16>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<FP4>, BlockSize<128>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<Int8>>{}, 0.4e-3);
  check(Scheme<Format<Int8>, RowWise>{}, 0.4e-3);
}

TEST_CASE("wgmma: blocks take several tiles, and share tiles", "[matmul][wgmma]") {
  Weights<Nested> const w(300, 1536, 4);  // six stages
  for (int const columns : {16, 32, 64, 128})
    for (int const blocks : {1, 3, 7}) {
      INFO("tiles of " << columns << ", blocks " << blocks);
      int const m = columns < 64 ? columns + 3 : columns - 3;
      CHECK(error<Nested, float16>(w, w.matrix(), m, true, divided(blocks, columns),
                                   room_for(blocks)) < 0.4e-3);
    }
  CHECK(error<Nested, bfloat16>(w, w.matrix(), 200, true, divided(4, 256), room_for(4)) < 3e-3);
  Weights<Plain> const small(64, 64, 4);  // less than a stage
  CHECK(error<Plain, float16>(small, small.matrix(), 20, true, divided(), room_for(132)) < 0.4e-3);
}

TEST_CASE("wgmma: every stage of every tile is in one piece", "[matmul][wgmma]") {
  for (int const tiles : {1, 2, 3, 7, 64, 131, 132, 133, 224, 250, 263, 1000})
    for (int const stages : {1, 2, 3, 16, 112})
      for (int const blocks : {1, 2, 7, 132}) {
        gemm::Shape shape;
        shape.tiles = tiles;
        shape.stages = stages;
        gemm::divide(shape, blocks, true);
        REQUIRE(shape.grid <= blocks);
        std::vector<std::vector<int>> owner(static_cast<std::size_t>(tiles),
                                            std::vector<int>(static_cast<std::size_t>(stages), -1));
        int most = 0, least = tiles * stages;
        for (int b = 0; b < shape.grid; ++b) {
          gemm::Schedule schedule(shape, b);
          int units = 0, unfinished = 0;
          for (gemm::Piece piece; schedule.next(piece);) {
            if (piece.end <= piece.begin) FAIL("an empty piece");
            units += piece.end - piece.begin;
            // What others wait for comes first, what waits for others last.
            if (piece.end < stages) REQUIRE(++unfinished == 1);
            if (piece.begin > 0 && piece.end == stages) {
              REQUIRE(owner[static_cast<std::size_t>(piece.tile)][0] ==
                      schedule.first_block(piece.tile));
            }
            for (int s = piece.begin; s < piece.end; ++s) {
              int& of = owner[static_cast<std::size_t>(piece.tile)][static_cast<std::size_t>(s)];
              if (of != -1) FAIL("a stage in two pieces");
              of = b;
            }
          }
          most = std::max(most, units);
          least = std::min(least, units);
        }
        for (auto const& tile : owner) {
          if (!std::is_sorted(tile.begin(), tile.end()) || tile.front() < 0)
            FAIL("a stage in no piece, or blocks out of order");
        }
        bool const is_split = shape.split_tiles > 0;
        if (is_split && shape.grid == blocks) CHECK(most - least <= 1);
      }
}

TEST_CASE("wgmma: a workspace that is too small is not used", "[matmul][wgmma]") {
  Weights<Nested> const w(64, 1024, 7);
  auto const whole = result<Nested, bfloat16>(w.matrix(), 9, divided(3));
  Room small(gemm::partial_bytes<gemm::Tuning<16, 3>>(3) - 1);
  auto const again = result<Nested, bfloat16>(w.matrix(), 9, divided(3), std::move(small));
  for (std::size_t i = 0; i < again.size(); ++i)
    REQUIRE(element_bits(again[i]) == element_bits(whole[i]));
}

TEST_CASE("wgmma: the same bits under every order of threads and copies", "[matmul][wgmma]") {
  Weights<Nested> const w(130, 1280, 5);
  gpu_free::BlocksInOrder const in_order;
  for (int const blocks : {1, 4}) {
    auto const expected = result<Nested, bfloat16>(w.matrix(), 33, divided(blocks), room_for(4));
    gpu_free::for_each_seed(4, [&](std::uint64_t) {
      auto const again = result<Nested, bfloat16>(w.matrix(), 33, divided(blocks), room_for(4));
      for (std::size_t i = 0; i < again.size(); ++i)
        REQUIRE(element_bits(again[i]) == element_bits(expected[i]));
    });
  }
}

TEST_CASE("wgmma: merged weights and slices", "[matmul][wgmma]") {
  Weights<Nested> const q(70, 512, 15), k(33, 512, 16);
  MatrixParts<Nested, 3> parts;
  parts.part[0] = q.matrix();
  parts.part[1].cols = parts.part[1].row_stride = 512;  // no rows
  parts.part[2] = k.matrix();
  parts.count = 3;
  int64_t const m = 9, n = 103;
  auto const x = random_values<float16>(m * 512, 18);
  DeviceBuffer<float16> const from(x), to(m * n);
  REQUIRE(device::matmul(parts, from.data(), m, to.data(), nullptr, {}, nullptr));
  auto const y = to.host();
  std::vector<double> got, expected;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t c = 0; c < n; ++c) {
      got.push_back(double{to_float(y[static_cast<std::size_t>(i * n + c)])});
      expected.push_back(c < 70 ? product(q, q.matrix(), c, x, i)
                                : product(k, k.matrix(), c - 70, x, i));
    }
  CHECK(relative_error(got, expected) < 0.4e-3);
  auto slice = q.matrix();
  slice.rows = 30;
  slice.cols = 256;
  slice.origin = 11 * 512 + 128;
  CHECK(error<Nested, float16>(q, slice, 17, false, divided()) < 0.4e-3);
}

TEST_CASE("wgmma: what it does not take, another kernel computes", "[matmul][wgmma]") {
  Weights<Plain> const w(8, 96, 6);
  CHECK(error<Plain, float16>(w, w.matrix(), 20, true, divided(0, 64)) < 0.6e-3);
  CHECK(error<Plain, float16>(w, w.matrix(), 20, true, divided(0, 48)) < 0.6e-3);
}

TEST_CASE("wgmma: the workspace that is named is used and suffices", "[matmul][wgmma]") {
  constexpr auto bytes = device::matmul_workspace_bytes<Nested, bfloat16>;
  CHECK(bytes(8, 4096, 4096) == 0);
  for (int64_t const m : {9, 17, 33, 65, 129, 4096})
    CHECK(bytes(m, 4096, 4096) > int64_t{144} * 192 * 16 * 4);
  for (int64_t rows = 128; rows < 8192; rows += 128)  // tiles of 256 beside tiles of 128 rows of x
    for (int const multiprocessors : {16, 114, 132, 144}) {
      int const columns = gemm::Tilings<Nested, bfloat16>::columns_for(256, rows, multiprocessors);
      auto const needed = columns == 256 ? gemm::partial_bytes<gemm::Tuning<256>>(multiprocessors)
                                         : gemm::partial_bytes<gemm::Tuning<128>>(multiprocessors);
      CHECK(bytes(256, rows, 4096) >= needed);
    }
  CHECK(device::matmul_workspace_bytes<Nested, float>(64, 4096, 4096) == 0);
}
