// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y = x * dequantize(w)^T on a GPU beside cuBLAS and bitsandbytes, and beside what memory allows.
//
//   nvcc -std=c++20 -O3 -gencode=arch=compute_90a,code=sm_90a -I include bench/matmul_bench.cu
//        -lcublas -lcublasLt -o matmul_bench
//   matmul_bench [--quick] [--variants] [--stream-variants] [--bnb LIBBITSANDBYTES] [--json FILE]
//                [--shape N,K] [--m M,M] [--only matmul|grouped|transposed|prepacked]
//
// After the shapes come groups of rows with a matrix each (experts; beside a launch of the ordinary
// product for each group, whose sizes the host then knows), the transposed product (beside
// dequantize + cuBLAS and cuBLAS on dense weights), and prepacked weights beside raw ones.
//
// Not a Google Benchmark: contenders take turns within one process and one repetition, so that what
// clocks and neighbours do meets all of them alike. Each is a CUDA graph of launches over weights
// that together are larger than four times the L2; the median of the repetitions counts.
//   GB/s     bytes that must move (codes, scales, x, y) over time
//   copy     that over the rate of an eager device-to-device copy of the same run
#include "qfmt/device/grid/prepack.cuh"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/layout/placement.hpp"
#include "qfmt/ops/grouped_matmul.cuh"
#include "qfmt/ops/matmul_cublaslt.cuh"
#include "qfmt/ops/matmul_prepacked_cublaslt.cuh"

#include <cublas_v2.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <string>
#include <vector>

#include "graph_clock.cuh"

namespace {

using namespace qfmt;
using namespace bench;
using T = __nv_bfloat16;
using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

/// Random codes and scales: every set of weights is another.
template <SchemeSpec S>
QuantizedMatrix<S> random_matrix(Memory& memory, std::int64_t n, std::int64_t k, unsigned seed) {
  auto* const storage = memory.get<std::uint8_t>(storage_bytes<S>(n, k));
  auto const w = place<S>(storage, n, k);
  fill_bytes<<<2048, 256>>>(w.values.codes, codes_bytes<S>(n * k), seed);
  if constexpr (S::is_nested) {
    auto const& inner = w.values.scales.absmax;
    fill_bytes<<<2048, 256>>>(inner.codes, inner.size, seed + 1);
    fill_reals<<<256, 256>>>(inner.scales.absmax, block_count<AbsmaxScheme>(inner.size), .005f,
                             .01f, seed + 2);
    fill_reals<<<1, 1>>>(w.values.scales.offset, 1, .02f, .03f, seed + 3);
  } else {
    fill_reals<<<2048, 256>>>(w.values.scales.absmax, block_count<S>(n * k, k), .01f, .03f, seed);
  }
  return w;
}

// --- Contenders
// -----------------------------------------------------------------------------------

struct Bnb {
  using Gemm = void (*)(T const*, std::uint8_t const*, float const*, std::uint8_t const*,
                        float const*, float const*, T*, T const*, int, int, int, int, int,
                        cudaStream_t);
  using Dequantize = void (*)(float*, std::uint8_t const*, float const*, T*, int, int,
                              cudaStream_t);
  Gemm gemm = nullptr;
  Dequantize dequantize = nullptr;

  explicit Bnb(char const* path) {
    if (path == nullptr) return;
    void* const library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      std::printf("bitsandbytes: %s\n", dlerror());
      return;
    }
    gemm = reinterpret_cast<Gemm>(dlsym(library, "cgemm_4bit_bf16"));
    dequantize = reinterpret_cast<Dequantize>(dlsym(library, "cdequantize_blockwise_bf16_nf4"));
  }

  /// The largest M its Python dispatcher gives to the fused kernel, on an H200.
  static int fused_up_to(std::int64_t n, std::int64_t k) {
    if (n == 28672) return 64;
    if (n == 14336) return 32;
    if (n == 8192) return 16;
    return k > n ? 5 : 7;
  }
};

