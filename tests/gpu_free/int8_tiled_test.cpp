// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiled LLM.int8() product under the harness. Without outlier columns, with f32 activations, or
// where the outlier columns' weights are 0, it has the host's bits in every tile and cluster; else
// it is held against float64.

#include "qfmt/host/int8_matmul.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "qfmt/ops/int8_matmul.cuh"
#include "support/normal_values.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <vector>

#include "gpu_free/device_buffer.hpp"
#include "gpu_free/settings.hpp"

using gpu_free::DeviceBuffer;
using namespace qfmt;

namespace {

using test_support::normal_values;

constexpr DeviceLimits h200{.sm = 90, .multiprocessors = 132, .shared_bytes = 232448};

template <class T>
T& at(std::vector<T>& v, int64_t i) {
  return v[static_cast<std::size_t>(i)];
}

/// m rows of x in which `outliers` columns hold one value beyond 6, spread over all columns.
template <class T>
std::vector<T> activations(int64_t m, int64_t k, int64_t outliers, unsigned seed) {
  auto x = normal_values<T>(m * k, seed);
  for (T& v : x)
    if (!(std::fabs(to_float(v)) < 6.f)) v = from_float<T>(1.f);
  for (int64_t i = 0; i < outliers; ++i) {
    int64_t const column = i * k / outliers;
    at(x, (i * 7 % m) * k + column) =
        from_float<T>(i % 2 == 0 ? 9.f + static_cast<float>(i) : -60.f);
  }
  return x;
}

enum class Kept { none, all, zeros };

/// One layer on both sides: weights (n, k), rows `gap` values further apart than they are long.
template <class T>
struct Layer {
  int64_t n, k, stride;
  std::vector<T> values;
  std::vector<T> bias;
  QuantizedTensor<LlmInt8> tensor;
  DeviceBuffer<uint8_t> storage;
  DeviceBuffer<T> device_values, device_zeros, device_bias;

  Layer(int64_t n_, int64_t k_, unsigned seed, int64_t stride_ = 0)
      : n(n_),
        k(k_),
        stride(stride_ == 0 ? k_ : stride_),
        values(normal_values<T>(n * stride, seed)),
        bias(normal_values<T>(n, seed + 1)),
        tensor(n, stride),
        storage(storage_bytes<LlmInt8>(n, stride)),
        device_values(values),
        device_zeros(std::vector<T>(values.size(), from_float<T>(0.f))),
        device_bias(bias) {
    REQUIRE(host::quantize(values, tensor.span()));
    storage.write({tensor.matrix().values.codes, static_cast<std::size_t>(storage.size())});
  }

  template <class S>
  QuantizedMatrix<S> view(QuantizedMatrix<S> w) const {
    w.cols = k;
    return w;
  }
  OutlierWeights<T> kept(Kept which, T const* all, T const* zeros) const {
    if (which == Kept::none) return {};
    return {which == Kept::all ? all : zeros, nullptr, k, stride};
  }

  std::vector<T> on_host(std::vector<T> const& x, float threshold, Kept which) {
    int64_t const m = static_cast<int64_t>(x.size()) / k;
    int64_t const bytes = int8_matmul_workspace_bytes(m, k);
    std::vector<float> memory(static_cast<std::size_t>(bytes / 4 + 1));
    std::vector<T> y(static_cast<std::size_t>(m * n)), zeros(values.size());
    REQUIRE(host::int8_matmul(view(QuantizedMatrix<LlmInt8 const>(tensor.matrix())),
                              kept(which, values.data(), zeros.data()), x.data(), m, y.data(),
                              bias.data(), threshold, {memory.data(), bytes}));
    return y;
  }

  std::vector<T> tiled(std::vector<T> const& x, float threshold, Kept which,
                       int8::Division division) {
    int64_t const m = static_cast<int64_t>(x.size()) / k;
    int64_t const bytes = int8_matmul_workspace_bytes(m, k);
    DeviceBuffer<uint8_t> const memory(bytes);
    DeviceBuffer<T> const from(x), to(m * n);
    auto a = place_activations(memory.data(), m, k);
    REQUIRE(device::detail::quantize_int8_rows(from.data(), m, k, a.values.row_stride, threshold, a,
                                               nullptr));
    if (!(threshold > 0.f)) a.outliers = nullptr;
    int8::Product<T> const p{
        view(QuantizedMatrix<LlmInt8 const>(place<LlmInt8>(storage.data(), n, stride))),
        kept(which, device_values.data(), device_zeros.data()),
        a,
        from.data(),
        to.data(),
        device_bias.data()};
    REQUIRE(int8::serves(p, h200));
    REQUIRE(int8::launch_tiled(p, division, h200, nullptr));
    REQUIRE(to.is_written());
    return to.host();
  }

