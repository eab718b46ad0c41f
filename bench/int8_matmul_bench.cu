// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on a GPU, y[M,N] = x[M,K] * w[N,K]^T in float16, beside cuBLAS in bfloat16, the raw
// int8 product of cuBLASLt and bitsandbytes. (int8_matmul_bench.cpp is the host's.)
//
//   nvcc -std=c++20 -O3 -gencode=arch=compute_90a,code=sm_90a -I include
//        bench/int8_matmul_bench.cu -lcublas -lcublasLt -o int8_matmul_bench_cu
//   int8_matmul_bench_cu [--quick] [--bnb LIBBITSANDBYTES] [--json FILE] [--shape N,K] [--m M,M]
//                        [--threshold T,T] [--outliers TENTHS_OF_PERCENT,... at most 40]
//
// Outliers: that share of the columns of x holds values of 7 to 60 in every row, and a quarter as
// many more 5.5; the others are near-Gaussian and end at 3.5. Columns of a row of the table:
//   us       median of graphs; of what waits for the host (+) launched directly, gaps included
//   eager    launched directly, with what the host takes; wall: M = 1, a call and its end awaited
//   error    of up to four rows of y against float64 with the weights before their quantization,
//            root mean square over that of the exact y
//   .../us   time of cuBLAS, of cuBLASLt's product alone, of bitsandbytes at the same threshold and
//            outliers, over us; bitsandbytes above threshold 0 by `eager` on both sides
//
// bitsandbytes is its library's own kernels, called in the order of its Python (0.50.2,
// backends/cuda/ops.py and backends/default/ops.py). Threshold 0: cint8_vector_quant, cigemmlt_32,
// cdequant_mm_int32_fp16. Above: PyTorch's steps around these are reproduced with one plain kernel
// or one CUB call for each eager operator that launches: abs, >=, any() read back by the host;
// if there are outliers any(dim=0), nonzero (a count that the host reads, then a selection),
// out[:, columns] = 0, x[:, columns], CB[:, columns], times SCB, times 1/127, to float16, and
// addmm (a copy, then cuBLAS with beta 1). Left out, in its favour: PyTorch's dispatch and
// allocator and Python itself.
#include "qfmt/device/grid/quantize.cuh"
#include "qfmt/ops/int8_matmul.cuh"

#include <cub/device/device_reduce.cuh>
#include <cub/device/device_select.cuh>
#include <cublas_v2.h>
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <thrust/iterator/counting_iterator.h>

#include <chrono>
#include <cmath>
#include <dlfcn.h>

#include "graph_clock.cuh"

namespace {

using namespace qfmt;
using namespace bench;
using T = __half;

void require(cublasStatus_t status, char const* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  std::printf("%s: cuBLAS %d\n", what, status);
  std::exit(2);
}

// --- Operands

/// Near-Gaussian, of deviation 1, and never beyond 3.5.
__device__ float gaussian_at(std::uint64_t i, std::uint32_t seed) {
  std::uint32_t const a = mix(i, seed), b = mix(i, seed + 0x9E3779B9u);
  auto const sum = static_cast<int>((a & 0xFFFF) + (a >> 16) + (b & 0xFFFF) + (b >> 16));
  return static_cast<float>(sum - 131070) * 0x1.bb67aep-16f;
}
template <class E>
__global__ void fill_gaussian(E* p, std::int64_t n, float deviation, std::uint32_t seed) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * blockDim.x)
    p[i] = from_float<E>(deviation * gaussian_at(static_cast<std::uint64_t>(i), seed));
}
template <class E>
__global__ void convert(E* to, T const* from, std::int64_t n) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * blockDim.x)
    to[i] = from_float<E>(to_float(from[i]));
}
/// Column c of `count` becomes an outlier column of that size.
__global__ void plant(T* x, std::int64_t m, std::int64_t k, std::int64_t count, std::int64_t first,
                      float size) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= m * count) return;
  std::int64_t const c = i % count;
  std::int64_t const column = (first + c * (k / count)) % k;
  float const usual = size > 0.f ? size : c % 8 == 1 ? 7.f : 20.f + 5.f * static_cast<float>(c % 9);
  float const g = gaussian_at(static_cast<std::uint64_t>(i), 91);
  x[i / count * k + column] = from_float<T>((g < 0.f ? -1.f : 1.f) * usual * (1.f + .02f * g));
}

