// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Host quantize and dequantize beside memcpy of the same bytes. Each iteration times the operation
// and then the copy, so that both see the same machine; `of_memcpy` is the median of the ratios
// (1 = as fast as memcpy), and it is the figure to quote.
//
//   host_codec_bench --benchmark_out=host.json --benchmark_out_format=json

#include "qfmt/qfmt.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace qfmt;
using Clock = std::chrono::steady_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

template <Element T>
std::vector<T> normal_values(std::int64_t size) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i)  // a cycle of 2^16 draws: set-up stays short
    values[i] = i < 65536 ? from_float<T>(normal(random)) : values[i - 65536];
  return values;
}

/// Runs `operation` and a memcpy that moves as many bytes (half read, half written) in turn.
template <class Operation>
void beside_memcpy(benchmark::State& state, std::int64_t values, std::int64_t bytes,
                   Operation operation) {
  std::vector<char> from(static_cast<std::size_t>(bytes / 2), 1);
  std::vector<char> to(from.size());
  int const repeats = static_cast<int>(std::max<std::int64_t>(1, (1 << 20) / values));
  std::vector<double> ratios;
  for (auto _ : state) {
    auto const begin = Clock::now();
    for (int i = 0; i < repeats; ++i) operation();
    auto const middle = Clock::now();
    for (int i = 0; i < repeats; ++i) {
      std::memcpy(to.data(), from.data(), from.size());
      benchmark::ClobberMemory();
    }
    auto const end = Clock::now();
    state.SetIterationTime(seconds(middle - begin));
    ratios.push_back(seconds(end - middle) / seconds(middle - begin));
  }
  std::nth_element(ratios.begin(), ratios.begin() + ratios.size() / 2, ratios.end());
  state.counters["of_memcpy"] = ratios[ratios.size() / 2];
  state.SetItemsProcessed(state.iterations() * repeats * values);
  state.SetBytesProcessed(state.iterations() * repeats * bytes);
}

template <SchemeSpec S, Element T>
void quantize(benchmark::State& state) {
  auto const values = normal_values<T>(state.range(0));
  QuantizedTensor<S> tensor(state.range(0) / 4096, 4096);
  auto const bytes = static_cast<std::int64_t>(values.size() * sizeof(T)) + tensor.bytes();
  beside_memcpy(state, state.range(0), bytes, [&] {
    if (!host::quantize(values, tensor.span())) state.SkipWithError("quantize failed");
  });
}

template <SchemeSpec S, Element T>
void dequantize(benchmark::State& state) {
  auto values = normal_values<T>(state.range(0));
  QuantizedTensor<S> tensor(state.range(0) / 4096, 4096);
  if (!host::quantize(values, tensor.span())) state.SkipWithError("quantize failed");
  auto const bytes = static_cast<std::int64_t>(values.size() * sizeof(T)) + tensor.bytes();
  beside_memcpy(state, state.range(0), bytes, [&] {
    if (!host::dequantize(tensor.span(), values)) state.SkipWithError("dequantize failed");
  });
}

template <SchemeSpec S, Element T>
void add(std::string const& scheme, std::string const& type) {
  for (std::int64_t const size : {std::int64_t{1} << 16, std::int64_t{1} << 26}) {
    auto const name = scheme + "/" + type;
    benchmark::RegisterBenchmark(("quantize/" + name).c_str(), quantize<S, T>)
        ->Arg(size)
        ->UseManualTime();
    benchmark::RegisterBenchmark(("dequantize/" + name).c_str(), dequantize<S, T>)
        ->Arg(size)
        ->UseManualTime();
  }
}

template <SchemeSpec S>
void add_types(std::string const& scheme) {
  add<S, float>(scheme, "float32");
  add<S, bfloat16>(scheme, "bfloat16");
  add<S, float16>(scheme, "float16");
}

}  // namespace

int main(int argc, char** argv) {
  add_types<Scheme<Format<NF4>>>("nf4/64");
  add_types<Scheme<Format<NF4>, DoubleQuant<true>>>("nf4/64/double_quant");
  add_types<Scheme<Format<FP4>>>("fp4/64");
  add_types<Scheme<Format<Int8>, RowWise>>("int8/row_wise");
  add_types<Scheme<Format<Dynamic8>, BlockSize<256>>>("dynamic8/256");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