void cublas(cublasHandle_t handle, T const* w, T const* x, T* y, int m, int n, int k) {
  float const one = 1.f, zero = 0.f;
  cublasStatus_t const s = cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, w,
                                        CUDA_R_16BF, k, x, CUDA_R_16BF, k, &zero, y, CUDA_R_16BF, n,
                                        CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  if (s != CUBLAS_STATUS_SUCCESS) {
    std::printf("cublasGemmEx: %d\n", s);
    std::exit(2);
  }
}

struct Settings {
  bool quick = false;
  bool variants = false;         // of the tiled kernel
  bool stream_variants = false;  // of the streaming kernel
  std::string only;
  char const* bnb = nullptr;
  char const* json = nullptr;
  std::vector<std::pair<std::int64_t, std::int64_t>> shapes;
  std::vector<int> ms;
};

struct Bench {
  Settings settings;
  Clock clock;
  cublasHandle_t handle = nullptr;
  cublasLtHandle_t lt = nullptr;
  Workspace workspace{};
  Bnb bnb;
  DeviceLimits limits{};
  double copy = 0, read = 0;  // GB/s
  std::FILE* json = nullptr;
  bool first_row = true;

  explicit Bench(Settings s) : settings(std::move(s)), bnb(settings.bnb) {
    if (cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS) std::exit(2);
    if (cublasLtCreate(&lt) != CUBLAS_STATUS_SUCCESS) std::exit(2);
    workspace.bytes = 640 << 20;
    require(cudaMalloc(&workspace.data, 640 << 20), "cudaMalloc");
    void* cublas_workspace = nullptr;
    require(cudaMalloc(&cublas_workspace, 64 << 20), "cudaMalloc");
    cublasSetStream(handle, clock.stream);  // once: it also takes the workspace away
    cublasSetWorkspace(handle, cublas_workspace, 64 << 20);
    require(device::detail::device_limits(limits), "device");
  }

  void row(std::int64_t n, std::int64_t k, int m, Timed const& t, double against_cublas,
           double against_bnb) {
    double const us = t.median();
    double const rate = t.bytes / us / 1e3;
    double const least = *std::min_element(t.microseconds.begin(), t.microseconds.end());
    std::printf("%6lld x %5lld  M %4d  %-24s %8.2f us (min %8.2f)  %5.0f GB/s  copy %.3f",
                (long long)n, (long long)k, m, t.name.c_str(), us, least, rate, rate / copy);
    if (against_cublas > 0) std::printf("  cublas/t %.2f", against_cublas / us);
    if (against_bnb > 0) std::printf("  bnb/t %.2f", against_bnb / us);
    std::printf("\n");
    if (json == nullptr) return;
    std::fprintf(json,
                 "%s\n  {\"n\": %lld, \"k\": %lld, \"m\": %d, \"name\": \"%s\", \"us\": %.3f, "
                 "\"min_us\": %.3f, \"bytes\": %.0f, \"of_copy\": %.4f}",
                 first_row ? "" : ",", (long long)n, (long long)k, m, t.name.c_str(), us, least,
                 t.bytes, rate / copy);
    first_row = false;
  }

  template <SchemeSpec S>
  static double bytes_of(std::int64_t n, std::int64_t k, int m) {
    return static_cast<double>(placement<S>(n, k).payload) + 2. * m * static_cast<double>(n + k);
  }

  void ceilings() {
    Memory memory;
    std::int64_t const bytes = std::int64_t{2} << 30;
    auto* const a = memory.get<std::uint8_t>(bytes);
    auto* const b = memory.get<std::uint8_t>(bytes);
    fill_bytes<<<2048, 256>>>(a, bytes, 1);
    std::vector<double> times;
    for (int i = 0; i < 9; ++i)
      times.push_back(clock.microseconds([&] {
        require(cudaMemcpyAsync(b, a, bytes, cudaMemcpyDeviceToDevice, clock.stream), "copy");
      }));
    std::sort(times.begin(), times.end());
    copy = 2. * static_cast<double>(bytes) / times[4] / 1e3;
    std::printf("copy, eager, 2 GiB read and written: %.0f GB/s\n", copy);
  }