/// exact[m, n] = x[m] * w[n] for `rows` rows of x, `every` apart; a warp an element.
template <class E>
__global__ void exact_product(E const* w, E const* x, std::int64_t rows, std::int64_t every,
                              std::int64_t n, std::int64_t k, double* exact) {
  std::int64_t const i = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  if (i >= rows * n) return;
  E const* const a = x + i / n * every * k;
  E const* const b = w + i % n * k;
  double sum = 0;
  for (std::int64_t c = threadIdx.x % 32; c < k; c += 32)
    sum += static_cast<double>(to_float(a[c])) * static_cast<double>(to_float(b[c]));
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (threadIdx.x % 32 == 0) exact[i] = sum;
}

unsigned blocks_for(std::int64_t n, int threads = 256) {
  return static_cast<unsigned>(ceil_div(n, threads));
}

/// The activations of one share of outliers.
struct Activations {
  double share;
  T* x;
  std::int64_t columns;       // at threshold 6
  std::vector<double> exact;  // of the sampled rows
};

// --- bitsandbytes

__global__ void absolute(T const* x, T* out, std::int64_t n) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __habs(x[i]);
}
__global__ void at_least(T const* x, std::uint8_t* out, float threshold, std::int64_t n) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __half2float(x[i]) >= threshold;
}
__global__ void any_of_column(std::uint8_t const* flags, std::int64_t m, std::int64_t k,
                              std::uint8_t* out) {
  // A block takes 32 columns, 8 rows at a time.
  __shared__ int found[32];
  std::int64_t const column = std::int64_t{blockIdx.x} * 32 + threadIdx.x;
  if (threadIdx.y == 0) found[threadIdx.x] = 0;
  __syncthreads();
  if (column < k)
    for (std::int64_t r = threadIdx.y; r < m; r += blockDim.y)
      if (flags[r * k + column] != 0) found[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.y == 0 && column < k) out[column] = static_cast<std::uint8_t>(found[threadIdx.x]);
}
template <class E>
__global__ void gather_columns(E const* from, std::int64_t rows, std::int64_t k,
                               std::int64_t const* columns, std::int64_t count, E* to) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < rows * count) to[i] = from[i / count * k + columns[i % count]];
}
__global__ void clear_columns(std::int8_t* codes, std::int64_t rows, std::int64_t k,
                              std::int64_t const* columns, std::int64_t count) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < rows * count) codes[i / count * k + columns[i % count]] = 0;
}
__global__ void times_rows(std::int8_t const* codes, float const* scales, std::int64_t rows,
                           std::int64_t count, float* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < rows * count) out[i] = static_cast<float>(codes[i]) * scales[i / count];
}
__global__ void times(float const* in, float factor, std::int64_t n, float* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] * factor;
}
__global__ void to_half(float const* in, std::int64_t n, T* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __float2half_rn(in[i]);
}

struct Bnb {
  using VectorQuant = void (*)(T const*, std::int8_t*, float*, float, int, int, cudaStream_t);
  using Product = int (*)(void*, int, int, int, std::int8_t const*, std::int8_t const*, void*,
                          float*, int, int, int, cudaStream_t);
  using Dequantize = void (*)(int*, float const*, float const*, T*, T const*, int, int,
                              cudaStream_t);
  VectorQuant vector_quant = nullptr;
  Product product = nullptr;
  Dequantize dequantize = nullptr;
  void* context = nullptr;
  cublasHandle_t blas = nullptr;
  std::int64_t* host_count = nullptr;  // page-locked, as PyTorch's reads