  /// The largest error in units of what rounding may do: half a unit in the last place of T, and
  /// of f32 for each product of an outlier column.
  double worst(std::vector<T> const& x, Kept which, std::vector<T> const& y) {
    int64_t const m = static_cast<int64_t>(x.size()) / k;
    int64_t const bytes = int8_matmul_workspace_bytes(m, k);
    std::vector<float> memory(static_cast<std::size_t>(bytes / 4 + 1));
    auto const a = place_activations(memory.data(), m, k);
    REQUIRE(host::quantize_activations(x.data(), 6.f, a));
    double const unit = std::same_as<T, float16> ? 0x1p-11 : 0x1p-8;
    double most = 0;
    for (int64_t r = 0; r < m; ++r)
      for (int64_t c = 0; c < n; ++c) {
        double const scale = double{tensor.matrix().values.scales.absmax[c]} / 127;
        double sum = double{to_float(at(bias, c))}, size = std::fabs(sum);
        for (int64_t i = 0; i < k; ++i) {
          double const code = static_cast<int8_t>(tensor.matrix().values.codes[c * stride + i]);
          bool const outlier = (a.outliers[i / 32] >> i % 32 & 1u) != 0;
          double const xs =
              outlier ? double{to_float(x[static_cast<std::size_t>(r * k + i)])}
                      : static_cast<int8_t>(a.values.values.codes[r * a.values.row_stride + i]) *
                            double{a.values.values.scales.absmax[r]} / 127;
          double ws = code * scale;
          if (outlier)
            ws = which == Kept::all ? double{to_float(at(values, c * stride + i))}
                                    : double{to_float(from_float<T>(static_cast<float>(ws)))};
          sum += xs * ws;
          size += std::fabs(xs * ws);
        }
        double const got = double{to_float(y[static_cast<std::size_t>(r * n + c)])};
        most = std::fmax(most, std::fabs(got - sum) / (unit * std::fabs(sum) + 0x1p-20 * size));
      }
    return most;
  }
};

template <class T>
bool same(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("int8 tiles: the host's bits in every tile", "[int8][tiled]", float, float16,
                   bfloat16) {
  using T = TestType;
  Layer<T> layer(137, 304, 1);  // a tile and nine rows; two stages and 48 columns
  for (int const columns : {16, 32, 64, 128, 256}) {
    if (std::same_as<T, float> && columns == 256) continue;
    CAPTURE(columns);
    int64_t const m = columns + 3;
    auto const x = activations<T>(m, 304, 5, 2);
    CHECK(same(layer.tiled(x, 0.f, Kept::none, {.columns = columns}),
               layer.on_host(x, 0.f, Kept::none)));
    CHECK(same(layer.tiled(x, 6.f, Kept::zeros, {.columns = columns}),
               layer.on_host(x, 6.f, Kept::zeros)));
  }
}

TEMPLATE_TEST_CASE("int8 tiles: clusters, several tiles a block", "[int8][tiled]", float16, float) {
  using T = TestType;
  Layer<T> layer(150, 1040, 3);
  for (int64_t const m : {1, 20})
    for (int const cluster : {1, 2, 4}) {
      CAPTURE(m, cluster);
      auto const x = activations<T>(m, 1040, 9, 4);
      for (float const threshold : {0.f, 6.f})
        CHECK(same(layer.tiled(x, threshold, Kept::zeros, {.cluster = cluster, .blocks = 1}),
                   layer.on_host(x, threshold, Kept::zeros)));
    }
  auto const x = activations<T>(70, 1040, 1, 5);
  CHECK(same(layer.tiled(x, 6.f, Kept::zeros, {.columns = 64, .cluster = 2}),
             layer.on_host(x, 6.f, Kept::zeros)));
}

TEST_CASE("int8 tiles: f32 activations keep the host's bits with outliers", "[int8][tiled]") {
  Layer<float> layer(21, 512, 6);
  for (int64_t const outliers : {0, 1, 31, 32, 33, 64, 65, 130})
    for (Kept const which : {Kept::none, Kept::all}) {
      CAPTURE(outliers, static_cast<int>(which));
      auto const x = activations<float>(18, 512, outliers, 7);
      CHECK(same(layer.tiled(x, 6.f, which, {}), layer.on_host(x, 6.f, which)));
    }
}

TEMPLATE_TEST_CASE("int8 tiles: outlier columns against float64", "[int8][tiled]", float16,
                   bfloat16) {
  using T = TestType;
  Layer<T> layer(67, 512, 8);
  for (int64_t const outliers : {0, 1, 31, 33, 63, 65, 130})
    for (Kept const which : {Kept::none, Kept::all}) {
      CAPTURE(outliers, static_cast<int>(which));
      auto const x = activations<T>(17, 512, outliers, 9);
      CHECK(layer.worst(x, which, layer.tiled(x, 6.f, which, {.cluster = 2})) < 1.01);
    }
  auto const x = activations<T>(3, 512, 20, 10);
  CHECK(layer.worst(x, Kept::all, layer.tiled(x, 6.f, Kept::none, {})) > 2);  // it can fail
}

TEST_CASE("int8 tiles: rows of weights that end anywhere, slices", "[int8][tiled]") {
  for (int64_t const rows : {1, 16, 63, 128}) {
    Layer<bfloat16> layer(rows, 200, 11, 208);
    auto const x = activations<bfloat16>(9, 200, 4, 12);
    CHECK(same(layer.tiled(x, 6.f, Kept::zeros, {}), layer.on_host(x, 6.f, Kept::zeros)));
  }
}

TEST_CASE("int8 tiles: the same bits under every order of threads and copies", "[int8][tiled]") {
  Layer<float16> layer(130, 1280, 13);
  auto const x = activations<float16>(33, 1280, 70, 14);
  for (int const cluster : {1, 2}) {
    auto const expected = layer.tiled(x, 6.f, Kept::all, {.cluster = cluster, .blocks = 1});
    gpu_free::for_each_seed(4, [&](std::uint64_t) {
      CHECK(same(layer.tiled(x, 6.f, Kept::all, {.cluster = cluster, .blocks = 1}), expected));
    });
  }
}

TEST_CASE("int8 tiles: the call takes them, and refuses what they do not serve", "[int8][tiled]") {
  CHECK(int8::tile_columns(8192, 16, true, h200) == 16);
  CHECK(int8::tile_columns(8192, 17, true, h200) == 32);
  CHECK(int8::tile_columns(8192, 4096, true, h200) == 256);
  CHECK(int8::tile_columns(8192, 4096, false, h200) == 128);
  CHECK(int8::tile_columns(8192, 256, true, h200) == 128);  // 128 tiles instead of 64
  for (int const columns : {16, 32, 64, 128, 256}) {
    auto const s = int8::divide(8192, int8_sum_cols, 4096, true, columns, {}, h200);
    CHECK(s.grid > 0);
    CHECK(s.shared_bytes <= h200.shared_bytes);
  }
  Layer<float16> layer(5, 96, 15);
  auto const x = normal_values<float16>(96, 16);
  DeviceBuffer<float16> const from(x), to(5);
  int64_t const bytes = int8_matmul_workspace_bytes(1, 96);
  DeviceBuffer<uint8_t> const memory(bytes);
  auto const w = place<LlmInt8>(layer.storage.data(), 5, 96);
  REQUIRE(device::int8_matmul(w, {}, from.data(), 1, to.data(), layer.device_bias.data(), 0.f,
                              {memory.data(), bytes}, nullptr));
  CHECK(same(to.host(), layer.on_host(x, 0.f, Kept::none)));
  int8::Product<float16> p{};
  p.w = w;
  p.a = place_activations(memory.data(), 1, 96);
  CHECK(int8::serves(p, h200));
  CHECK_FALSE(int8::serves(p, {.sm = 80, .multiprocessors = 108, .shared_bytes = 166912}));
  p.w.row_stride = 100;
  CHECK_FALSE(int8::serves(p, h200));
  p.w.row_stride = 96;
  p.w.values.codes += 4;
  CHECK_FALSE(int8::serves(p, h200));
}
