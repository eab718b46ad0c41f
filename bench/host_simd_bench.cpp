// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's SIMD levels forced in turn. Each iteration times the operation and then what it is
// held against, so that both see the same machine; the counters are medians of the ratios:
//
//   of_memcpy   speed as a share of a memcpy that moves as many bytes (codecs)
//   of_read     the same of a pure read of the same weights (matmul)
//   of_bnb      the speed of bitsandbytes' CPU library = 1, in this process, where it has the
//               operation
//
//   host_simd_bench [--bnb libbitsandbytes_cpu.so] --benchmark_out=simd.json
//                   --benchmark_out_format=json
//
// Buffers lie in huge pages where the system grants them. One thread unless the name says else.

#include "qfmt/host/matmul.hpp"
#include "qfmt/qfmt.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <sys/mman.h>

namespace {

using namespace qfmt;
using Clock = std::chrono::steady_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// Memory that is reused by every case, 1.5 GiB.
class Arena {
 public:
  static constexpr std::size_t bytes = std::size_t{3} << 29, huge = std::size_t{1} << 21;

  Arena() {
    void* const p =
        mmap(nullptr, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base_ = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(p) + huge - 1) / huge * huge);
    (void)madvise(base_, bytes, MADV_HUGEPAGE);
    std::memset(base_, 1, bytes);
  }
  void clear() { used_ = 0; }
  template <class T>
  T* take(std::int64_t count) {
    auto const size = (static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096;
    if (used_ + size > bytes) std::abort();
    used_ += size;
    return reinterpret_cast<T*>(base_ + used_ - size);
  }

 private:
  char* base_;
  std::size_t used_ = 0;
};

Arena& arena() {
  static Arena a;
  return a;
}

template <Element T>
T* normal_values(std::int64_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  T* const values = arena().take<T>(n);
  for (std::int64_t i = 0; i < n; ++i)  // a cycle of 2^16 draws: set-up stays short
    values[i] = i < 65536 ? from_float<T>(normal(random)) : values[i - 65536];
  return values;
}

/// ORs n bytes together: what reading them costs.
__attribute__((target("avx2"), noinline)) void read_all(unsigned char const* p, std::int64_t n) {
  using Vector = long long __attribute__((vector_size(32), aligned(1)));
  Vector sum[4]{};
  for (std::int64_t i = 0; i + 128 <= n; i += 128) {
    __builtin_prefetch(p + i + 4096);
    __builtin_prefetch(p + i + 4160);
    sum[0] |= *reinterpret_cast<Vector const*>(p + i);
    sum[1] |= *reinterpret_cast<Vector const*>(p + i + 32);
    sum[2] |= *reinterpret_cast<Vector const*>(p + i + 64);
    sum[3] |= *reinterpret_cast<Vector const*>(p + i + 96);
  }
  Vector const all = (sum[0] | sum[1]) | (sum[2] | sum[3]);
  benchmark::DoNotOptimize(all[0]);
}

// --- bitsandbytes
// ---------------------------------------------------------------------------------

void* bnb = nullptr;

void set_bnb_threads(int n) {
  if (auto* const f = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads")))
    f(n);
}

template <class Function>
Function* bnb_function(std::string const& name) {
  return bnb == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(bnb, name.c_str()));
}

template <Element T>
std::string suffix() {
  return std::same_as<T, float> ? "fp32" : Bfloat16Like<T> ? "bf16" : "fp16";
}

using Operation = std::function<void()>;

template <SchemeSpec S, Element T>
Operation bnb_dequantize(QuantizedSpan<S> in, T* out) {
  if constexpr (!S::is_nested && (S::bits == 4 || std::same_as<typename S::format, Dynamic8>)) {
    using Size = long long;
    if constexpr (S::bits == 4) {
      using F = void(unsigned char*, float const*, T*, Size, Size, Size);
      if (auto* const f = bnb_function<F>("cdequantize_blockwise_cpu_" +
                                          std::string(S::format::name) + "_" + suffix<T>()))
        return [=] { f(in.codes, in.scales.absmax, out, S::block_size, in.size / 4096, 4096); };
    } else {
      using F = void(float*, unsigned char*, float const*, T*, Size, Size);
      if (auto* const f = bnb_function<F>("cdequantize_blockwise_cpu_" + suffix<T>()))
        return [=] {
          f(const_cast<float*>(Dynamic8::codebook.level), in.codes, in.scales.absmax, out,
            S::block_size, in.size);
        };
    }
  }
  return {};
}

template <SchemeSpec S, Element T>
Operation bnb_quantize(T* values, QuantizedSpan<S> out) {
  if constexpr (!S::is_nested && std::same_as<typename S::format, Dynamic8>) {
    using F = void(float*, T*, float*, unsigned char*, long long, long long);
    if (auto* const f = bnb_function<F>("cquantize_blockwise_cpu_" + suffix<T>()))
      return [=] {
        f(const_cast<float*>(Dynamic8::codebook.level), values, out.scales.absmax, out.codes,
          S::block_size, out.size);
      };
  }
  return {};
}

// --- Measuring
// ------------------------------------------------------------------------------------

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

double timed(int repeats, Operation const& operation) {
  auto const begin = Clock::now();
  for (int i = 0; i < repeats; ++i) {
    operation();
    benchmark::ClobberMemory();
  }
  return seconds(Clock::now() - begin) / repeats;
}

/// `limit` is named `of_limit`; peer may be empty.
void measure(benchmark::State& state, std::int64_t items, int repeats, Operation const& own,
             char const* of_limit, Operation const& limit, Operation const& peer) {
  std::vector<double> times, limits, peers;
  own();
  for (auto _ : state) {
    double const t = timed(repeats, own);
    limits.push_back(timed(repeats, limit) / t);
    if (peer) peers.push_back(timed(repeats, peer) / t);
    times.push_back(t);
    state.SetIterationTime(t);
  }
  double const t = median(times);
  state.counters["G/s"] = static_cast<double>(items) / t * 1e-9;
  state.counters[of_limit] = median(limits);
  if (peer) state.counters["of_bnb"] = median(peers);
}

enum class Kind { quantize, quantize_single_pass, dequantize, dequantize_non_temporal };

template <SchemeSpec S, Element T>
void codec(benchmark::State& state, Kind kind, SimdLevel level, int threads) {
  arena().clear();
  std::int64_t const size = state.range(0);
  T* const values = normal_values<T>(size);
  QuantizedMatrix<S> const w =
      place<S>(arena().take<char>(storage_bytes<S>(size / 4096, 4096)), size / 4096, 4096);
  std::span<T> const span(values, static_cast<std::size_t>(size));
  std::int64_t const moved =
      (size * static_cast<std::int64_t>(sizeof(T)) + storage_bytes<S>(size / 4096, 4096)) / 2;
  char* const from = arena().take<char>(moved);
  char* const to = arena().take<char>(moved);
  QuantizeOptions q;
  q.simd = level;
  q.single_pass = kind == Kind::quantize_single_pass;
  DequantizeOptions const d{kind == Kind::dequantize_non_temporal, level};
  bool const quantizes = kind == Kind::quantize || kind == Kind::quantize_single_pass;
  Workspace workspace;  // only a single pass gets one
  if (q.single_pass) workspace.bytes = quantize_workspace_bytes<S>(size);
  if (workspace.bytes > 0) workspace.data = arena().take<char>(workspace.bytes);
  host::Threads const pool{threads};
  if (!host::quantize(span, w.values)) return state.SkipWithError("quantize failed");
  Operation const own = [&] {
    Status s;
    if (quantizes && threads == 1) s = host::quantize(span, w.values, Nearest{}, q, workspace);
    if (quantizes && threads > 1)
      s = host::quantize_parallel(pool, span, w.values, Nearest{}, q, workspace);
    if (!quantizes && threads == 1) s = host::dequantize(w.values, span, d);
    if (!quantizes && threads > 1) s = host::dequantize_parallel(pool, w.values, span, d);
    if (!s) std::abort();
  };
  Operation const copy = [&] {
    pool(threads, [&](std::int64_t i) {
      std::memcpy(to + moved / threads * i, from + moved / threads * i,
                  static_cast<std::size_t>(moved / threads));
    });
  };
  set_bnb_threads(threads);
  measure(state, size, static_cast<int>(std::max<std::int64_t>(1, (1 << 22) / size)), own,
          "of_memcpy", copy,
          quantizes ? bnb_quantize<S>(values, w.values) : bnb_dequantize<S>(w.values, values));
}

template <SchemeSpec S, Element T>
void matmul(benchmark::State& state, host::Activations activations, SimdLevel level, int threads) {
  arena().clear();
  std::int64_t const rows = state.range(0), cols = state.range(1), m = state.range(2);
  std::int64_t const bytes = storage_bytes<S>(rows, cols);
  std::int64_t const copies = std::max<std::int64_t>(2, (std::int64_t{288} << 20) / bytes);
  T* const x = normal_values<T>(m * cols);
  T* const y = arena().take<T>(m * rows);
  float* const values = normal_values<float>(rows * cols);
  std::vector<QuantizedMatrix<S>> w;  // copies, so that every call streams from memory
  for (std::int64_t i = 0; i < copies; ++i) {
    w.push_back(place<S>(arena().take<char>(bytes), rows, cols));
    if (i == 0 &&
        !host::quantize(std::span(values, static_cast<std::size_t>(rows * cols)), w[0].values))
      return state.SkipWithError("quantize failed");
    std::memcpy(w.back().values.codes, w[0].values.codes, static_cast<std::size_t>(bytes));
  }
  std::size_t next = 0;
  auto const codes = [&] { return w[next++ % w.size()]; };
  host::Threads const pool{threads};
  host::MatmulOptions const options{activations, level};
  Operation const own = [&] {
    Status const s = threads == 1 ? host::matmul(codes(), x, m, y, nullptr, options)
                                  : host::matmul_parallel(pool, codes(), x, m, y, nullptr, options);
    if (!s) std::abort();
  };
  Operation const read = [&] {
    unsigned char const* const p = codes().values.codes;
    pool(threads, [&](std::int64_t i) { read_all(p + bytes / threads * i, bytes / threads); });
  };
  Operation peer;
  if constexpr (S::bits == 4 && !S::is_nested && Bfloat16Like<T>) {
    using F =
        void(long, long, long, T const*, unsigned char const*, T const*, T*, long, long, long);
    if (auto* const f = bnb_function<F>("gemv_4bit_inference_cpu_nf4_bf16"))
      peer = [&, f] {  // its own order of the same number of bytes, absmax as bfloat16
        QuantizedMatrix<S> const c = codes();
        f(m, rows, cols, x, c.values.codes, reinterpret_cast<T const*>(c.values.scales.absmax), y,
          S::block_size, cols, rows);
      };
  }
  set_bnb_threads(threads);
  measure(state, rows * cols * m, 1, own, "of_read", read, peer);
}

// --- The list
// -------------------------------------------------------------------------------------

std::string name_of(SimdLevel level) {
  return level == SimdLevel::avx2 ? "avx2" : level == SimdLevel::neon ? "neon" : "avx512";
}

/// AVX2 alone, then all there is.
std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> v;
  if (host::simd_level(SimdLevel::avx2) == SimdLevel::avx2) v.push_back(SimdLevel::avx2);
  if (host::simd_level() != SimdLevel::avx2) v.push_back(host::simd_level());
  return v;
}