  explicit Bnb(char const* path) {
    if (path == nullptr) return;
    void* const library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      std::printf("bitsandbytes: %s\n", dlerror());
      return;
    }
    auto const get_context = reinterpret_cast<void* (*)()>(dlsym(library, "get_context"));
    product = reinterpret_cast<Product>(dlsym(library, "cigemmlt_32"));
    dequantize = reinterpret_cast<Dequantize>(dlsym(library, "cdequant_mm_int32_fp16"));
    auto const quantize = reinterpret_cast<VectorQuant>(dlsym(library, "cint8_vector_quant"));
    if (get_context == nullptr || product == nullptr || dequantize == nullptr) return;
    context = get_context();
    vector_quant = quantize;  // last: says that all are there
  }

  /// Scratch memory for the largest M of a shape.
  struct Scratch {
    std::int8_t *codes = nullptr, *weights = nullptr;
    float *stats = nullptr, *product = nullptr, *scaled = nullptr;
    int* sums = nullptr;
    T *sizes = nullptr, *outliers = nullptr, *decoded = nullptr, *y = nullptr;
    std::uint8_t *flags = nullptr, *columns_flags = nullptr, *any = nullptr;
    std::int64_t *columns = nullptr, *count = nullptr;
    void* cub = nullptr;
    std::size_t cub_bytes = std::size_t{64} << 20;

    Scratch(Memory& memory, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t most)
        : codes(memory.get<std::int8_t>(m * k)),
          weights(memory.get<std::int8_t>(n * most)),
          stats(memory.get<float>(m)),
          product(memory.get<float>(n * most)),
          scaled(memory.get<float>(n * most)),
          sums(memory.get<int>(m * n)),
          sizes(memory.get<T>(m * k)),
          outliers(memory.get<T>(m * most)),
          decoded(memory.get<T>(n * most)),
          y(memory.get<T>(m * n)),
          flags(memory.get<std::uint8_t>(m * k)),
          columns_flags(memory.get<std::uint8_t>(k)),
          any(memory.get<std::uint8_t>(1)),
          columns(memory.get<std::int64_t>(k)),
          count(memory.get<std::int64_t>(1)),
          cub(memory.get<std::uint8_t>(std::int64_t{64} << 20)) {}
  };

  /// Its m, n and k are the inner size, the rows of x and those of the weights.
  void int8_product(Scratch const& s, std::int8_t const* w, int m, int n, int k,
                    cudaStream_t stream) const {
    if (product(context, k, m, n, w, s.codes, s.sums, nullptr, k, k, n, stream) != 0) {
      std::printf("bitsandbytes: cigemmlt_32 failed\n");
      std::exit(2);
    }
  }
  void plain(Scratch const& s, std::int8_t const* w, float const* w_stats, T const* x, T* y, int m,
             int n, int k, cudaStream_t stream) const {
    vector_quant(x, s.codes, s.stats, 0.f, m, k, stream);
    int8_product(s, w, m, n, k, stream);
    dequantize(s.sums, s.stats, w_stats, y, nullptr, m, n, stream);
  }
  /// What .item() costs: a copy and a wait.
  std::int64_t read(void const* from, std::size_t bytes, cudaStream_t stream) const {
    *host_count = 0;
    bench::require(cudaMemcpyAsync(host_count, from, bytes, cudaMemcpyDeviceToHost, stream),
                   "read");
    bench::require(cudaStreamSynchronize(stream), "read");
    return *host_count;
  }
  void mixed(Scratch const& s, std::int8_t const* w, float const* w_stats, T const* x, T* y,
             float threshold, int m, int n, int k, cudaStream_t stream) const {
    std::int64_t const size = std::int64_t{m} * k;
    std::size_t cub_bytes = s.cub_bytes;
    absolute<<<blocks_for(size), 256, 0, stream>>>(x, s.sizes, size);
    at_least<<<blocks_for(size), 256, 0, stream>>>(s.sizes, s.flags, threshold, size);
    bench::require(cub::DeviceReduce::Max(s.cub, cub_bytes, s.flags, s.any, size, stream), "any");
    std::int64_t count = 0;
    if (read(s.any, 1, stream) != 0) {
      any_of_column<<<blocks_for(k, 32), dim3(32, 8), 0, stream>>>(s.flags, m, k, s.columns_flags);
      bench::require(cub::DeviceReduce::Sum(s.cub, cub_bytes, s.columns_flags, s.count, k, stream),
                     "count");
      count = read(s.count, 8, stream);
      bench::require(
          cub::DeviceSelect::Flagged(s.cub, cub_bytes, thrust::counting_iterator<std::int64_t>(0),
                                     s.columns_flags, s.columns, s.count, k, stream),
          "nonzero");
    }
    vector_quant(x, s.codes, s.stats, threshold, m, k, stream);
    std::int64_t const part = n * count;
    if (count > 0) {
      if (m > 1)
        clear_columns<<<blocks_for(m * count), 256, 0, stream>>>(s.codes, m, k, s.columns, count);
      gather_columns<<<blocks_for(m * count), 256, 0, stream>>>(x, m, k, s.columns, count,
                                                                s.outliers);
      gather_columns<<<blocks_for(part), 256, 0, stream>>>(w, n, k, s.columns, count, s.weights);
      times_rows<<<blocks_for(part), 256, 0, stream>>>(s.weights, w_stats, n, count, s.product);
      times<<<blocks_for(part), 256, 0, stream>>>(s.product, 7.874015718698502e-3f, part, s.scaled);
      to_half<<<blocks_for(part), 256, 0, stream>>>(s.scaled, part, s.decoded);
    }
    int8_product(s, w, m, n, k, stream);
    dequantize(s.sums, s.stats, w_stats, count > 0 ? s.y : y, nullptr, m, n, stream);
    if (count == 0) return;
    bench::require(cudaMemcpyAsync(y, s.y, static_cast<std::size_t>(m) * n * sizeof(T),
                                   cudaMemcpyDeviceToDevice, stream),
                   "addmm");
    float const one = 1.f;
    ::require(cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, static_cast<int>(count), &one,
                           s.decoded, CUDA_R_16F, static_cast<int>(count), s.outliers, CUDA_R_16F,
                           static_cast<int>(count), &one, y, CUDA_R_16F, n, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT),
              "addmm");
  }
};