  void shape(std::int64_t n, std::int64_t k);
  template <SchemeSpec S>
  void grouped(char const* scheme, int experts, int each, std::int64_t n, std::int64_t k);
  void transposed(std::int64_t n, std::int64_t k);
  void prepacked(std::int64_t n, std::int64_t k);
  bool does(char const* part) const { return settings.only.empty() || settings.only == part; }
};

/// Another scheme or element type beside the contenders of every row.
template <SchemeSpec S, class E>
void add_other(std::vector<Timed>& contenders, Memory& memory, Bench const& bench, char const* name,
               std::int64_t n, std::int64_t k, int m, int sets) {
  std::vector<QuantizedMatrix<S>> weights;
  for (int s = 0; s < sets; ++s) weights.push_back(random_matrix<S>(memory, n, k, 10u * s + 7));
  E* const x = memory.get<E>(m * k);
  E* const y = memory.get<E>(m * n);
  fill_reals<<<2048, 256>>>(x, m * k, -1.f, 1.f, 99);
  double const bytes = static_cast<double>(placement<S>(n, k).payload) +
                       static_cast<double>(sizeof(E)) * m * static_cast<double>(n + k);
  contenders.push_back({name,
                        bytes,
                        [=, &bench](int s, cudaStream_t stream) {
                          require(device::matmul(bench.lt, weights[static_cast<std::size_t>(s)], x,
                                                 m, y, nullptr, bench.workspace, stream),
                                  name);
                        },
                        nullptr,
                        0,
                        {}});
}

/// One variant of the streaming kernel.
template <class Tuning, SchemeSpec S>
Timed variant(Bench& bench, std::string const& name, std::vector<QuantizedMatrix<S>> const& sets,
              T const* x, T* y, int m, MatmulOptions options) {
  auto const n = sets[0].rows, k = sets[0].cols;
  DeviceLimits const limits = bench.limits;
  return {(S::is_nested ? "nested " : "plain ") + name,
          Bench::bytes_of<S>(n, k, m),
          [=, &sets](int s, cudaStream_t stream) {
            MatrixParts<S const, 1> parts;
            parts.part[0] = sets[static_cast<std::size_t>(s)];
            parts.count = 1;
            Status const status = stream::launch_matmul<Tuning, S>(
                parts, device::as_kernel_elements(x), m, device::as_kernel_elements(y),
                static_cast<bfloat16 const*>(nullptr), limits, options, stream);
            if (status.code == Errc::unsupported_shape) return;  // does not fit: times as nothing
            require(status, name.c_str());
          },
          nullptr,
          0,
          {}};
}

