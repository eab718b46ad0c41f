// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the GPU benchmarks share: memory, random contents, and contenders that take turns within one
// process and one repetition, so that what clocks and neighbours do meets all of them alike. Each
// is a CUDA graph of launches over operands that together are larger than the L2; the median of the
// repetitions counts.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/status.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace bench {

inline constexpr int repetitions = 9;
inline constexpr double graph_microseconds = 1500;

inline void require(cudaError_t error, char const* what) {
  if (error == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}
inline void require(qfmt::Status status, char const* what) {
  if (status) return;
  std::printf("%s: %s (%d)\n", what, qfmt::message(status.code), status.native);
  std::exit(2);
}

__device__ inline std::uint32_t mix(std::uint64_t i, std::uint32_t seed) {
  std::uint64_t z = (i + seed) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<std::uint32_t>(z ^ (z >> 31));
}
__global__ void fill_bytes(std::uint8_t* p, std::int64_t n, std::uint32_t seed) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * blockDim.x)
    p[i] = static_cast<std::uint8_t>(mix(static_cast<std::uint64_t>(i), seed));
}
/// Uniform in [low, high).
template <class E>
__global__ void fill_reals(E* p, std::int64_t n, float low, float high, std::uint32_t seed) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * blockDim.x)
    p[i] = qfmt::from_float<E>(
        low + (high - low) * static_cast<float>(mix(static_cast<std::uint64_t>(i), seed) >> 8) *
                  0x1p-24f);
}

struct Memory {
  std::vector<void*> blocks;
  Memory() = default;
  Memory(Memory const&) = delete;
  ~Memory() {
    for (void* p : blocks) cudaFree(p);
  }
  template <class E>
  E* get(std::int64_t n) {
    void* p = nullptr;
    require(cudaMalloc(&p, static_cast<std::size_t>(n) * sizeof(E)), "cudaMalloc");
    blocks.push_back(p);
    return static_cast<E*>(p);
  }
};

struct Timed {
  std::string name;
  double bytes = 0;  // that must move in one launch
  std::function<void(int set, cudaStream_t)> launch;
  cudaGraphExec_t graph = nullptr;  // null: what waits for the host cannot be captured
  int launches = 0;
  std::vector<double> microseconds;
  bool captures = true;

  double median() const {
    auto sorted = microseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }
  double least() const { return *std::min_element(microseconds.begin(), microseconds.end()); }
};

struct Clock {
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  Clock() {
    require(cudaStreamCreate(&stream), "stream");
    require(cudaEventCreate(&begin), "event");
    require(cudaEventCreate(&end), "event");
  }
  template <class Work>
  double microseconds(Work work) {
    require(cudaEventRecord(begin, stream), "record");
    work();
    require(cudaEventRecord(end, stream), "record");
    require(cudaEventSynchronize(end), "run");
    float ms = 0;
    require(cudaEventElapsedTime(&ms, begin, end), "elapsed");
    return 1e3 * static_cast<double>(ms);
  }
};

/// Launches over every set, and again until they take long enough to be timed.
inline void run_rounds(Timed& t, int sets, Clock& clock) {
  for (int i = 0; i < t.launches; ++i) t.launch(i % sets, clock.stream);
}

inline void capture(Timed& t, int sets, Clock& clock) {
  t.launches = sets;
  run_rounds(t, sets, clock);
  double const each = clock.microseconds([&] { run_rounds(t, sets, clock); }) / sets;
  t.launches *=
      std::clamp(static_cast<int>(graph_microseconds / std::max(1., each * sets)), 1, 200);
  if (!t.captures) return;
  cudaGraph_t graph = nullptr;
  require(cudaStreamBeginCapture(clock.stream, cudaStreamCaptureModeThreadLocal), "capture");
  run_rounds(t, sets, clock);
  require(cudaStreamEndCapture(clock.stream, &graph), "capture");
  require(cudaGraphInstantiate(&t.graph, graph, 0), "instantiate");
  require(cudaGraphDestroy(graph), "destroy");
  require(cudaGraphLaunch(t.graph, clock.stream), "warm up");
  require(cudaStreamSynchronize(clock.stream), t.name.c_str());
}

inline void measure(std::vector<Timed>& contenders, int sets, Clock& clock) {
  for (Timed& t : contenders) capture(t, sets, clock);
  constexpr int warm_up = 3;  // the clock has fallen while weights were made
  for (int r = -warm_up; r < repetitions; ++r)
    for (Timed& t : contenders) {
      double const us = clock.microseconds([&] {
        if (t.graph == nullptr) return run_rounds(t, sets, clock);
        require(cudaGraphLaunch(t.graph, clock.stream), "launch");
      }) / t.launches;
      if (r >= 0) t.microseconds.push_back(us);
    }
  for (Timed& t : contenders)
    if (t.graph != nullptr) cudaGraphExecDestroy(t.graph);
}

/// "1,2,3"
inline std::vector<std::int64_t> numbers(char const* text) {
  std::vector<std::int64_t> r;
  for (char* end = nullptr; *text != 0; text = *end == ',' ? end + 1 : end)
    r.push_back(std::strtoll(text, &end, 10));
  return r;
}

}  // namespace bench