// --- cuBLASLt's product alone: int8 x int8 to int32, the best of its proposals

struct LtProduct {
  cublasLtHandle_t handle;
  void* workspace;
  std::size_t workspace_bytes;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, y = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  bool found = false;

  LtProduct(cublasLtHandle_t lt, void* memory, std::size_t bytes, std::int64_t m, std::int64_t n,
            std::int64_t k, std::int8_t const* codes, std::int8_t const* a, int* sums, Clock& clock)
      : handle(lt), workspace(memory), workspace_bytes(bytes) {
    cublasOperation_t const transposed = CUBLAS_OP_T;
    require(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32I, CUDA_R_32I), "cuBLASLt");
    require(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                           sizeof transposed),
            "cuBLASLt");
    auto const uk = static_cast<std::uint64_t>(k), un = static_cast<std::uint64_t>(n);
    auto const um = static_cast<std::uint64_t>(m);
    require(cublasLtMatrixLayoutCreate(&w, CUDA_R_8I, uk, un, k), "cuBLASLt");
    require(cublasLtMatrixLayoutCreate(&x, CUDA_R_8I, uk, um, k), "cuBLASLt");
    require(cublasLtMatrixLayoutCreate(&y, CUDA_R_32I, un, um, n), "cuBLASLt");
    cublasLtMatmulPreference_t preference = nullptr;
    require(cublasLtMatmulPreferenceCreate(&preference), "cuBLASLt");
    require(
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &workspace_bytes, sizeof workspace_bytes),
        "cuBLASLt");
    constexpr int most = 8;
    cublasLtMatmulHeuristicResult_t proposals[most];
    int count = 0;
    (void)cublasLtMatmulAlgoGetHeuristic(handle, operation, w, x, y, y, preference, most, proposals,
                                         &count);
    cublasLtMatmulPreferenceDestroy(preference);
    double best = 1e30;
    for (int i = 0; i < count; ++i) {
      algorithm = proposals[i].algo;
      if (!run(codes, a, sums, clock.stream)) continue;
      double us = 1e30;
      for (int j = 0; j < 5; ++j)
        us = std::min(us, clock.microseconds([&] { run(codes, a, sums, clock.stream); }));
      if (us < best) best = us, chosen_ = algorithm, found = true;
    }
    algorithm = chosen_;
  }
  LtProduct(LtProduct const&) = delete;
  ~LtProduct() {
    cublasLtMatrixLayoutDestroy(w);
    cublasLtMatrixLayoutDestroy(x);
    cublasLtMatrixLayoutDestroy(y);
    cublasLtMatmulDescDestroy(operation);
  }
  bool run(std::int8_t const* codes, std::int8_t const* a, int* sums, cudaStream_t stream) const {
    int const one = 1, zero = 0;
    return cublasLtMatmul(handle, operation, &one, codes, w, a, x, &zero, sums, y, sums, y,
                          &algorithm, workspace, workspace_bytes, stream) == CUBLAS_STATUS_SUCCESS;
  }

 private:
  cublasLtMatmulAlgo_t chosen_{};
};

// --- The table

struct Settings {
  bool quick = false;
  char const* bnb = nullptr;
  char const* json = nullptr;
  std::vector<std::pair<std::int64_t, std::int64_t>> shapes;
  std::vector<int> ms;
  std::vector<float> thresholds;
  std::vector<double> shares;
};

