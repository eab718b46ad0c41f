// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on the emulated device: the bits of the host's, which tests/host holds against a
// second statement of the rules.

#include "qfmt/host/int8_matmul.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "qfmt/ops/int8_matmul.cuh"
#include "support/normal_values.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <limits>
#include <vector>

#include "gpu_free/device_buffer.hpp"
#include "gpu_free/settings.hpp"

using gpu_free::DeviceBuffer;
using namespace qfmt;

namespace {

using test_support::normal_values;

template <class T>
T& at(std::vector<T>& v, int64_t i) {
  return v[static_cast<std::size_t>(i)];
}

template <class T>
bool same(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Scratch memory of the host.
struct Scratch {
  std::vector<float> memory;
  Workspace workspace;

  explicit Scratch(int64_t bytes)
      : memory(static_cast<std::size_t>(bytes / 4 + 1)), workspace{memory.data(), bytes} {}
};

enum class Weights { int8, with_kept, in_16_bit };

/// Weights on both sides.
template <class T>
struct Layer {
  int64_t n, k;
  std::vector<T> values;
  QuantizedTensor<LlmInt8> int8;
  DeviceBuffer<uint8_t> storage;
  DeviceBuffer<T> kept;
  std::vector<T> bias;
  DeviceBuffer<T> device_bias;

  Layer(int64_t n_, int64_t k_, unsigned seed, std::size_t misalignment = 0)
      : n(n_),
        k(k_),
        values(normal_values<T>(n * k, seed)),
        int8(n, k),
        storage(storage_bytes<LlmInt8>(n, k), misalignment),
        kept(values),
        bias(normal_values<T>(n, seed + 1)),
        device_bias(bias) {
    REQUIRE(host::quantize(values, int8.span()));
    storage.write({int8.matrix().values.codes, static_cast<std::size_t>(storage.size())});
  }

  std::vector<T> on_host(std::vector<T> const& x, float threshold, Weights weights) {
    int64_t const m = static_cast<int64_t>(x.size()) / k;
    Scratch scratch(int8_matmul_workspace_bytes(m, k, n));
    std::vector<T> y(static_cast<std::size_t>(m * n));
    OutlierWeights<T> outliers;
    if (weights != Weights::int8) outliers = {values.data(), nullptr, k};
    REQUIRE(host::int8_matmul(int8.matrix(), outliers, x.data(), m, y.data(), bias.data(),
                              threshold, scratch.workspace));
    return y;
  }

  std::vector<T> on_device(std::vector<T> const& x, float threshold, Weights weights,
                           std::size_t misalignment = 0) {
    int64_t const m = static_cast<int64_t>(x.size()) / k;
    int64_t const bytes = int8_matmul_workspace_bytes(m, k, weights == Weights::in_16_bit ? n : 0);
    DeviceBuffer<uint8_t> const memory(bytes, 4);
    DeviceBuffer<T> const from(x, misalignment), to(m * n);
    Workspace const workspace{memory.data(), bytes};
    Status s;
    if (weights == Weights::in_16_bit) {
      s = device::int8_matmul(kept.data(), n, k, from.data(), m, to.data(), device_bias.data(),
                              threshold, workspace, nullptr);
    } else {
      OutlierWeights<T> outliers;
      if (weights == Weights::with_kept) outliers = {kept.data(), nullptr, k};
      s = device::int8_matmul(place<LlmInt8>(storage.data(), n, k), outliers, from.data(), m,
                              to.data(), device_bias.data(), threshold, workspace, nullptr);
    }
    REQUIRE(s);
    REQUIRE(to.is_written());
    return to.host();
  }
};

}  // namespace

TEMPLATE_TEST_CASE("LLM.int8(): the host's bits", "[int8]", float, float16, bfloat16) {
  using T = TestType;
  struct Shape {
    int64_t m, n, k;
  };
  for (auto const [m, n, k] : {Shape{1, 9, 1}, {3, 8, 64}, {9, 11, 499}, {2, 3, 1028}}) {
    Layer<T> layer(n, k, 1);
    auto x = normal_values<T>(m * k, 3);
    at(x, k / 3) = from_float<T>(std::same_as<T, float> ? 0x1.7fffffep2f
                                 : Float16Like<T>       ? 5.996f
                                                        : 5.97f);  // the last regular value
    at(x, k / 2) = from_float<T>(60.f);
    at(x, (m - 1) * k + k - 1) = from_float<T>(-6.f);
    for (float const threshold : {0.f, 6.f, 2.5f})
      for (auto const weights : {Weights::int8, Weights::with_kept, Weights::in_16_bit}) {
        CAPTURE(m, n, k, threshold, static_cast<int>(weights));
        auto const expected = layer.on_host(x, threshold, weights);
        CHECK(same(layer.on_device(x, threshold, weights), expected));
      }
  }
}

TEST_CASE("LLM.int8(): a row longer than a block keeps in registers", "[int8]") {
  Layer<float16> layer(2, 9001, 5);
  auto x = normal_values<float16>(2 * 9001, 6);
  at(x, 9000) = float16(7.f);
  at(x, 9001 + 8999) = float16(-8.f);
  CHECK(
      same(layer.on_device(x, 6.f, Weights::with_kept), layer.on_host(x, 6.f, Weights::with_kept)));
}

TEST_CASE("LLM.int8(): any order of threads, any alignment, other outliers each time", "[int8]") {
  Layer<bfloat16> layer(10, 132, 7, 4);
  auto x = normal_values<bfloat16>(5 * 132, 8);
  gpu_free::for_each_seed(4, [&](std::uint64_t seed) {
    at(x, static_cast<int64_t>(seed) * 150 + 3) = bfloat16(100.f);
    auto const expected = layer.on_host(x, 6.f, Weights::int8);
    CHECK(same(layer.on_device(x, 6.f, Weights::int8, 2), expected));
  });
}

TEST_CASE("LLM.int8(): NaN and infinities", "[int8]") {
  Layer<float16> layer(5, 70, 9);
  auto x = normal_values<float16>(4 * 70, 10);
  at(x, 70 + 5) = float16(std::numeric_limits<float>::quiet_NaN());
  at(x, 140 + 6) = float16(-std::numeric_limits<float>::infinity());
  for (float const threshold : {0.f, 6.f})
    CHECK(same(layer.on_device(x, threshold, Weights::int8),
               layer.on_host(x, threshold, Weights::int8)));
}

TEST_CASE("LLM.int8(): columns that were kept", "[int8]") {
  Layer<float16> layer(6, 96, 11);
  auto x = normal_values<float16>(3 * 96, 12);
  std::vector<int64_t> const columns{5, 31, 64};
  for (int64_t const k : {5, 30, 64, 95}) at(x, 96 + k) = float16(20.f);
  std::vector<float16> kept;
  for (int64_t n = 0; n < layer.n; ++n)
    for (int64_t const k : columns) kept.push_back(at(layer.values, n * 96 + k));
  int64_t const bytes = int8_matmul_workspace_bytes(3, 96);
  Scratch scratch(bytes);
  std::vector<float16> y(18);
  REQUIRE(host::int8_matmul(layer.int8.matrix(), {kept.data(), columns.data(), 3}, x.data(), 3,
                            y.data(), nullptr, 6.f, scratch.workspace));
  DeviceBuffer<uint8_t> const memory(bytes, 4);  // the tiled kernel wants 16
  DeviceBuffer<float16> const from(x), values(kept), to(18);
  DeviceBuffer<int64_t> const at_columns(columns);
  REQUIRE(device::int8_matmul(place<LlmInt8>(layer.storage.data(), 6, 96),
                              {values.data(), at_columns.data(), 3}, from.data(), 3, to.data(),
                              nullptr, 6.f, {memory.data(), bytes}, nullptr));
  CHECK(same(to.host(), y));
}

TEST_CASE("LLM.int8(): quantized activations are the host's", "[int8]") {
  int64_t const m = 6, k = 203;
  auto x = normal_values<bfloat16>(m * k, 13);
  for (int64_t const i : {k + 7, 3 * k + 202, 3 * k + 31}) at(x, i) = bfloat16(-9.f);
  DeviceBuffer<bfloat16> const from(x);
  for (float const threshold : {0.f, 6.f}) {
    Scratch scratch(int8_matmul_workspace_bytes(m, k));
    auto const expected = place_activations(scratch.memory.data(), m, k);
    REQUIRE(host::quantize_activations(x.data(), threshold, expected));
    DeviceBuffer<uint8_t> const codes(m * k, 1);  // rows of codes at any address
    DeviceBuffer<float> const absmax(m);
    DeviceBuffer<uint32_t> const outliers((k + 31) / 32);
    QuantizedActivations<> a;
    a.values = {{codes.data(), {absmax.data(), k}, m * k}, m, k};
    a.outliers = outliers.data();
    REQUIRE(device::quantize_activations(from.data(), threshold, a, nullptr));
    auto const got = codes.host();
    for (int64_t r = 0; r < m; ++r)
      CHECK(std::memcmp(got.data() + r * k,
                        expected.values.values.codes + r * expected.values.row_stride,
                        static_cast<std::size_t>(k)) == 0);
    CHECK(std::memcmp(absmax.host().data(), expected.values.values.scales.absmax,
                      static_cast<std::size_t>(m) * 4) == 0);
    if (threshold > 0.f)
      CHECK(std::memcmp(outliers.host().data(), expected.outliers, outliers.host().size() * 4) ==
            0);
  }
}

TEST_CASE("LLM.int8(): no activations have no outlier columns", "[int8]") {
  DeviceBuffer<float> const absmax(1);
  DeviceBuffer<uint32_t> const outliers(std::vector<uint32_t>{~0u, ~0u});
  DeviceBuffer<uint8_t> const codes(40);
  QuantizedActivations<> a;
  a.values = {{codes.data(), {absmax.data(), 40}, 0}, 0, 40};
  a.outliers = outliers.data();
  REQUIRE(device::quantize_activations(static_cast<float const*>(nullptr), 6.f, a, nullptr));
  CHECK(outliers.host() == std::vector<uint32_t>{0, 0});
}

TEST_CASE("LLM.int8(): empty products and refusals", "[int8]") {
  Layer<float> layer(3, 40, 15);
  auto const w = place<LlmInt8>(layer.storage.data(), 3, 40);
  float* const none = nullptr;
  int64_t const bytes = int8_matmul_workspace_bytes(2, 40);
  DeviceBuffer<uint8_t> const memory(bytes);
  DeviceBuffer<float> const x(80), y(6);
  CHECK(device::int8_matmul(w, none, 0, none, nullptr, 6.f, {}, nullptr));
  CHECK(device::int8_matmul(w, none, 2, y.data(), nullptr, 6.f, {memory.data(), bytes}, nullptr)
            .code == Errc::null_pointer);
  CHECK(device::int8_matmul(w, x.data(), 2, y.data(), nullptr, 6.f, {memory.data(), bytes - 1},
                            nullptr)
            .code == Errc::workspace_too_small);
  CHECK(
      device::int8_matmul(w, x.data(), 2, y.data(), nullptr, -6.f, {memory.data(), bytes}, nullptr)
          .code == Errc::invalid_threshold);
}
