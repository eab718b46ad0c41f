// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantize and dequantize on a GPU, beside a device copy and a bare read of the same run, and
// beside bitsandbytes where QFMT_BNB names its CUDA library. 2^28 values, many times the L2, so
// that no pass finds what the one before left there. Manual time: CUDA events around each launch.
//
//   cmake --preset bench && cmake --build --preset bench --target device_codec_bench
//   QFMT_BNB=libbitsandbytes_cuda130.so build/bench/bench/device_codec_bench
//       --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
//       --benchmark_out=device-codec.json
//
// `bytes` counts what must move: values and codes and scales, each once. `of_copy` is bytes a
// second over those of the copy, read and written both counted.
#include "qfmt/qfmt.cuh"

#include <benchmark/benchmark.h>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <vector>

namespace {

using namespace qfmt;

constexpr std::int64_t count = std::int64_t{1} << 28;
constexpr std::int64_t columns = 8192;  // of row-wise schemes
double copy_rate = 0.;                  // bytes a second

void require(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(2);
}

/// Memory for the largest row, shared by all of them.
struct Buffers {
  void* values;
  void* decoded;
  void* storage;
  void* workspace;
  std::int64_t workspace_bytes;
};
Buffers& buffers() {
  static Buffers b = [] {
    using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
    Buffers made{};
    made.workspace_bytes = quantize_workspace_bytes<Nested>(count);
    require(cudaMalloc(&made.values, count * 4));
    require(cudaMalloc(&made.decoded, count * 4));
    require(cudaMalloc(&made.storage, count * 2));
    require(cudaMalloc(&made.workspace, made.workspace_bytes));
    return made;
  }();
  return b;
}

QFMT_HD std::uint64_t mix(std::uint64_t i) {
  std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
/// Near-Gaussian values: the sum of four uniform ones.
template <Element T>
__global__ void fill(T* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * 256 + threadIdx.x;
  std::uint64_t const r = mix(static_cast<std::uint64_t>(i));
  std::int64_t sum = -131070;
  for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(r >> 16 * k & 0xFFFF);
  out[i] = from_float<T>(static_cast<float>(sum) * 0x1p-16f);
}
__global__ void read_all(uint4 const* in, unsigned* sink) {
  std::int64_t const first = std::int64_t{blockIdx.x} * 1024 + threadIdx.x;
  uint4 v[4];
  for (int u = 0; u < 4; ++u) v[u] = __ldg(in + first + u * 256);
  unsigned x = 0;
  for (int u = 0; u < 4; ++u) x ^= v[u].x ^ v[u].y ^ v[u].z ^ v[u].w;
  if (x == 0x9E3779B9u) *sink = x;
}

/// Reads a Word for every 16 bytes it writes and works nothing out: the traffic of dequantize.
template <class Word>
__global__ void expand_all(Word const* in, uint4* out) {
  std::int64_t const first = std::int64_t{blockIdx.x} * 1024 + threadIdx.x;
  unsigned w[2];
  for (int u = 0; u < 2; ++u) w[u] = in[first + u * 512];
  for (int u = 0; u < 2; ++u) out[first + u * 512] = uint4{w[u], w[u] + 1, w[u] + 2, w[u] + 3};
}

/// Events around one launch.
class Stopwatch {
 public:
  Stopwatch() {
    require(cudaEventCreate(&begin_));
    require(cudaEventCreate(&end_));
  }
  ~Stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  template <class Launch>
  double seconds(Launch const& launch) {
    require(cudaEventRecord(begin_));
    launch();
    require(cudaEventRecord(end_));
    require(cudaEventSynchronize(end_));
    float milliseconds = 0.f;
    require(cudaEventElapsedTime(&milliseconds, begin_, end_));
    require(cudaGetLastError());
    return milliseconds * 1e-3;
  }

 private:
  cudaEvent_t begin_, end_;
};

template <class Launch>
void run(benchmark::State& state, double bytes, Launch const& launch) {
  Stopwatch watch;
  for (int i = 0; i < 3; ++i) (void)watch.seconds(launch);
  for (auto _ : state) state.SetIterationTime(watch.seconds(launch));
  auto const rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["bytes"] = benchmark::Counter(bytes, rate, benchmark::Counter::kIs1000);
  state.counters["of_copy"] = benchmark::Counter(bytes / copy_rate, rate);
}

void copy(benchmark::State& state) {
  run(state, 2. * count * 4, [] {
    require(
        cudaMemcpyAsync(buffers().decoded, buffers().values, count * 4, cudaMemcpyDeviceToDevice));
  });
}
void read(benchmark::State& state) {
  run(state, 1. * count * 4, [] {
    read_all<<<count / 4096, 256>>>(static_cast<uint4 const*>(buffers().values),
                                    static_cast<unsigned*>(buffers().workspace));
  });
}

/// 16-bit values of 4-bit codes, or floats of them.
template <class Word>
void expand(benchmark::State& state) {
  constexpr std::int64_t stores = count / (2 * sizeof(Word));
  run(state, stores * (16. + sizeof(Word)), [] {
    expand_all<<<stores / 1024, 512>>>(static_cast<Word const*>(buffers().storage),
                                       static_cast<uint4*>(buffers().decoded));
  });
}

template <SchemeSpec S>
double stored_bytes() {
  return static_cast<double>(placement<S>(count / columns, columns).payload);
}

template <SchemeSpec S, Element T>
struct Row {
  static QuantizedSpan<S> view() {
    return place<S>(buffers().storage, count / columns, columns).values;
  }
  static T* values() { return static_cast<T*>(buffers().values); }
  static Workspace workspace() { return {buffers().workspace, buffers().workspace_bytes}; }
  static void prepare() {
    fill<<<count / 256, 256>>>(values());
    if (!device::quantize(values(), view(), workspace(), nullptr)) std::exit(2);
    require(cudaDeviceSynchronize());
  }
  static double bytes() { return stored_bytes<S>() + static_cast<double>(count * sizeof(T)); }

  static void dequantize(benchmark::State& state) {
    prepare();
    run(state, bytes(),
        [] { (void)device::dequantize(view(), static_cast<T*>(buffers().decoded), nullptr); });
  }
  static void quantize(benchmark::State& state) {
    prepare();
    run(state, bytes(), [] { (void)device::quantize(values(), view(), workspace(), nullptr); });
  }
};

// --- bitsandbytes --------------------------------------------------------------------------------

void* library = nullptr;

/// The 8-bit map, which their functions take as an argument.
void upload_map() {
  require(cudaMemcpy(buffers().workspace, Dynamic8::codebook.level, 1024, cudaMemcpyHostToDevice));
}

template <SchemeSpec S, Element T>
std::string bnb_name(char const* verb) {
  std::string const dtype = sizeof(T) == 4 ? "fp32" : Float16Like<T> ? "fp16" : "bf16";
  std::string const name = std::string(verb) + "_blockwise_" + dtype;
  return S::bits == 4 ? name + "_" + S::format::name : name;
}
template <SchemeSpec S, Element T>
void bnb_dequantize(benchmark::State& state) {
  using Function = void(float*, void*, void*, void*, int, int, cudaStream_t);
  auto* const f =
      reinterpret_cast<Function*>(dlsym(library, bnb_name<S, T>("cdequantize").c_str()));
  if (f == nullptr) return state.SkipWithError("the library has no such function");
  Row<S, T>::prepare();
  upload_map();
  auto const view = Row<S, T>::view();
  run(state, Row<S, T>::bytes(), [=] {
    f(static_cast<float*>(buffers().workspace), view.codes, view.scales.absmax, buffers().decoded,
      S::block_size, static_cast<int>(count), nullptr);
  });
}
template <SchemeSpec S, Element T>
void bnb_quantize(benchmark::State& state) {
  using Function = void(float*, void*, void*, void*, int, int);
  auto* const f = reinterpret_cast<Function*>(dlsym(library, bnb_name<S, T>("cquantize").c_str()));
  if (f == nullptr) return state.SkipWithError("the library has no such function");
  Row<S, T>::prepare();
  upload_map();
  auto const view = Row<S, T>::view();
  run(state, Row<S, T>::bytes(), [=] {
    f(static_cast<float*>(buffers().workspace), buffers().values, view.scales.absmax, view.codes,
      S::block_size, static_cast<int>(count));
  });
}

// --- Rows ----------------------------------------------------------------------------------------

void add(std::string const& name, void (*row)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name.c_str(), row)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(15);
}

template <SchemeSpec S, Element T>
void add_row(std::string const& scheme, bool bnb_has_it) {
  std::string const name = scheme + (sizeof(T) == 4 ? "/fp32" : Float16Like<T> ? "/fp16" : "/bf16");
  add("dequantize/" + name, Row<S, T>::dequantize);
  add("quantize/" + name, Row<S, T>::quantize);
  if constexpr (!S::is_nested && !S::is_row_wise)
    if (library != nullptr && bnb_has_it) {
      add("bnb_dequantize/" + name, bnb_dequantize<S, T>);
      add("bnb_quantize/" + name, bnb_quantize<S, T>);
    }
}
template <SchemeSpec S>
void add_scheme(std::string const& name, bool bnb_has_it = true) {
  add_row<S, __nv_bfloat16>(name, bnb_has_it);
  add_row<S, float>(name, bnb_has_it);
}

}  // namespace