/// One contender: what it computes on, and what was found of it.
struct Row {
  enum class Kind { qfmt, bnb, cublas, product, other } kind;
  float threshold = 0.f;
  int set_of_x = 0;
  double error = -1, eager = 0, wall = 0;
};

struct Bench {
  Settings settings;
  Clock clock;
  cublasHandle_t blas = nullptr;
  cublasLtHandle_t lt = nullptr;
  Bnb bnb;
  std::FILE* json = nullptr;
  bool first_row = true;

  explicit Bench(Settings s) : settings(std::move(s)), bnb(settings.bnb) {
    require(cublasCreate(&blas), "cublasCreate");
    require(cublasLtCreate(&lt), "cublasLtCreate");
    void* workspace = nullptr;
    bench::require(cudaMalloc(&workspace, workspace_bytes), "cudaMalloc");
    cublasSetStream(blas, clock.stream);  // once: it also takes the workspace away
    cublasSetWorkspace(blas, workspace, workspace_bytes);
    bench::require(cudaMalloc(&lt_workspace, workspace_bytes), "cudaMalloc");
    bnb.blas = blas;
    bench::require(cudaHostAlloc(reinterpret_cast<void**>(&bnb.host_count), 8, 0), "cudaHostAlloc");
  }

  static constexpr std::size_t workspace_bytes = std::size_t{64} << 20;
  void* lt_workspace = nullptr;

  void shape(std::int64_t n, std::int64_t k);
  std::vector<double> exact_rows(T const* w, T const* x, std::int64_t m, std::int64_t n,
                                 std::int64_t k);
  template <class E>
  double error_of(E const* y, std::vector<double> const& exact, std::int64_t m, std::int64_t n);
  void print(std::int64_t n, std::int64_t k, int m, std::vector<Timed> const& timed,
             std::vector<Row> const& rows, std::vector<Activations> const& xs);
};

constexpr std::int64_t most_sampled = 4;
std::int64_t sampled_rows(std::int64_t m) { return std::min(m, most_sampled); }

std::vector<double> Bench::exact_rows(T const* w, T const* x, std::int64_t m, std::int64_t n,
                                      std::int64_t k) {
  Memory memory;
  std::int64_t const rows = sampled_rows(m);
  double* const exact = memory.get<double>(rows * n);
  exact_product<<<blocks_for(rows * n * 32), 256>>>(w, x, rows, m / rows, n, k, exact);
  std::vector<double> sums(static_cast<std::size_t>(rows * n));
  bench::require(cudaMemcpy(sums.data(), exact, sums.size() * 8, cudaMemcpyDeviceToHost), "exact");
  return sums;
}

template <class E>
double Bench::error_of(E const* y, std::vector<double> const& exact, std::int64_t m,
                       std::int64_t n) {
  bench::require(cudaDeviceSynchronize(), "a contender");
  std::int64_t const rows = sampled_rows(m);
  std::vector<E> got(static_cast<std::size_t>(n));
  double error = 0, size = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    bench::require(cudaMemcpy(got.data(), y + r * (m / rows) * n, got.size() * sizeof(E),
                              cudaMemcpyDeviceToHost),
                   "download");
    for (std::int64_t j = 0; j < n; ++j) {
      double const e = exact[static_cast<std::size_t>(r * n + j)];
      double const d = static_cast<double>(to_float(got[static_cast<std::size_t>(j)])) - e;
      error += d * d, size += e * e;
    }
  }
  return std::sqrt(error / size);
}

/// Host time of one call, its end awaited: the median of many.
double wall_microseconds(Timed const& t, int sets, Clock& clock) {
  std::vector<double> times;
  for (int i = -20; i < 200; ++i) {
    auto const begin = std::chrono::steady_clock::now();
    t.launch((i + 20) % sets, clock.stream);
    bench::require(cudaStreamSynchronize(clock.stream), t.name.c_str());
    std::chrono::duration<double, std::micro> const took = std::chrono::steady_clock::now() - begin;
    if (i >= 0) times.push_back(took.count());
  }
  std::nth_element(times.begin(), times.begin() + 100, times.end());
  return times[100];
}