void Bench::shape(std::int64_t n, std::int64_t k) {
  Memory memory;
  double const weight_bytes = static_cast<double>(n) * static_cast<double>(k) / 2;
  int const sets = std::max(3, static_cast<int>(300e6 / weight_bytes));
  std::vector<QuantizedMatrix<Plain>> plain;
  std::vector<QuantizedMatrix<Nested>> nested;
  std::vector<T*> dense;
  int const most = *std::max_element(settings.ms.begin(), settings.ms.end());
  for (int s = 0; s < sets; ++s) {
    plain.push_back(random_matrix<Plain>(memory, n, k, 10u * s + 1));
    nested.push_back(random_matrix<Nested>(memory, n, k, 10u * s + 5));
  }
  int const dense_sets = std::max(2, sets / 4);
  for (int s = 0; s < dense_sets; ++s) {
    dense.push_back(memory.get<T>(n * k));
    fill_reals<<<2048, 256>>>(dense.back(), n * k, -.03f, .03f, 77u + s);
  }
  T* const x = memory.get<T>(most * k);
  T* const y = memory.get<T>(most * n);
  fill_reals<<<2048, 256>>>(x, most * k, -1.f, 1.f, 99);
  require(cudaDeviceSynchronize(), "fill");

  for (int const m : settings.ms) {
    std::vector<Timed> c;
    auto const add = [&](char const* name, double bytes, auto launch) {
      c.push_back({name, bytes, launch, nullptr, 0, {}});
    };
    add("qfmt nf4", bytes_of<Plain>(n, k, m), [&, m](int s, cudaStream_t stream) {
      require(device::matmul(lt, plain[s], x, m, y, nullptr, workspace, stream), "matmul");
    });
    add("qfmt nf4 nested", bytes_of<Nested>(n, k, m), [&, m](int s, cudaStream_t stream) {
      require(device::matmul(lt, nested[s], x, m, y, nullptr, workspace, stream), "matmul");
    });
    add("cublas bf16", 2. * n * k + 2. * m * (n + k), [&, m](int s, cudaStream_t) {
      cublas(handle, dense[s % dense_sets], x, y, m, (int)n, (int)k);
    });
    if (bnb.gemm != nullptr) {
      bool const fused = m <= Bnb::fused_up_to(n, k);
      add(fused ? "bnb nf4 (fused)" : "bnb nf4 (dequantize)", bytes_of<Plain>(n, k, m),
          [&, m, fused](int s, cudaStream_t stream) {
            auto const& w = plain[s].values;
            if (fused) {
              bnb.gemm(x, w.codes, w.scales.absmax, nullptr, nullptr, nullptr, y, nullptr, m,
                       (int)n, (int)k, 64, 2, stream);
            } else {
              bnb.dequantize(nullptr, w.codes, w.scales.absmax, dense[s % dense_sets], 64,
                             (int)(n * k), stream);
              cublas(handle, dense[s % dense_sets], x, y, m, (int)n, (int)k);
            }
          });
    }
    if (m > 8 && m <= 64)
      add("qfmt nf4 nested, streamed", bytes_of<Nested>(n, k, m),
          [&, m](int s, cudaStream_t stream) {
            MatmulOptions options;
            options.tuning.cluster = 1;  // which the streaming kernel alone has
            require(device::matmul(nested[s], x, m, y, nullptr, {}, stream, options), "matmul");
          });
    if (settings.variants && limits.sm == 90 && m >= 8)
      for (int const columns : {16, 32, 64, 128, 256}) {
        if (columns < m / 4 || columns >= 2 * m) continue;
        for (bool const splits : {true, false}) {
          MatmulOptions options;
          options.tuning.columns = columns;
          std::string name = "qfmt nf4 nested, tiles of " + std::to_string(columns);
          if (!splits) name += ", whole";
          add(name.c_str(), bytes_of<Nested>(n, k, m),
              [&, m, options, splits, name](int s, cudaStream_t stream) {
                require(device::matmul(nested[s], x, m, y, nullptr,
                                       splits ? workspace : Workspace{}, stream, options),
                        name.c_str());
              });
        }
      }
    if (limits.sm == 90 && m > 32)
      add("qfmt nf4 nested, decoded copy", bytes_of<Nested>(n, k, m),
          [&, m](int s, cudaStream_t stream) {
            require(device::matmul_dequantized(lt, nested[s], x, m, y, nullptr, workspace, stream),
                    "matmul_dequantized");
          });
    if (settings.variants && limits.sm == 90) {
      auto const tiled = [&]<class Tuning>(Tuning, char const* name) {
        if (m < Tuning::columns / 2 || m > 4 * Tuning::columns) return;
        add(name, bytes_of<Nested>(n, k, m), [&, m, name](int s, cudaStream_t stream) {
          MatrixParts<Nested const, 1> parts;
          parts.part[0] = nested[s];
          parts.count = 1;
          require(gemm::launch_matmul<Tuning, Nested>(
                      parts, device::as_kernel_elements(x), m, device::as_kernel_elements(y),
                      static_cast<bfloat16 const*>(nullptr), limits, {}, workspace, stream),
                  name);
        });
      };
      tiled(gemm::Tuning<16, 2>{}, "tiled 16, 2 groups");
      tiled(gemm::Tuning<32, 2>{}, "tiled 32, 2 groups");
      tiled(gemm::Tuning<32, 4>{}, "tiled 32, 4 groups");
      tiled(gemm::Tuning<64, 2>{}, "tiled 64, 2 groups");
    }
    Memory other;
    bool const large = n * k > (std::int64_t{1} << 27);
    bool const square = n == 8192 && k == 8192 && (m == 1 || m == 16 || m == 256 || m == 4096);
    auto const add_scheme = [&]<class S, class E>(S, E, char const* name) {
      add_other<S, E>(c, other, *this, name, n, k, m, sets);
    };
    if (!settings.quick && (square || (large && m <= 32))) {
      add_scheme(Nested{}, float16{}, "qfmt nf4 nested fp16");
      add_scheme(Scheme<Format<FP4>, DoubleQuant<true>>{}, bfloat16{}, "qfmt fp4 nested");
      if (square || m == 1) add_scheme(Nested{}, float{}, "qfmt nf4 nested fp32");
    }
    if (!settings.quick && large && m <= 32) {
      add_scheme(Scheme<Format<NF4>, BlockSize<128>>{}, bfloat16{}, "qfmt nf4/128");
      add_scheme(Scheme<Format<NF4>, BlockSize<32>>{}, bfloat16{}, "qfmt nf4/32");
      add_scheme(Scheme<Format<Int8>, RowWise>{}, bfloat16{}, "qfmt int8 rows");
      add_scheme(Scheme<Format<Int8>>{}, bfloat16{}, "qfmt int8/64");
    }
    if (settings.stream_variants) {
      using stream::Tuning;
      MatmulOptions const usual{};
      MatmulOptions late = usual;
      late.begins_early = false;
      auto const divided = [&](int row_warps, int splits, int cluster) {
        MatmulOptions o = usual;
        o.tuning = {.row_warps = row_warps, .splits = splits, .cluster = cluster};
        return o;
      };
      if (m <= 8) {
        for (int const splits : {16, 8, 4, 2, 1})
          for (int const cluster : {1, 2, 4}) {
            auto const name = " s" + std::to_string(splits) + " c" + std::to_string(cluster);
            auto const o = divided(0, splits, cluster);
            c.push_back(variant<Tuning<1, 1, 2>>(*this, "1/1/2" + name, nested, x, y, m, o));
            c.push_back(variant<Tuning<1, 2, 2>>(*this, "1/2/2" + name, nested, x, y, m, o));
          }
        c.push_back(variant<Tuning<1, 1, 2>>(*this, "1/1/2 late", nested, x, y, m, late));
      } else if (m <= 16) {
        for (int const splits : {8, 4, 2, 1})
          for (int const cluster : {1, 2, 4}) {
            auto const name = " s" + std::to_string(splits) + " c" + std::to_string(cluster);
            auto const o = divided(0, splits, cluster);
            c.push_back(variant<Tuning<2, 1, 2>>(*this, "2/1/2" + name, nested, x, y, m, o));
            c.push_back(variant<Tuning<2, 2, 2, 8>>(*this, "2/2/2/8" + name, nested, x, y, m, o));
          }
      } else if (m <= 32) {
        for (int const splits : {4, 2, 1})
          for (int const cluster : {1, 2, 4}) {
            auto const name = " s" + std::to_string(splits) + " c" + std::to_string(cluster);
            auto const o = divided(0, splits, cluster);
            c.push_back(variant<Tuning<4, 2, 2, 8>>(*this, "4/2/2/8" + name, nested, x, y, m, o));
            c.push_back(variant<Tuning<4, 1, 2, 12>>(*this, "4/1/2/12" + name, nested, x, y, m, o));
          }
      }
    }
    measure(c, sets, clock);
    double const dense_time = c[2].median();
    double const bnb_time = bnb.gemm != nullptr ? c[3].median() : 0;
    for (Timed const& t : c) row(n, k, m, t, dense_time, bnb_time);
    std::fflush(stdout);
  }
}

