// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The grouped matmul under the harness: uneven and empty groups, tails, matrices that do not
// stream, and the same bits however threads, blocks and copies are ordered.

#include "qfmt/ops/grouped_matmul.cuh"

#include <memory>

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

MatmulOptions divided(int columns, int splits = 0, int blocks = 0) {
  MatmulOptions options;
  options.tuning = {.splits = splits, .blocks = blocks, .columns = columns};
  return options;
}

/// Matrices on the emulated device, and their views there as well.
template <SchemeSpec S>
struct Experts {
  int64_t rows, cols;
  std::vector<std::unique_ptr<Weights<S>>> weights;
  std::vector<QuantizedMatrix<S>> views;
  std::unique_ptr<DeviceBuffer<QuantizedMatrix<S>>> on_device;

  Experts(int count, int64_t n, int64_t k, unsigned seed) : rows(n), cols(k) {
    for (int i = 0; i < count; ++i) {
      weights.push_back(std::make_unique<Weights<S>>(n, k, seed + static_cast<unsigned>(i)));
      views.push_back(weights.back()->matrix());
    }
    upload();
  }
  void upload() { on_device = std::make_unique<DeviceBuffer<QuantizedMatrix<S>>>(views); }
  MatrixGroups<S> groups() const {
    return {on_device->data(), static_cast<int64_t>(views.size()), rows, cols};
  }
};

template <class Offset>
std::vector<Offset> offsets_of(std::vector<int> const& sizes, Offset first = 0) {
  std::vector<Offset> offsets{first};
  for (int const size : sizes) offsets.push_back(offsets.back() + static_cast<Offset>(size));
  return offsets;
}

/// y of random x and biases; rows in no group must stay unwritten.
template <SchemeSpec S, class T, class Offset = int>
std::vector<T> result(Experts<S> const& e, std::vector<int> const& sizes, bool with_bias,
                      MatmulOptions options, int before = 0, int after = 0) {
  auto const offsets = offsets_of<Offset>(sizes, static_cast<Offset>(before));
  int64_t const last = static_cast<int64_t>(offsets.back());
  int64_t const m = last + after;
  DeviceBuffer<Offset> const at(offsets);
  DeviceBuffer<T> const x(random_values<T>(m * e.cols, 11)), y(m * e.rows);
  DeviceBuffer<T> const bias(random_values<T>(static_cast<int64_t>(e.views.size()) * e.rows, 13));
  T const* const none = nullptr;
  REQUIRE(device::grouped_matmul(e.groups(), at.data(), x.data(), m, y.data(),
                                 with_bias ? bias.data() : none, {}, nullptr, options));
  if (last > before) CHECK(y.is_written(before * e.rows, (last - before) * e.rows));
#if defined(GPU_FREE_SHADOW)  // which knows; sanitized builds take all for written
  if (before > 0) CHECK_FALSE(y.is_written(0, 1));
  if (after > 0) CHECK_FALSE(y.is_written(last * e.rows, 1));
#endif
  return y.host(before * e.rows, (last - before) * e.rows);
}

/// Its error against float64, with the rounding to T in it.
template <SchemeSpec S, class T, class Offset = int>
double error(Experts<S> const& e, std::vector<int> const& sizes, bool with_bias,
             MatmulOptions options = {}, int before = 0, int after = 0) {
  auto const y = result<S, T, Offset>(e, sizes, with_bias, options, before, after);
  auto const offsets = offsets_of<int64_t>(sizes, before);
  auto const x = random_values<T>((offsets.back() + after) * e.cols, 11);
  auto const bias = random_values<T>(static_cast<int64_t>(e.views.size()) * e.rows, 13);
  std::vector<double> got, expected;
  for (std::size_t g = 0; g < sizes.size(); ++g)
    for (int64_t i = offsets[g]; i < offsets[g + 1]; ++i)
      for (int64_t n = 0; n < e.rows; ++n) {
        got.push_back(double{to_float(y[static_cast<std::size_t>((i - before) * e.rows + n)])});
        expected.push_back(
            product(*e.weights[g], QuantizedMatrix<S>(e.views[g]), n, x, i) +
            (with_bias
                 ? double{to_float(
                       bias[g * static_cast<std::size_t>(e.rows) + static_cast<std::size_t>(n)])}
                 : 0.));
      }
  return relative_error(got, expected);
}

}  // namespace