template <SchemeSpec S, Element T>
void add_codec(std::string const& scheme) {
  struct Named {
    Kind kind;
    char const* name;
    bool only_large;
  };
  for (Named const k : {Named{Kind::dequantize, "dequantize", false},
                        Named{Kind::dequantize_non_temporal, "dequantize_nt", true},
                        Named{Kind::quantize, "quantize", false},
                        Named{Kind::quantize_single_pass, "quantize_single_pass", false}})
    for (SimdLevel const level : levels())
      for (int const threads : {1, 2})
        for (std::int64_t const size : {std::int64_t{1} << 16, std::int64_t{1} << 26}) {
          if (size < (1 << 20) && (k.only_large || threads > 1)) continue;
          std::string const name = std::string(k.name) + "/" + scheme + "/" + suffix<T>() + "/" +
                                   name_of(level) + "/threads:" + std::to_string(threads);
          benchmark::RegisterBenchmark(name.c_str(), codec<S, T>, k.kind, level, threads)
              ->Arg(size)
              ->UseManualTime()
              ->Iterations(size < (1 << 20) ? 101 : 9);
        }
}

template <SchemeSpec S, Element T>
void add_matmul(std::string const& scheme) {
  using host::Activations;
  for (auto const& [activations, text] :
       {std::pair{Activations::exact, "exact"}, std::pair{Activations::bfloat16, "bf16"},
        std::pair{Activations::int8, "int8"}})
    for (SimdLevel const level : levels())
      for (int const threads : {1, 2})
        for (std::int64_t const m : {1, 4, 16}) {
          if (level == SimdLevel::avx2 && activations != Activations::exact) continue;
          std::string const name = "matmul/" + scheme + "/" + suffix<T>() + "/" + text + "/" +
                                   name_of(level) + "/threads:" + std::to_string(threads);
          benchmark::RegisterBenchmark(name.c_str(), matmul<S, T>, activations, level, threads)
              ->Args({4096, 4096, m})
              ->UseManualTime()
              ->Iterations(m == 1 ? 61 : 21);
        }
}