void Bench::print(std::int64_t n, std::int64_t k, int m, std::vector<Timed> const& timed,
                  std::vector<Row> const& rows, std::vector<Activations> const& xs) {
  double cublas = 0, product = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == Row::Kind::cublas) cublas = timed[i].median();
    if (rows[i].kind == Row::Kind::product) product = timed[i].median();
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row const& r = rows[i];
    Timed const& t = timed[i];
    Activations const& x = xs[static_cast<std::size_t>(r.set_of_x)];
    std::printf("%6lld x %5lld  M %4d  %-30s %4.1f%% %9.2f%c us", (long long)n, (long long)k, m,
                t.name.c_str(), 100 * x.share, t.median(), t.captures ? ' ' : '+');
    if (r.eager > 0) std::printf("  eager %8.2f", r.eager);
    if (r.wall > 0) std::printf("  wall %7.2f", r.wall);
    if (r.error >= 0) std::printf("  error %.2e", r.error);
    if (r.kind == Row::Kind::qfmt) {
      std::printf("  cublas/us %.2f", cublas / t.median());
      if (product > 0) std::printf("  product/us %.2f", product / t.median());
      for (std::size_t j = 0; j < rows.size(); ++j)
        if (rows[j].kind == Row::Kind::bnb && rows[j].threshold == r.threshold &&
            rows[j].set_of_x == r.set_of_x) {
          double const ratio =
              r.threshold > 0.f ? rows[j].eager / r.eager : timed[j].median() / t.median();
          std::printf("  bnb/us %.2f", ratio);
          if (r.wall > 0) std::printf("  bnb/wall %.2f", rows[j].wall / r.wall);
        }
    }
    std::printf("\n");
    if (json == nullptr) continue;
    std::fprintf(json,
                 "%s\n  {\"n\": %lld, \"k\": %lld, \"m\": %d, \"name\": \"%s\", \"threshold\": %g, "
                 "\"outlier_share\": %g, \"outlier_columns_at_6\": %lld, \"us\": %.3f, "
                 "\"min_us\": %.3f, \"graph\": %s, \"eager_us\": %.3f, \"wall_us\": %.3f, "
                 "\"error\": %.4e}",
                 first_row ? "" : ",", (long long)n, (long long)k, m, t.name.c_str(),
                 static_cast<double>(r.threshold), x.share, (long long)x.columns, t.median(),
                 t.least(), t.captures ? "true" : "false", r.eager, r.wall, r.error);
    first_row = false;
  }
  std::fflush(stdout);
}