TEST_CASE("grouped: uneven and empty groups, bias", "[matmul][grouped]") {
  Experts<Nested> const e(5, 50, 320, 1);  // a stage and a quarter
  for (int const columns : {16, 64}) {
    CHECK(error<Nested, float16>(e, {0, 3, 0, 17, 1}, true, divided(columns)) < 0.4e-3);
    CHECK(error<Nested, float16>(e, {1, 0, 0, 0, 0}, false, divided(columns)) < 0.6e-3);
    CHECK(error<Nested, float16>(e, {0, 0, 0, 0, 9}, true, divided(columns)) < 0.4e-3);
  }
  CHECK(error<Nested, bfloat16>(e, {8, 9, 16, 33, 70}, true, divided(64)) < 3e-3);
  CHECK(error<Nested, bfloat16, int64_t>(e, {2, 0, 5, 1, 1}, false, {}, 3, 2) < 3e-3);
}

TEST_CASE("grouped: no rows at all, and rows of x in no group", "[matmul][grouped]") {
  Experts<Plain> const e(3, 20, 128, 2);
  CHECK(result<Plain, float16>(e, {0, 0, 0}, false, divided(16), 0, 4).empty());
  CHECK(result<Plain, float>(e, {0, 0, 0}, false, {}, 0, 4).empty());
  CHECK(error<Plain, float16>(e, {4, 0, 1}, false, divided(16), 2, 3) < 0.6e-3);
}

TEST_CASE("grouped: more groups than a warp has lanes, most of them empty", "[matmul][grouped]") {
  Experts<Plain> const e(70, 17, 64, 3);
  std::vector<int> sizes(70);
  sizes[0] = 1;
  sizes[33] = 18;
  sizes[34] = 2;
  sizes[69] = 5;
  CHECK(error<Plain, float16>(e, sizes, true, divided(16, 0, 3)) < 0.6e-3);
  CHECK(error<Plain, float>(e, sizes, true) < 1e-6);
}

TEST_CASE("grouped: splits share a tile, blocks take many items", "[matmul][grouped]") {
  Experts<Nested> const e(3, 260, 1536, 4);
  for (int const splits : {1, 2}) {
    CHECK(error<Nested, float16>(e, {3, 20, 9}, true, divided(8, splits, 2)) < 0.4e-3);
    CHECK(error<Nested, float16>(e, {1, 1, 1}, true, divided(8, splits, 1)) < 0.5e-3);
  }
  CHECK(error<Nested, float16>(e, {3, 20, 9}, true, divided(16, 1, 2)) < 0.4e-3);
  CHECK(error<Nested, float16>(e, {3, 40, 9}, true, divided(64, 1, 2)) < 0.4e-3);
}

TEST_CASE("grouped: blocks of every size, Int8, rows", "[matmul][grouped]") {
  auto const check = [](auto scheme, double most) {
    using S = decltype(scheme);
    Experts<S> const e(2, 20, 576, 5);  // blocks of 128 and more lie across rows
    CHECK(error<S, float16>(e, {9, 2}, false, divided(16)) < most);
    CHECK(error<S, float16>(e, {9, 2}, true, divided(64)) < most);
  };
  check(Scheme<Format<NF4>, BlockSize<16>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<FP4>, BlockSize<128>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<Int8>>{}, 0.4e-3);
  check(Scheme<Format<Int8>, RowWise>{}, 0.4e-3);
}

TEST_CASE("grouped: views that do not stream among others", "[matmul][grouped]") {
  Experts<Nested> e(4, 40, 256, 6);
  e.cols = 192;
  for (auto& v : e.views) v.rows = 30, v.cols = 192;
  e.rows = 30;
  e.views[0].origin = 256 + 64;
  e.views[1].origin = 7;  // begins no block
  e.views[3].origin = 2 * 256 + 32;
  e.upload();
  for (int const columns : {16, 64})
    CHECK(error<Nested, float16>(e, {3, 20, 2, 1}, true, divided(columns, 0, 2)) < 0.5e-3);
}

TEST_CASE("grouped: what the streaming kernel does not take", "[matmul][grouped]") {
  Experts<Plain> const odd(3, 19, 77, 7);
  CHECK(error<Plain, bfloat16>(odd, {9, 0, 2}, true) < 3e-3);
  Experts<Scheme<Format<Dynamic8>>> const bytes(2, 70, 256, 8);
  CHECK(error<Scheme<Format<Dynamic8>>, float>(bytes, {1, 17}, true) < 1e-6);
  gpu_free::Seeded const restore(0);
  gpu_free::settings().compute_major = 8;
  gpu_free::settings().compute_minor = 0;
  Experts<Nested> const e(2, 20, 128, 9);
  CHECK(error<Nested, float16>(e, {2, 3}, false) < 0.6e-3);
}