int main(int argc, char** argv) {
  if (char const* const path = std::getenv("QFMT_BNB")) {
    library = dlopen(path, RTLD_NOW);
    if (library == nullptr) std::fprintf(stderr, "%s\n", dlerror());
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "no CUDA device here\n");
    return 77;
  }
  std::vector<double> rates;
  Stopwatch watch;
  for (int i = 0; i < 12; ++i)
    rates.push_back(2. * count * 4 / watch.seconds([] {
      require(cudaMemcpyAsync(buffers().decoded, buffers().values, count * 4,
                              cudaMemcpyDeviceToDevice));
    }));
  std::sort(rates.begin() + 3, rates.end());
  copy_rate = rates[3 + 4];

  add("copy", copy);
  add("read", read);
  add("expand/4_to_16_bytes", expand<unsigned>);
  add("expand/2_to_16_bytes", expand<unsigned short>);
  add_scheme<Scheme<Format<NF4>>>("nf4/64");
  add_scheme<Scheme<Format<NF4>, DoubleQuant<true>>>("nf4/64/nested");
  add_scheme<Scheme<Format<FP4>>>("fp4/64");
  add_scheme<Scheme<Format<FP4>, DoubleQuant<true>>>("fp4/64/nested");
  add_scheme<Scheme<Format<Int8>>>("int8/64", false);
  add_scheme<Scheme<Format<Int8>, RowWise>>("int8/row_wise", false);
  add_scheme<Scheme<Format<Dynamic8>, BlockSize<256>>>("dynamic8/256");
  add_scheme<Scheme<Format<NF4>, BlockSize<4096>>>("nf4/4096");
  add_row<Scheme<Format<NF4>>, __half>("nf4/64", true);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