void Bench::shape(std::int64_t n, std::int64_t k) {
  Memory memory;
  int const sets = std::max(3, static_cast<int>(300e6 / (static_cast<double>(n * k))));
  int const dense_sets = std::max(2, sets / 2);
  std::int64_t const most_m = *std::max_element(settings.ms.begin(), settings.ms.end());
  std::vector<QuantizedMatrix<LlmInt8>> weights;
  std::vector<T*> dense;  // the float16 weights; set s of the int8 ones comes from s % dense_sets
  std::vector<__nv_bfloat16*> dense_bf16;
  for (int s = 0; s < dense_sets; ++s) {
    dense.push_back(memory.get<T>(n * k));
    fill_gaussian<<<2048, 256>>>(dense.back(), n * k, .02f, 10u * static_cast<unsigned>(s) + 1);
    dense_bf16.push_back(memory.get<__nv_bfloat16>(n * k));
    convert<<<2048, 256>>>(dense_bf16.back(), dense.back(), n * k);
  }
  for (int s = 0; s < sets; ++s) {
    auto* const storage = memory.get<std::uint8_t>(storage_bytes<LlmInt8>(n, k));
    weights.push_back(place<LlmInt8>(storage, n, k));
    bench::require(device::quantize(dense[static_cast<std::size_t>(s % dense_sets)],
                                    weights.back().values, {}, nullptr),
                   "quantize");
  }
  auto const codes_of = [&](int s) {
    return reinterpret_cast<std::int8_t const*>(weights[static_cast<std::size_t>(s)].values.codes);
  };
  auto const stats_of = [&](int s) {
    return weights[static_cast<std::size_t>(s)].values.scales.absmax;
  };
  T* const y = memory.get<T>(most_m * n);
  auto* const y_bf16 = memory.get<__nv_bfloat16>(most_m * n);
  auto* const x_bf16 = memory.get<__nv_bfloat16>(most_m * k);
  auto* const x_codes = memory.get<std::int8_t>(most_m * k);
  auto* const x_absmax = memory.get<float>(most_m);
  auto* const x_outliers = memory.get<std::uint32_t>(ceil_div(k, outlier_word_bits));
  int* const sums = memory.get<int>(most_m * n);
  std::int64_t const scratch_bytes = int8_matmul_workspace_bytes(most_m, k);
  auto* const scratch = memory.get<std::uint8_t>(scratch_bytes);
  Bnb::Scratch const bnb_scratch(memory, bnb.vector_quant != nullptr ? most_m : 1,
                                 bnb.vector_quant != nullptr ? n : 1, k, k / 16);
  QuantizedActivations<> quantized;
  quantized.outliers = x_outliers;

  for (int const m : settings.ms) {
    Memory own;
    std::vector<Activations> xs;
    for (double const share : settings.shares) {
      T* const x = own.get<T>(m * k);
      auto const strong = static_cast<std::int64_t>(std::llround(share * static_cast<double>(k)));
      fill_gaussian<<<2048, 256>>>(x, m * k, 1.f, 99u);
      if (strong > 0) {
        std::int64_t const weak = std::max<std::int64_t>(1, strong / 4);
        plant<<<blocks_for(m * weak), 256>>>(x, m, k, weak, 1, 5.5f);
        plant<<<blocks_for(m * strong), 256>>>(x, m, k, strong, 2, 0.f);
      }
      xs.push_back({share, x, strong, exact_rows(dense[0], x, m, n, k)});
    }
    convert<<<2048, 256>>>(x_bf16, xs[0].x, m * k);
    quantized.values = {{reinterpret_cast<std::uint8_t*>(x_codes), {x_absmax, k}, m * k}, m, k};
    bench::require(device::quantize_activations(xs[0].x, 0.f, quantized, nullptr), "quantize");
    bench::require(cudaDeviceSynchronize(), "fill");
    LtProduct const product(lt, lt_workspace, workspace_bytes, m, n, k, codes_of(0), x_codes, sums,
                            clock);

    std::vector<Timed> timed;
    std::vector<Row> rows;
    auto const add = [&](std::string name, Row row, auto launch) {
      timed.push_back({.name = std::move(name), .launch = launch});
      rows.push_back(row);
    };
    add("cublas bf16", {Row::Kind::cublas}, [&, m](int s, cudaStream_t) {
      float const one = 1.f, zero = 0.f;
      require(
          cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, static_cast<int>(n), m, static_cast<int>(k),
                       &one, dense_bf16[static_cast<std::size_t>(s % dense_sets)], CUDA_R_16BF,
                       static_cast<int>(k), x_bf16, CUDA_R_16BF, static_cast<int>(k), &zero, y_bf16,
                       CUDA_R_16BF, static_cast<int>(n), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
    });
    if (product.found)
      add("cublasLt int8 product alone", {Row::Kind::product}, [&](int s, cudaStream_t stream) {
        if (!product.run(codes_of(s), x_codes, sums, stream)) std::exit(2);
      });
    add("qfmt quantize alone, 6", {Row::Kind::other, 6.f}, [&](int, cudaStream_t stream) {
      bench::require(device::quantize_activations(xs.back().x, 6.f, quantized, stream),
                     "quantize_activations");
    });
    rows.back().set_of_x = static_cast<int>(xs.size()) - 1;
    for (std::size_t i = 0; i < xs.size(); ++i)
      for (float const threshold : settings.thresholds) {
        T const* const x = xs[i].x;
        std::string const at = ", " + std::to_string(static_cast<int>(threshold));
        auto const set = static_cast<int>(i);
        add("qfmt" + at, {Row::Kind::qfmt, threshold, set},
            [=, &weights](int s, cudaStream_t stream) {
              QuantizedMatrix<LlmInt8 const> const w = weights[static_cast<std::size_t>(s)];
              bench::require(device::int8_matmul(w, x, m, y, nullptr, threshold,
                                                 {scratch, scratch_bytes}, stream),
                             "int8_matmul");
            });
        if (threshold == 6.f && xs[i].share > 0)
          add("qfmt" + at + ", 16-bit outlier weights", {Row::Kind::qfmt, threshold, set},
              [=, &weights, &dense](int s, cudaStream_t stream) {
                QuantizedMatrix<LlmInt8 const> const w = weights[static_cast<std::size_t>(s)];
                OutlierWeights<T> const kept{dense[static_cast<std::size_t>(s % dense_sets)],
                                             nullptr, k};
                bench::require(device::int8_matmul(w, kept, x, m, y, nullptr, threshold,
                                                   {scratch, scratch_bytes}, stream),
                               "int8_matmul");
              });
        if (bnb.vector_quant == nullptr || k % 4 != 0) continue;
        add("bnb" + at, {Row::Kind::bnb, threshold, set},
            [=, this, &bnb_scratch](int s, cudaStream_t stream) {
              if (threshold > 0.f) {
                bnb.mixed(bnb_scratch, codes_of(s), stats_of(s), x, y, threshold, m,
                          static_cast<int>(n), static_cast<int>(k), stream);
              } else {
                bnb.plain(bnb_scratch, codes_of(s), stats_of(s), x, y, m, static_cast<int>(n),
                          static_cast<int>(k), stream);
              }
            });
        timed.back().captures = !(threshold > 0.f);
      }

    for (std::size_t i = 0; i < timed.size(); ++i) {
      Row& r = rows[i];
      timed[i].launch(0, clock.stream);
      auto const& exact = xs[static_cast<std::size_t>(r.set_of_x)].exact;
      if (r.kind == Row::Kind::cublas) r.error = error_of(y_bf16, exact, m, n);
      if (r.kind == Row::Kind::qfmt || r.kind == Row::Kind::bnb) r.error = error_of(y, exact, m, n);
    }
    // First as graphs, then all once more without.
    measure(timed, sets, clock);
    std::vector<Timed> direct;
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < timed.size(); ++i) {
      if (rows[i].kind != Row::Kind::qfmt && rows[i].kind != Row::Kind::bnb) continue;
      if (!timed[i].captures) {
        rows[i].eager = timed[i].median();
        continue;
      }
      direct.push_back({.name = timed[i].name, .launch = timed[i].launch, .captures = false});
      which.push_back(i);
    }
    measure(direct, sets, clock);
    for (std::size_t i = 0; i < direct.size(); ++i) rows[which[i]].eager = direct[i].median();
    if (m == 1)
      for (std::size_t i = 0; i < timed.size(); ++i)
        rows[i].wall = wall_microseconds(timed[i], sets, clock);
    print(n, k, m, timed, rows, xs);
  }
}

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    std::string const a = argv[i];
    auto const value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (a == "--quick") {
      s.quick = true;
    } else if (a == "--bnb") {
      s.bnb = value();
    } else if (a == "--json") {
      s.json = value();
    } else if (a == "--shape") {
      auto const v = numbers(value());
      if (v.size() == 2) s.shapes.push_back({v[0], v[1]});
    } else if (a == "--m") {
      for (auto const m : numbers(value())) s.ms.push_back(static_cast<int>(m));
    } else if (a == "--threshold") {
      for (auto const t : numbers(value())) s.thresholds.push_back(static_cast<float>(t));
    } else if (a == "--outliers") {
      for (auto const tenths : numbers(value()))
        s.shares.push_back(static_cast<double>(std::min<std::int64_t>(tenths, 40)) / 1000);
    } else {
      std::printf("unknown argument %s\n", argv[i]);
      std::exit(2);
    }
  }
  using Shapes = std::vector<std::pair<std::int64_t, std::int64_t>>;
  if (s.shapes.empty())
    s.shapes = s.quick ? Shapes{{28672, 8192}, {8192, 28672}}
                       : Shapes{{4096, 4096}, {14336, 4096}, {4096, 14336},
                                {8192, 8192}, {28672, 8192}, {8192, 28672}};
  if (s.ms.empty())
    s.ms = s.quick ? std::vector<int>{1, 8, 16, 32, 128, 512, 4096}
                   : std::vector<int>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  if (s.thresholds.empty())
    s.thresholds = s.quick ? std::vector<float>{0, 6} : std::vector<float>{0, 5, 6, 8};
  if (s.shares.empty())
    s.shares = s.quick ? std::vector<double>{0, .001} : std::vector<double>{0, .001, .005, .02};
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Bench run(parse(argc, argv));
  cudaDeviceProp p{};
  bench::require(cudaGetDeviceProperties(&p, 0), "device");
  std::printf("%s, %d multiprocessors, CUDA %d\n", p.name, p.multiProcessorCount, CUDART_VERSION);
  if (run.settings.json != nullptr) {
    run.json = std::fopen(run.settings.json, "w");
    if (run.json != nullptr) std::fprintf(run.json, "{\"device\": \"%s\", \"rows\": [", p.name);
  }
  for (auto const& [n, k] : run.settings.shapes) run.shape(n, k);
  if (run.json != nullptr) {
    std::fprintf(run.json, "\n]}\n");
    std::fclose(run.json);
  }
  return 0;
}