/// `each` rows of x for each of `experts` matrices; GB/s: of the matrices touched, x and y.
template <SchemeSpec S>
void Bench::grouped(char const* scheme, int experts, int each, std::int64_t n, std::int64_t k) {
  Memory memory;
  std::int64_t const m = std::int64_t{experts} * each;
  std::vector<QuantizedMatrix<S>> weights;
  std::vector<std::int64_t> offsets{0};
  for (int e = 0; e < experts; ++e) {
    weights.push_back(random_matrix<S>(memory, n, k, 10u * e + 5));
    offsets.push_back(offsets.back() + each);
  }
  auto* const views = memory.get<QuantizedMatrix<S>>(experts);
  auto* const at = memory.get<std::int64_t>(experts + 1);
  T* const x = memory.get<T>(m * k);
  T* const y = memory.get<T>(m * n);
  fill_reals<<<2048, 256>>>(x, m * k, -1.f, 1.f, 99);
  require(
      cudaMemcpy(views, weights.data(), weights.size() * sizeof weights[0], cudaMemcpyHostToDevice),
      "views");
  require(cudaMemcpy(at, offsets.data(), offsets.size() * 8, cudaMemcpyHostToDevice), "offsets");
  require(cudaDeviceSynchronize(), "fill");
  MatrixGroups<S> const groups{views, experts, n, k};
  double const bytes = static_cast<double>(placement<S>(n, k).payload) * experts +
                       2. * static_cast<double>(m * (n + k));
  std::vector<Timed> c;
  auto const add = [&](std::string const& name, auto launch) {
    c.push_back({std::string(scheme) + ", " + std::to_string(experts) + " groups of " +
                     std::to_string(each) + name,
                 bytes,
                 launch,
                 nullptr,
                 0,
                 {}});
  };
  auto const add_grouped = [&](std::string const& name, MatmulOptions options) {
    add(name, [=](int, cudaStream_t stream) {
      require(device::grouped_matmul(groups, at, x, m, y, nullptr, {}, stream, options),
              "grouped_matmul");
    });
  };
  add_grouped("", {});
  if (settings.variants)
    for (int const columns : {8, 16, 64})
      for (int const splits : {1, 2}) {
        if (columns > 8 && splits > 1) continue;
        MatmulOptions options;
        options.tuning = {.splits = splits, .columns = columns};
        add_grouped(" c" + std::to_string(columns) + " s" + std::to_string(splits), options);
      }
  add(", a launch each", [=, this](int, cudaStream_t stream) {
    for (int e = 0; e < experts; ++e)
      require(device::matmul(lt, weights[static_cast<std::size_t>(e)], x + e * each * k, each,
                             y + e * each * n, nullptr, workspace, stream),
              "matmul");
  });
  measure(c, 1, clock);
  for (Timed const& t : c) row(n, k, static_cast<int>(m), t, 0, 0);
  std::fflush(stdout);
}