template <SchemeSpec S>
void add_types(std::string const& scheme) {
  add_codec<S, float>(scheme);
  add_codec<S, bfloat16>(scheme);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string(argv[i]) == "--bnb") {
      bnb = dlopen(argv[i + 1], RTLD_NOW | RTLD_GLOBAL);
      if (bnb == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 1;
      std::copy(argv + i + 2, argv + argc, argv + i);
      argc -= 2;
      break;
    }
  add_types<Scheme<Format<NF4>>>("nf4/64");
  add_codec<Scheme<Format<NF4>>, float16>("nf4/64");
  add_types<Scheme<Format<NF4>, DoubleQuant<true>>>("nf4/64/double_quant");
  add_types<Scheme<Format<FP4>>>("fp4/64");
  add_types<Scheme<Format<Int8>, RowWise>>("int8/row_wise");
  add_types<Scheme<Format<Dynamic8>, BlockSize<256>>>("dynamic8/256");
  add_matmul<Scheme<Format<NF4>>, float>("nf4/64");
  add_matmul<Scheme<Format<NF4>>, bfloat16>("nf4/64");
  add_matmul<Scheme<Format<NF4>, DoubleQuant<true>>, bfloat16>("nf4/64/double_quant");
  add_matmul<Scheme<Format<Int8>, RowWise>, float>("int8/row_wise");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
