// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on the host, one thread, float16 activations: y[M,N] = x[M,K] * w[N,K]^T.
//
//   int8_matmul_bench [--benchmark_filter=...]
//
// Arguments of a row: M, N = K, threshold, outlier columns in 1024. Counters: G/s, products of
// values; error, of y against the product in f64 of 8 rows of w, as a share of it. Each iteration
// times int8_matmul and then matmul of the same weights with exact activations; of_matmul is the
// median of the ratios. bench/peers/int8_cpu.py times bitsandbytes at the same rows.
#include "qfmt/host/int8_matmul.hpp"
#include "qfmt/host/matmul.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

namespace {

using namespace qfmt;
using Clock = std::chrono::steady_clock;

std::vector<float16> normal_values(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float16> values(static_cast<std::size_t>(n));
  for (auto& v : values) v = float16(normal(random));
  return values;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

template <class Operation>
double seconds(Operation const& operation) {
  auto const begin = Clock::now();
  operation();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double error_of(std::vector<float16> const& w, std::vector<float16> const& x, std::int64_t m,
                std::int64_t k, std::vector<float16> const& y, std::int64_t n) {
  double error = 0.0, size = 0.0;
  for (std::int64_t r = 0; r < m; ++r)
    for (std::int64_t j = 0; j < 8; ++j) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < k; ++i)
        sum += double{x[static_cast<std::size_t>(r * k + i)]} *
               double{w[static_cast<std::size_t>(j * k + i)]};
      double const d = double{y[static_cast<std::size_t>(r * n + j)]} - sum;
      error += d * d;
      size += sum * sum;
    }
  return std::sqrt(error / size);
}

void int8_matmul(benchmark::State& state, bool kept) {
  std::int64_t const m = state.range(0), n = state.range(1), k = n;
  auto const threshold = static_cast<float>(state.range(2));
  auto const w = normal_values(n * k, 1);
  auto x = normal_values(m * k, 2);
  std::mt19937 random(3);
  for (std::int64_t c = 0; c < k * state.range(3) / 1024; ++c) {
    auto const column = static_cast<std::int64_t>(random() % static_cast<unsigned>(k));
    for (std::int64_t r = 0; r < m; ++r)
      x[static_cast<std::size_t>(r * k + column)] = float16(60.f);
  }
  QuantizedTensor<LlmInt8> weights(n, k);
  if (!weights.status() || !host::quantize(w, weights.span())) return state.SkipWithError("set-up");
  std::vector<float16> y(static_cast<std::size_t>(m * n)), other(y.size());
  std::vector<float> memory(static_cast<std::size_t>(int8_matmul_workspace_bytes(m, k) / 4 + 1));
  Workspace const workspace{memory.data(), int8_matmul_workspace_bytes(m, k)};
  OutlierWeights<float16> outliers;
  if (kept) outliers = {w.data(), nullptr, k};
  std::vector<double> times, ratios;
  bool ok = true;
  for (auto _ : state) {
    double const t = seconds([&] {
      ok &= static_cast<bool>(host::int8_matmul(weights.matrix(), outliers, x.data(), m, y.data(),
                                                nullptr, threshold, workspace));
    });
    ratios.push_back(seconds([&] {
                       ok &= static_cast<bool>(
                           host::matmul(weights.matrix(), x.data(), m, other.data()));
                     }) /
                     t);
    times.push_back(t);
    state.SetIterationTime(t);
  }
  if (!ok) return state.SkipWithError("a call failed");
  state.counters["G/s"] = static_cast<double>(m * n * k) / median(times) * 1e-9;
  state.counters["of_matmul"] = median(ratios);
  state.counters["error"] = error_of(w, x, m, k, y, n);
}

void rows(benchmark::internal::Benchmark* b) {
  for (std::int64_t const m : {1, 16, 128}) {
    b->Args({m, 4096, 0, 0});
    for (std::int64_t const threshold : {5, 6, 8}) b->Args({m, 4096, threshold, 1});
    for (std::int64_t const outliers : {0, 5, 20}) b->Args({m, 4096, 6, outliers});
  }
  b->UseManualTime()->Unit(benchmark::kMillisecond);
}

}  // namespace

BENCHMARK_CAPTURE(int8_matmul, int8_outlier_weights, false)->Apply(rows);
BENCHMARK_CAPTURE(int8_matmul, kept_outlier_weights, true)->Apply(rows);
BENCHMARK_MAIN();