/// dx = dy * w; the bytes that must move are those of the product itself.
void Bench::transposed(std::int64_t n, std::int64_t k) {
  Memory memory;
  constexpr int sets = 8;
  std::vector<QuantizedMatrix<Nested>> nested;
  for (int s = 0; s < sets; ++s) nested.push_back(random_matrix<Nested>(memory, n, k, 10u * s + 5));
  T* const dense[2] = {memory.get<T>(n * k), memory.get<T>(n * k)};
  T* const decoded = memory.get<T>(n * k);
  T* const dy = memory.get<T>(4096 * n);
  T* const dx = memory.get<T>(4096 * k);
  for (T* const d : dense) fill_reals<<<2048, 256>>>(d, n * k, -.03f, .03f, 77);
  fill_reals<<<2048, 256>>>(dy, 4096 * n, -1.f, 1.f, 99);
  require(cudaDeviceSynchronize(), "fill");
  auto const multiply = [&](T const* w, int m) {  // column-major: dx^T[k, m] = w^T[k, n] * dy^T
    float const one = 1.f, zero = 0.f;
    int const n32 = static_cast<int>(n), k32 = static_cast<int>(k);
    cublasStatus_t const s = cublasGemmEx(
        handle, CUBLAS_OP_N, CUBLAS_OP_N, k32, m, n32, &one, w, CUDA_R_16BF, k32, dy, CUDA_R_16BF,
        n32, &zero, dx, CUDA_R_16BF, k32, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    if (s != CUBLAS_STATUS_SUCCESS) {
      std::printf("cublasGemmEx: %d\n", s);
      std::exit(2);
    }
  };
  for (int const m : {16, 256, 4096}) {
    std::vector<Timed> c;
    auto const add = [&](char const* name, double bytes, auto launch) {
      c.push_back({name, bytes, launch, nullptr, 0, {}});
    };
    add("transposed nf4 nested", bytes_of<Nested>(n, k, m), [&, m](int s, cudaStream_t stream) {
      require(device::matmul_transposed(lt, nested[s], dy, m, dx, workspace, stream), "transposed");
    });
    add("dequantize + cublas, transposed", bytes_of<Nested>(n, k, m),
        [&, m](int s, cudaStream_t stream) {
          require(
              device::dequantize(QuantizedSpan<Nested const>(nested[s].values), decoded, stream),
              "dequantize");
          multiply(decoded, m);
        });
    add("cublas bf16, transposed", 2. * n * k + 2. * m * (n + k),
        [&, m](int s, cudaStream_t) { multiply(dense[s % 2], m); });
    if (m == 16)
      add("transposed nf4 nested, no library", bytes_of<Nested>(n, k, m),
          [&, m](int s, cudaStream_t stream) {
            require(device::matmul_transposed(nested[s], dy, m, dx, {}, stream), "transposed");
          });
    measure(c, sets, clock);
    double const dense_time = c[2].median();
    for (Timed const& t : c) row(n, k, m, t, dense_time, 0);
    std::fflush(stdout);
  }
}

/// The same kernels on raw and on prepacked weights, and what prepacking takes.
void Bench::prepacked(std::int64_t n, std::int64_t k) {
  Memory memory;
  int const sets = std::max(3, static_cast<int>(600e6 / (static_cast<double>(n) * k)));
  std::vector<QuantizedMatrix<Nested>> raw;
  std::vector<PrepackedMatrix<Nested>> packed(static_cast<std::size_t>(sets));
  for (int s = 0; s < sets; ++s) {
    raw.push_back(random_matrix<Nested>(memory, n, k, 10u * s + 5));
    auto const other = random_matrix<Nested>(memory, n, k, 10u * s + 5);
    require(device::prepack(other, packed[static_cast<std::size_t>(s)], nullptr), "prepack");
  }
  T* const x = memory.get<T>(4096 * k);
  T* const y = memory.get<T>(4096 * n);
  fill_reals<<<2048, 256>>>(x, 4096 * k, -1.f, 1.f, 99);
  require(cudaDeviceSynchronize(), "fill");
  std::vector<Timed> c;
  auto const add = [&](std::string const& name, double bytes, auto launch) {
    c.push_back({name, bytes, launch, nullptr, 0, {}});
  };
  auto const run = [&](int m) {
    measure(c, sets, clock);
    for (Timed const& t : c) row(n, k, m, t, 0, 0);
    std::fflush(stdout);
    c.clear();
  };
  add("prepack and unpack", 2. * static_cast<double>(n * k), [&](int s, cudaStream_t stream) {
    auto& w = packed[static_cast<std::size_t>(s)];
    QuantizedMatrix<Nested> restored;
    require(device::unpack(w, restored, stream), "unpack");
    require(device::prepack(restored, w, stream), "prepack");
  });
  run(0);
  for (int const m : {1, 8, 16, 32, 64, 128, 256, 1024, 4096}) {
    double const bytes = bytes_of<Nested>(n, k, m);
    if (m <= 32) {
      MatmulOptions streamed;
      streamed.tuning.cluster = 1;  // which the streaming kernel alone has
      add("streamed, raw", bytes, [&, m, streamed](int s, cudaStream_t stream) {
        require(device::matmul(raw[s], x, m, y, nullptr, {}, stream, streamed), "matmul");
      });
      add("streamed, prepacked", bytes, [&, m, streamed](int s, cudaStream_t stream) {
        require(device::matmul(packed[s], x, m, y, nullptr, {}, stream, streamed), "matmul");
      });
    }
    for (int const columns : {16, 32, 64, 128, 256}) {
      if (limits.sm != 90 || m < 16 || columns >= 2 * m || columns < m / 4) continue;
      MatmulOptions options;
      options.tuning = {.columns = columns};
      std::string const name = "tiles of " + std::to_string(columns);
      add(name + ", raw", bytes, [&, m, options](int s, cudaStream_t stream) {
        require(device::matmul(raw[s], x, m, y, nullptr, workspace, stream, options), "matmul");
      });
      add(name + ", prepacked", bytes, [&, m, options](int s, cudaStream_t stream) {
        require(device::matmul(packed[s], x, m, y, nullptr, workspace, stream, options), "matmul");
      });
    }
    if (m >= 1024) {
      add("dequantized, raw", bytes, [&, m](int s, cudaStream_t stream) {
        require(device::matmul_dequantized(lt, raw[s], x, m, y, nullptr, workspace, stream), "lt");
      });
      add("dequantized, prepacked", bytes, [&, m](int s, cudaStream_t stream) {
        require(device::matmul_dequantized(lt, packed[s], x, m, y, nullptr, workspace, stream),
                "lt");
      });
    }
    run(m);
  }
}

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    std::string const a = argv[i];
    auto const value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (a == "--quick") {
      s.quick = true;
    } else if (a == "--variants") {
      s.variants = true;
    } else if (a == "--stream-variants") {
      s.stream_variants = true;
    } else if (a == "--only") {
      s.only = value();
    } else if (a == "--bnb") {
      s.bnb = value();
    } else if (a == "--json") {
      s.json = value();
    } else if (a == "--shape") {
      auto const v = numbers(value());
      if (v.size() == 2) s.shapes.push_back({v[0], v[1]});
    } else if (a == "--m") {
      for (auto const m : numbers(value())) s.ms.push_back(static_cast<int>(m));
    } else {
      std::printf("unknown argument %s\n", argv[i]);
      std::exit(2);
    }
  }
  if (s.shapes.empty()) {
    if (s.quick) {
      s.shapes = {{28672, 8192}, {8192, 28672}};
    } else {
      s.shapes = {{4096, 4096}, {14336, 4096}, {4096, 14336},
                  {8192, 8192}, {28672, 8192}, {8192, 28672}};
    }
  }
  if (s.ms.empty())
    s.ms = s.quick ? std::vector<int>{1, 2, 4, 8, 16, 32, 64}
                   : std::vector<int>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Bench run(parse(argc, argv));
  cudaDeviceProp p{};
  require(cudaGetDeviceProperties(&p, 0), "device");
  std::printf("%s, %d multiprocessors, CUDA %d\n", p.name, p.multiProcessorCount, CUDART_VERSION);
  run.ceilings();
  if (run.settings.json != nullptr) {
    run.json = std::fopen(run.settings.json, "w");
    if (run.json != nullptr)
      std::fprintf(run.json, "{\"device\": \"%s\", \"copy_gb_s\": %.1f, \"rows\": [", p.name,
                   run.copy);
  }
  if (run.does("matmul"))
    for (auto const& [n, k] : run.settings.shapes) run.shape(n, k);
  if (run.does("grouped"))
    for (int const experts : {8, 64})
      for (int const each : {1, 8, 64}) {
        run.grouped<Nested>("nf4 nested", experts, each, 14336, 4096);
        if (experts == 8) run.grouped<Nested>("nf4 nested", experts, each, 4096, 14336);
        if (experts == 8 && !run.settings.quick)
          run.grouped<Plain>("nf4", experts, each, 14336, 4096);
      }
  if (run.does("transposed")) run.transposed(8192, 8192);
  if (run.does("prepacked")) run.prepacked(28672, 8192);
  if (run.json != nullptr) {
    std::fprintf(run.json, "\n]}\n");
    std::fclose(run.json);
  }
  return 0;
}