TEST_CASE("grouped: the same bits under every order of threads and copies", "[matmul][grouped]") {
  Experts<Nested> const e(3, 90, 1280, 10);
  auto const same = [&](MatmulOptions options) {
    std::vector<int> const sizes{2, 0, 18};
    auto const expected = result<Nested, bfloat16>(e, sizes, true, options);
    gpu_free::for_each_seed(4, [&](std::uint64_t) {
      auto const again = result<Nested, bfloat16>(e, sizes, true, options);
      for (std::size_t i = 0; i < again.size(); ++i)
        REQUIRE(element_bits(again[i]) == element_bits(expected[i]));
    });
  };
  same(divided(16, 1, 2));
  same(divided(8, 2, 2));
  same(divided(64, 1, 1));
}

TEST_CASE("grouped: the levels that a file stored with nested scales", "[matmul][grouped]") {
  Experts<Nested> e(2, 16, 256, 12);
  std::vector<float> levels(256);
  for (int c = 0; c < 256; ++c)
    levels[static_cast<std::size_t>(c)] = level<AbsmaxScheme::format>(static_cast<std::uint8_t>(c));
  auto const plain = result<Nested, float16>(e, {1, 1}, false, divided(16));
  DeviceBuffer<float> const same(levels);
  for (float& l : levels) l = -l;
  DeviceBuffer<float> const turned(levels);
  e.views[0].values.scales.absmax.scales.levels = same.data();
  e.views[1].values.scales.absmax.scales.levels = turned.data();
  e.upload();
  auto const stored = result<Nested, float16>(e, {1, 1}, false, divided(16));
  bool differs = false;
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(stored[i].bits == plain[i].bits);
    differs |= stored[16 + i].bits != plain[16 + i].bits;
  }
  CHECK(differs);
}

TEST_CASE("grouped: the streaming kernel fits a Hopper GPU", "[matmul][grouped]") {
  DeviceLimits const hopper{.sm = 90, .multiprocessors = 132, .shared_bytes = 232448};
  auto const check = [&](auto scheme) {
    using S = decltype(scheme);
    for (int64_t const k : {64, 4096, 14336})
      for (int64_t const n : {1, 768, 14336})
        for (int64_t const m : {1, 8, 512, 4096}) {
          auto const narrow =
              grouped::plan<S, bfloat16, grouped::NarrowTuning>({64, m, n}, k, 16, hopper, {});
          auto const wide =
              grouped::plan<S, bfloat16, grouped::WideTuning>({64, m, n}, k, 64, hopper, {});
          for (auto const& shape : {narrow, wide}) {
            CHECK(shape.row_warps * shape.splits >= 1);
            CHECK(shape.splits * shape.x_places <= shape.x.count);
            CHECK(shape.x_places >= 2);
            CHECK(shape.row_tiles * shape.row_warps * 16 >= n);
            CHECK(shape.shared_bytes <= hopper.shared_bytes);
          }
        }
  };
  check(Plain{});
  check(Nested{});
  check(Scheme<Format<Int8>, RowWise>{});
  for (int const splits : {1, 2}) {
    auto const asked = grouped::plan<Nested, float16, grouped::NarrowTuning>(
        {3, 32, 260}, 1536, 8, hopper, {.splits = splits});
    CHECK((asked.splits == splits && asked.row_warps > 0));
  }
}

TEST_CASE("grouped: refusals", "[matmul][grouped]") {
  Experts<Plain> const e(2, 16, 64, 11);
  DeviceBuffer<int> const offsets(std::vector<int>{0, 1, 2});
  DeviceBuffer<float16> const x(2 * 64), y(2 * 16);
  float16 const* const none = nullptr;
  int const* const no_offsets = nullptr;
  auto const call = [&](MatrixGroups<Plain> w, int const* at, float16 const* from, int64_t m) {
    return device::grouped_matmul(w, at, from, m, y.data(), none, {}, nullptr).code;
  };
  auto w = e.groups();
  CHECK(call(w, no_offsets, x.data(), 2) == Errc::null_pointer);
  CHECK(call(w, offsets.data(), none, 2) == Errc::null_pointer);
  CHECK(call(w, offsets.data(), x.data(), -1) == Errc::size_mismatch);
  CHECK(call(w, no_offsets, none, 0) == Errc::ok);
  w.matrix = nullptr;
  CHECK(call(w, offsets.data(), x.data(), 2) == Errc::null_pointer);
  w.count = 0;
  CHECK(call(w, no_offsets, none, 2) == Errc::ok);
  w.count = -1;
  CHECK(call(w, no_offsets, none, 2) == Errc::size_mismatch);
  w = e.groups();
  w.rows = -1;
  CHECK(call(w, offsets.data(), x.data(), 2) == Errc::unsupported_shape);
}
