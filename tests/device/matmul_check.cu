// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// device::matmul on a GPU against a float64 product with the weights as decode_at decodes them.
// Where there is no GPU the tests compile it and it skips. By hand:
//
//   nvcc -std=c++20 -O2 -gencode=arch=compute_90a,code=sm_90a -I include
//   -DQFMT_TEST_CUBLASLT tests/device/matmul_check.cu -lcublasLt
//
// Without the definition the products through cuBLASLt are left out. One line a group; exit code 1
// where one fails. With --quick a little of everything, for compute-sanitizer.
#include "qfmt/device/grid/prepack.cuh"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/layout/placement.hpp"
#include "qfmt/ops/grouped_matmul.cuh"
#include "qfmt/ops/matmul.cuh"
#include "qfmt/ops/matmul_prepacked.cuh"
#include "qfmt/ops/matmul_transposed.cuh"
#ifdef QFMT_TEST_CUBLASLT
#include "qfmt/ops/matmul_prepacked_cublaslt.cuh"
#endif

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using namespace qfmt;

int failures = 0;
bool quick = false;

void require(cudaError_t error, char const* what) {
  if (error == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}

void report(char const* what, bool passed, double error = -1, double bound = -1) {
  std::printf("%-66s %s", what, passed ? "ok" : "FAILED");
  if (error >= 0) std::printf("   error %.3g (bound %.3g)", error, bound);
  std::printf("\n");
  failures += !passed;
}

template <class T>
struct Array {
  T* data = nullptr;
  std::int64_t size = 0;
  explicit Array(std::int64_t n) : size(n) {
    require(cudaMalloc(&data, static_cast<std::size_t>(n) * sizeof(T) + 64), "cudaMalloc");
  }
  ~Array() { cudaFree(data); }
  Array(Array const&) = delete;
  void poison() {  // NaN in every element type
    require(cudaMemset(data, 0xFF, static_cast<std::size_t>(size) * sizeof(T)), "cudaMemset");
  }
  std::vector<T> host() const {
    std::vector<T> v(static_cast<std::size_t>(size));
    require(cudaMemcpy(v.data(), data, v.size() * sizeof(T), cudaMemcpyDeviceToHost), "download");
    return v;
  }
};

__device__ std::uint32_t mix(std::uint64_t i, std::uint32_t seed) {
  std::uint64_t z = (i + seed) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<std::uint32_t>(z ^ (z >> 31));
}
__global__ void fill_bytes(std::uint8_t* p, std::int64_t n, std::uint32_t seed) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) p[i] = static_cast<std::uint8_t>(mix(static_cast<std::uint64_t>(i), seed));
}
template <class T>
__global__ void fill_reals(T* p, std::int64_t n, float low, float high, std::uint32_t seed) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n)
    p[i] = from_float<T>(
        low + (high - low) * static_cast<float>(mix(static_cast<std::uint64_t>(i), seed) >> 8) *
                  0x1p-24f);
}
unsigned blocks_for(std::int64_t n) { return static_cast<unsigned>(ceil_div(n, 256)); }

/// Random codes under random scales. Codes of normal weights are not uniform: four draws are
/// averaged, so that small levels are common.
__global__ void fill_codes(std::uint8_t* p, std::int64_t n, std::uint32_t seed) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  std::uint32_t const r = mix(static_cast<std::uint64_t>(i), seed);
  auto const nibble = [](std::uint32_t b) {
    return ((b & 15) + (b >> 4 & 15) + (b >> 8 & 15) + (b >> 12 & 15) + 2) / 4;
  };
  p[i] = static_cast<std::uint8_t>(nibble(r) << 4 | nibble(r >> 16));
}

template <SchemeSpec S>
struct Weights {
  Array<std::uint8_t> storage;
  QuantizedMatrix<S> matrix;

  Weights(std::int64_t rows, std::int64_t cols, unsigned seed, int shift = 0)
      : storage(storage_bytes<S>(rows, cols) + shift),
        matrix(place<S>(storage.data + shift, rows, cols)) {
    auto const bytes = codes_bytes<S>(rows * cols);
    if constexpr (S::bits == 4 && CodebookFormat<typename S::format>) {
      fill_codes<<<blocks_for(bytes), 256>>>(matrix.values.codes, bytes, seed);
    } else {
      fill_bytes<<<blocks_for(bytes), 256>>>(matrix.values.codes, bytes, seed);
    }
    auto const blocks = block_count<S>(rows * cols, cols);
    if constexpr (S::is_nested) {
      auto const& inner = matrix.values.scales.absmax;
      fill_bytes<<<blocks_for(blocks), 256>>>(inner.codes, blocks, seed + 1);
      auto const groups = block_count<AbsmaxScheme>(blocks);
      fill_reals<<<blocks_for(groups), 256>>>(inner.scales.absmax, groups, .005f, .01f, seed + 2);
      fill_reals<<<1, 1>>>(matrix.values.scales.offset, 1, .02f, .03f, seed + 3);
    } else {
      fill_reals<<<blocks_for(blocks), 256>>>(matrix.values.scales.absmax, blocks, .01f, .03f,
                                              seed);
    }
  }
};

/// exact[m, column + n] = x[m] * w[n], a warp an element.
template <SchemeSpec S, class T>
__global__ void exact_product(QuantizedMatrix<S const> w, T const* x, std::int64_t m, double* exact,
                              std::int64_t stride, std::int64_t column) {
  std::int64_t const i = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  if (i >= m * w.rows) return;
  std::int64_t const n = i % w.rows, row = i / w.rows;
  double sum = 0;
  for (std::int64_t k = threadIdx.x % 32; k < w.cols; k += 32)
    sum += static_cast<double>(decode_at(w.values, w.origin + n * w.row_stride + k)) *
           static_cast<double>(to_float(x[row * w.cols + k]));
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (threadIdx.x % 32 == 0) exact[row * stride + column + n] = sum;
}

/// What the result errs by beyond one rounding to T of the exact result, relative to the root mean
/// square of the results: |y - exact| less half an ulp, never below zero.
template <class T>
double excess(std::vector<T> const& y, std::vector<double> const& exact) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const got = static_cast<double>(to_float(y[i]));
    if (!(std::fabs(got) < 1e30)) return 1e9;  // NaN: not written
    int exponent = 0;
    std::frexp(exact[i], &exponent);
    int const digits = Float16Like<T> ? 11 : Bfloat16Like<T> ? 8 : 24;
    double const half_ulp = std::ldexp(1.0, exponent - digits - 1);
    double const beyond = std::max(0.0, std::fabs(got - exact[i]) - half_ulp);
    error += beyond * beyond;
    size += exact[i] * exact[i];
  }
  return size > 0 ? std::sqrt(error / size) : std::sqrt(error);
}

/// The bound before rounding is 0.9e-3 for bfloat16's levels, less for the others.
template <class T, bool Streams>
constexpr double bound() {
  if (!Streams || sizeof(T) == 4) return 2e-6;
  return Bfloat16Like<T> ? 0.9e-3 : 1.5e-4;
}

template <SchemeSpec S, class T, int Max>
std::vector<T> run(MatrixParts<S, Max> const& w, T const* x, std::int64_t m, T const* bias,
                   MatmulOptions options, cudaStream_t stream = nullptr) {
  Array<T> y(m * w.rows());
  y.poison();
  Status const s = device::matmul(w, x, m, y.data, bias, {}, stream, options);
  if (!s) {
    std::printf("matmul: %s (%d)\n", message(s.code), s.native);
    ++failures;
  }
  require(cudaDeviceSynchronize(), "matmul");
  return y.host();
}

/// compute(x, bias): y, (m, w.rows()), of random x and, where asked for, bias.
template <SchemeSpec S, class T, int Max, class Compute>
double error_of_computed(MatrixParts<S, Max> const& w, std::int64_t m, bool with_bias, int x_shift,
                         Compute compute) {
  std::int64_t const k = w.cols(), n = w.rows();
  Array<T> x(m * k + x_shift), bias(n);
  Array<double> exact(m * n);
  fill_reals<<<blocks_for(x.size), 256>>>(x.data, x.size, -1.f, 1.f, 41);
  fill_reals<<<blocks_for(n), 256>>>(bias.data, n, -1.f, 1.f, 43);
  T const* const from = x.data + x_shift;
  for (std::int64_t p = 0, column = 0; p < w.count; column += w.part[p].rows, ++p)
    if (w.part[p].rows > 0)
      exact_product<S, T>
          <<<blocks_for(m * w.part[p].rows * 32), 256>>>(w.part[p], from, m, exact.data, n, column);
  auto const y = compute(from, with_bias ? bias.data : nullptr);
  auto sums = exact.host();
  if (with_bias) {
    auto const add = bias.host();
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] += static_cast<double>(to_float(add[i % static_cast<std::size_t>(n)]));
  }
  return excess(y, sums);
}

template <SchemeSpec S, class T, int Max>
double error_of(MatrixParts<S, Max> const& w, std::int64_t m, bool with_bias, MatmulOptions options,
                int x_shift = 0) {
  return error_of_computed<S, T>(w, m, with_bias, x_shift, [&](T const* x, T const* bias) {
    return run<S, T>(w, x, m, bias, options);
  });
}

template <SchemeSpec S>
MatrixParts<S, 1> whole(QuantizedMatrix<S> const& w) {
  MatrixParts<S, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return parts;
}

template <SchemeSpec S, class T, bool Streams = true>
void check_shapes(char const* name,
                  std::vector<std::pair<std::int64_t, std::int64_t>> const& shapes,
                  std::vector<std::int64_t> const& ms) {
  // Tiles of 256 rows of x round each weight a second time.
  auto const limit = [](std::int64_t m) {
    bool const twice = Streams && m > 128 && gemm::Tilings<S, T>::has_widest;
    return twice ? 2.5e-3 : bound<T, Streams>();
  };
  double worst = 0;
  bool passed = true;
  for (auto [n, k] : shapes) {
    if (quick)
      n = std::min<std::int64_t>(n, 40), k = k % 64 == 0 ? std::min<std::int64_t>(k, 512) : k;
    Weights<S> const w(n, k, 5);
    for (auto const m : ms)
      for (bool const bias : {false, true}) {
        if (quick && (m > 33 || bias != (m % 2 == 0))) continue;
        double const e = error_of<S, T>(whole(w.matrix), m, bias, {});
        if (e > limit(m))
          std::printf("  %s %lld x %lld m %lld: %.3g\n", name, (long long)n, (long long)k,
                      (long long)m, e);
        passed = passed && e <= limit(m);
        if (m <= 128) worst = std::max(worst, e);
      }
  }
  report(name, passed, worst, bound<T, Streams>());
}

template <class F, class T>
using Nested64 = Scheme<Format<F>, DoubleQuant<true>>;

template <SchemeSpec S>
void check_slices(char const* name) {
  using T = bfloat16;
  Weights<S> const w(300, 4096, 9);
  QuantizedMatrix<S> columns = w.matrix;  // columns 1024.. of rows 17..
  columns.rows = 200;
  columns.cols = 2048;
  columns.origin = 17 * 4096 + 1024;
  double worst = 0;
  for (std::int64_t const m : {1, 5, 20})
    worst = std::max(worst, error_of<S, T>(whole(columns), m, true, {}));
  QuantizedMatrix<S> odd = columns;  // where no block begins: the slow kernel
  odd.origin += 7;
  odd.cols = 1999;
  worst = std::max(worst, error_of<S, T>(whole(odd), 3, true, {}));
  report(name, worst <= bound<T, true>(), worst, bound<T, true>());
}

template <SchemeSpec S>
void check_parts(char const* name) {
  using T = bfloat16;
  Weights<S> const q(512, 4096, 21), k(100, 4096, 22), v(77, 4096, 23);
  MatrixParts<S, 4> parts;
  parts.part[0] = q.matrix;
  parts.part[1] = k.matrix;
  parts.part[2] = v.matrix;
  parts.count = 3;
  double worst = 0;
  for (std::int64_t const m : {1, 9, 40})
    worst = std::max(worst, error_of<S, T>(parts, m, true, {}));
  report(name, worst <= bound<T, true>(), worst, bound<T, true>());
}

template <SchemeSpec S, class T>
bool same(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Many launches, one behind another without a pause, and a captured graph: always the same bits.
template <SchemeSpec S>
void check_determinism(char const* name, int launches) {
  using T = bfloat16;
  std::int64_t const n = quick ? 64 : 4096, k = quick ? 512 : 4096;
  if (quick) launches = 20;
  Weights<S> const w(n, k, 31);
  bool passed = true;
  for (std::int64_t const m : {1, 16, 64}) {
    Array<T> x(m * k), first(m * n), y(m * n);
    fill_reals<<<blocks_for(x.size), 256>>>(x.data, x.size, -1.f, 1.f, 47);
    cudaStream_t stream;
    require(cudaStreamCreate(&stream), "stream");
    require(cudaDeviceSynchronize(), "fill");
    auto const launch = [&](T* to) {
      Status const s = device::matmul(w.matrix, x.data, m, to, nullptr, {}, stream);
      if (!s) passed = false;
    };
    launch(first.data);
    require(cudaStreamSynchronize(stream), "matmul");
    auto const expected = first.host();
    for (int i = 0; i < launches; ++i) {
      launch(y.data);
      if (i % 20 != 19) continue;
      require(cudaStreamSynchronize(stream), "matmul");
      passed = passed && same<S>(y.host(), expected);
    }
    y.poison();
    require(cudaDeviceSynchronize(), "poison");
    cudaGraph_t graph;
    cudaGraphExec_t replay;
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
    for (int i = 0; i < 5; ++i) launch(y.data);
    require(cudaStreamEndCapture(stream, &graph), "capture");
    require(cudaGraphInstantiate(&replay, graph, 0), "instantiate");
    for (int i = 0; i < 10; ++i) require(cudaGraphLaunch(replay, stream), "replay");
    require(cudaStreamSynchronize(stream), "replay");
    passed = passed && same<S>(y.host(), expected);
    cudaGraphExecDestroy(replay);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
  }
  report(name, passed);
}

template <SchemeSpec S>
void check_batch_invariance(char const* name, std::int64_t n, std::int64_t k) {
  using T = bfloat16;
  if (quick) n = 64, k = 512;
  Weights<S> const w(n, k, 51);
  std::int64_t const most = quick ? 65 : 257;
  Array<T> x(most * k);
  fill_reals<<<blocks_for(x.size), 256>>>(x.data, x.size, -1.f, 1.f, 53);
  MatmulOptions options;
  options.batch_invariant = true;
  auto const all = run<S, T>(whole(w.matrix), x.data, most, nullptr, options);
  bool passed = true;
  for (std::int64_t const m : {1, 4, 8, 9, 16, 17, 24, 32, 64}) {
    auto const some = run<S, T>(whole(w.matrix), x.data, m, nullptr, options);
    passed = passed && std::memcmp(some.data(), all.data(), some.size() * sizeof(T)) == 0;
  }
  report(name, passed);
}

/// The tiled kernel in every tile, with tiles split and whole; the same bits in each of many
/// launches.
template <SchemeSpec S, class T>
void check_tiled(char const* name, std::int64_t n, std::int64_t k) {
  if (quick) n = std::min<std::int64_t>(n, 129), k = std::min<std::int64_t>(k, 1024);
  Weights<S> const w(n, k, 91);
  Array<std::uint8_t> room(device::matmul_workspace_bytes<S, T>(300, 1 << 20, k));
  room.poison();
  for (int const columns : {16, 32, 64, 128, 256}) {
    bool const twice = columns == 256;  // weights are rounded twice
    if (twice && (!Bfloat16Like<T> || std::is_same_v<typename S::format, Int8>)) continue;
    double const limit = twice ? 2.5e-3 : bound<T, true>();
    double worst = 0;
    bool passed = true;
    for (int const blocks : {-1, 0, 7, 61})
      for (std::int64_t const m : {1, 33, 130, 300}) {
        if (quick && m > 33) continue;
        MatmulOptions options;
        options.tuning = {.blocks = blocks > 0 ? blocks : 0, .columns = columns};
        Workspace const workspace{blocks < 0 ? nullptr : room.data, room.size};
        auto const compute = [&](T const* x, T const* bias) {
          std::vector<T> first;
          for (int i = 0; i < (quick ? 2 : 20); ++i) {
            Array<T> y(m * n);
            y.poison();
            Status const s =
                device::matmul(w.matrix, x, m, y.data, bias, workspace, nullptr, options);
            if (!s) {
              std::printf("matmul: %s (%d)\n", message(s.code), s.native);
              ++failures;
              return y.host();
            }
            require(cudaDeviceSynchronize(), "matmul");
            auto const got = y.host();
            if (i == 0) first = got;
            passed = passed && same<S>(got, first);
          }
          return first;
        };
        worst =
            std::max(worst, error_of_computed<S, T>(whole(w.matrix), m, m % 2 == 1, 0, compute));
      }
    char line[128];
    std::snprintf(line, sizeof line, "%s, tiles of %d, whole and split", name, columns);
    report(line, passed && worst <= limit, worst, limit);
  }
}

#ifdef QFMT_TEST_CUBLASLT
/// Through a decoded copy, with a workspace for the whole of it and with one for a few rows.
template <SchemeSpec S, class T, int Max>
void check_dequantized(char const* name, cublasLtHandle_t handle, MatrixParts<S, Max> const& w) {
  // A weight rounded to T errs by half an ulp at most, by 0.29 of one on the average.
  double const limit = sizeof(T) == 4 ? 2e-6 : Bfloat16Like<T> ? 2.5e-3 : 3.5e-4;
  std::int64_t const best = device::matmul_dequantized_workspace_bytes<S, T>(w.rows(), w.cols());
  std::int64_t const row = (w.cols() * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  double worst = 0;
  for (std::int64_t const bytes : {best, 5 * row, row})
    for (std::int64_t const m : {1, 7, 33, 64, 257}) {
      if (quick && m != 7 && m != 33) continue;
      if (bytes == row && m != 33) continue;  // a product for each row
      Array<std::uint8_t> workspace(bytes);
      worst = std::max(worst,
                       error_of_computed<S, T>(w, m, m % 2 == 1, 0, [&](T const* x, T const* bias) {
                         Array<T> y(m * w.rows());
                         y.poison();
                         Status const s = device::matmul_dequantized(
                             handle, w, x, m, y.data, bias, {workspace.data, bytes}, nullptr);
                         if (!s) {
                           std::printf("matmul_dequantized: %s (%d)\n", message(s.code), s.native);
                           ++failures;
                         }
                         require(cudaDeviceSynchronize(), "matmul_dequantized");
                         return y.host();
                       }));
    }
  report(name, worst <= limit, worst, limit);
}

template <SchemeSpec S, class T>
void check_dequantized(char const* name, cublasLtHandle_t handle, std::int64_t n, std::int64_t k) {
  Weights<S> const w(n, k, 77);
  check_dequantized<S, T>(name, handle, whole(w.matrix));
}
#endif

// --- The transposed product ----------------------------------------------------------------------

/// exact[m, k] += dy[m, column...] * w[:, k], a thread an element.     dy: (m, stride)
template <SchemeSpec S, class T>
__global__ void exact_transposed(QuantizedMatrix<S const> w, T const* dy, std::int64_t m,
                                 std::int64_t stride, std::int64_t column, double* exact) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= m * w.cols) return;
  std::int64_t const k = i % w.cols, row = i / w.cols;
  double sum = exact[i];
  for (std::int64_t n = 0; n < w.rows; ++n)
    sum += static_cast<double>(decode_at(w.values, w.origin + n * w.row_stride + k)) *
           static_cast<double>(to_float(dy[row * stride + column + n]));
  exact[i] = sum;
}

/// compute(dy, dx) twice, the same bits both times.
template <SchemeSpec S, class T, int Max, class Compute>
double error_of_transposed(MatrixParts<S, Max> const& w, std::int64_t m, Compute compute) {
  std::int64_t const k = w.cols(), n = w.rows();
  Array<T> dy(m * n), dx(m * k), again(m * k);
  Array<double> exact(m * k);
  fill_reals<<<blocks_for(dy.size), 256>>>(dy.data, dy.size, -1.f, 1.f, 61);
  require(cudaMemset(exact.data, 0, static_cast<std::size_t>(m * k) * sizeof(double)), "memset");
  for (std::int64_t p = 0, column = 0; p < w.count; column += w.part[p].rows, ++p)
    exact_transposed<S, T>
        <<<blocks_for(m * k), 256>>>(w.part[p], dy.data, m, n, column, exact.data);
  dx.poison();
  T* const outputs[] = {dx.data, again.data};
  for (T* const to : outputs) {
    Status const s = compute(dy.data, to);
    if (!s) {
      std::printf("matmul_transposed: %s (%d)\n", message(s.code), s.native);
      ++failures;
    }
  }
  require(cudaDeviceSynchronize(), "matmul_transposed");
  auto const got = dx.host();
  if (std::memcmp(got.data(), again.host().data(), got.size() * sizeof(T)) != 0) return 1e9;
  return excess(got, exact.host());
}

template <SchemeSpec S, class T>
void check_transposed(char const* name, std::int64_t n, std::int64_t k) {
  Weights<S> const w(n, k, 67), other(33, k, 68);
  MatrixParts<S, 2> parts;
  parts.part[0] = w.matrix;
  parts.part[1] = other.matrix;
  parts.count = 2;
  double worst = 0;
  for (std::int64_t const m : {1, 8, 33})
    worst = std::max(worst, error_of_transposed<S, T>(parts, m, [&](T const* dy, T* dx) {
                       return device::matmul_transposed(parts, dy, m, dx, {}, nullptr);
                     }));
  report(name, worst <= 2e-6, worst, 2e-6);
}

#ifdef QFMT_TEST_CUBLASLT
/// With a workspace for all columns, for some, and for a few.
template <SchemeSpec S, class T, int Max>
void check_transposed_dequantized(char const* name, cublasLtHandle_t handle,
                                  MatrixParts<S, Max> const& w) {
  double const limit = sizeof(T) == 4 ? 2e-6 : Bfloat16Like<T> ? 2.5e-3 : 3.5e-4;
  std::int64_t const best =
      device::matmul_transposed_dequantized_workspace_bytes<S, T>(w.rows(), w.cols());
  std::int64_t const column = w.rows() * static_cast<std::int64_t>(sizeof(T));
  double worst = 0;
  for (std::int64_t const bytes :
       {best, (200 * column + 255) / 256 * 256, (9 * column + 255) / 256 * 256})
    for (std::int64_t const m : {1, 16, 257}) {
      Array<std::uint8_t> workspace(bytes);
      worst = std::max(worst, error_of_transposed<S, T>(w, m, [&](T const* dy, T* dx) {
                         return device::matmul_transposed_dequantized(
                             handle, w, dy, m, dx, {workspace.data, bytes}, nullptr);
                       }));
    }
  report(name, worst <= limit, worst, limit);
}
#endif

// --- Groups --------------------------------------------------------------------------------------

/// Experts in device memory, and a launch over groups of the given sizes.
template <SchemeSpec S, class T>
struct Experts {
  std::vector<std::unique_ptr<Weights<S>>> weights;
  Array<QuantizedMatrix<S>> views;
  std::int64_t n, k;

  Experts(int count, std::int64_t rows, std::int64_t cols) : views(count), n(rows), k(cols) {
    std::vector<QuantizedMatrix<S>> on_host;
    for (int i = 0; i < count; ++i) {
      weights.push_back(std::make_unique<Weights<S>>(n, k, 71u + static_cast<unsigned>(i)));
      on_host.push_back(weights.back()->matrix);
    }
    require(cudaMemcpy(views.data, on_host.data(), on_host.size() * sizeof on_host[0],
                       cudaMemcpyHostToDevice),
            "views");
  }
  MatrixGroups<S> groups() const { return {views.data, views.size, n, k}; }
};

std::vector<std::int64_t> offsets_of(std::vector<int> const& sizes) {
  std::vector<std::int64_t> offsets{0};
  for (int const size : sizes) offsets.push_back(offsets.back() + size);
  return offsets;
}

/// Every launch the same bits; a captured launch follows the offsets in device memory.
template <SchemeSpec S, class T, bool Streams = true>
void check_grouped(char const* name, std::int64_t n, std::int64_t k, MatmulOptions options = {}) {
  std::vector<std::vector<int>> const cases{{0, 3, 0, 17, 1, 8, 0, 70},
                                            {1, 1, 1, 1, 1, 1, 1, 1},
                                            {0, 0, 0, 0, 0, 0, 0, 1},
                                            {64, 64, 64, 64, 64, 64, 64, 64},
                                            {300, 0, 9, 33, 16, 40, 2, 0}};
  Experts<S, T> const e(8, n, k);
  std::int64_t const most = 512;
  Array<T> x(most * k), bias(8 * n), y(most * n);
  Array<std::int64_t> offsets(9);
  fill_reals<<<blocks_for(x.size), 256>>>(x.data, x.size, -1.f, 1.f, 73);
  fill_reals<<<blocks_for(bias.size), 256>>>(bias.data, bias.size, -1.f, 1.f, 79);
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t replay;
  require(cudaStreamCreate(&stream), "stream");
  require(cudaDeviceSynchronize(), "fill");
  auto const launch = [&] {
    Status const s = device::grouped_matmul(e.groups(), offsets.data, x.data, most, y.data,
                                            bias.data, {}, stream, options);
    if (s) return;
    std::printf("grouped_matmul: %s (%d)\n", message(s.code), s.native);
    ++failures;
  };
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  launch();
  require(cudaStreamEndCapture(stream, &graph), "capture");
  require(cudaGraphInstantiate(&replay, graph, 0), "instantiate");
  double worst = 0;
  bool passed = true;
  for (auto const& sizes : cases) {
    auto const at = offsets_of(sizes);
    require(cudaMemcpy(offsets.data, at.data(), at.size() * 8, cudaMemcpyHostToDevice), "offsets");
    std::int64_t const m = at.back();
    Array<double> exact(m * n);
    for (std::size_t g = 0; g < 8; ++g)
      if (sizes[g] > 0)
        exact_product<S, T><<<blocks_for(sizes[g] * n * 32), 256>>>(
            e.weights[g]->matrix, x.data + at[g] * k, sizes[g], exact.data + at[g] * n, n, 0);
    auto sums = exact.host();
    auto const add = bias.host();
    for (std::size_t g = 0; g < 8; ++g)
      for (std::int64_t i = at[g] * n; i < at[g + 1] * n; ++i)
        sums[static_cast<std::size_t>(i)] += static_cast<double>(
            to_float(add[g * static_cast<std::size_t>(n) + static_cast<std::size_t>(i % n)]));
    std::vector<T> first;
    for (int i = 0; i < 20; ++i) {
      y.poison();
      require(cudaDeviceSynchronize(), "poison");
      if (i % 2 == 0) {
        launch();
      } else {
        require(cudaGraphLaunch(replay, stream), "replay");
      }
      require(cudaStreamSynchronize(stream), "grouped_matmul");
      auto got = y.host();
      if (m < most) passed = passed && !is_finite(to_float(got[static_cast<std::size_t>(m * n)]));
      got.resize(static_cast<std::size_t>(m * n));
      if (i == 0) first = got;
      passed = passed && same<S>(got, first);
    }
    worst = std::max(worst, excess(first, sums));
  }
  report(name, passed && worst <= bound<T, Streams>(), worst, bound<T, Streams>());
  cudaGraphExecDestroy(replay);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

MatmulOptions grouped_as(int columns, int splits) {
  MatmulOptions options;
  options.tuning = {.splits = splits, .columns = columns};
  return options;
}

// --- Prepacked -----------------------------------------------------------------------------------

/// Weights prepacked where they lie: values decoded, products, and the bytes as they were.
template <SchemeSpec S, class T>
void check_prepacked(char const* name, std::int64_t n, std::int64_t k, double limit) {
  Weights<S> const w(n, k, 101);
  auto const before = w.storage.host();
  Array<T> raw(n * k), unpacked(n * k);
  bool passed = static_cast<bool>(
      device::dequantize(QuantizedSpan<S const>(w.matrix.values), raw.data, nullptr));
  PrepackedMatrix<S> packed;
  passed = passed && device::prepack(w.matrix, packed, nullptr);
  passed = passed && device::dequantize(packed, unpacked.data, nullptr);
  require(cudaDeviceSynchronize(), "prepack");
  passed = passed && same<S>(raw.host(), unpacked.host());
  bool const moved = std::memcmp(before.data(), w.storage.host().data(), before.size()) != 0;
  passed = passed && moved == (n >= 16 && k >= 64 && (S::bits == 8 || k % 2 == 0));

  QuantizedMatrix<S> restored;
  double worst = 0;
  for (std::int64_t const m : {1, 9, 33, 130}) {
    auto const compute = [&](auto multiply) {
      return error_of_computed<S, T>(whole(w.matrix), m, true, 0, [&](T const* x, T const* bias) {
        Array<T> y(m * n);
        y.poison();
        require(cudaDeviceSynchronize(), "poison");
        passed = passed && device::prepack(w.matrix, packed, nullptr);  // after the exact product
        Status const s = multiply(x, bias, y.data);
        if (!s) std::printf("prepacked: %s (%d)\n", message(s.code), s.native);
        passed = passed && s;
        passed = passed && device::unpack(packed, restored, nullptr);
        require(cudaDeviceSynchronize(), "prepacked");
        return y.host();
      });
    };
    passed = passed && device::unpack(packed, restored, nullptr);
    worst = std::max(worst, compute([&](T const* x, T const* bias, T* y) {
                       return device::matmul(packed, x, m, y, bias, {}, nullptr);
                     }));
    if constexpr (sizeof(T) == 2)
      if (n % 16 == 0 && k % 64 == 0)
        worst = std::max(worst, compute([&](T const* x, T const* bias, T* y) {
                           MatmulOptions options;
                           options.tuning = {.columns = m > 64 ? 128 : 64};
                           return device::matmul(packed, x, m, y, bias, {}, nullptr, options);
                         }));
    passed = passed && device::prepack(w.matrix, packed, nullptr);
  }
  passed = passed && device::unpack(packed, restored, nullptr);
  require(cudaDeviceSynchronize(), "unpack");
  passed = passed && std::memcmp(before.data(), w.storage.host().data(), before.size()) == 0;
  report(name, passed && worst <= limit, worst, limit);
}

/// One output beyond float16's range, which bfloat16 holds.
void check_overflow() {
  using S = Scheme<Format<NF4>>;
  Weights<S> const w(8, 4096, 61);
  bool infinite = false, finite = true;
  {
    Array<float16> x(4096);
    fill_reals<<<16, 256>>>(x.data, 4096, 30000.f, 60000.f, 3);
    fill_bytes<<<64, 256>>>(w.matrix.values.codes, 8 * 2048, 1);
    require(cudaMemset(w.matrix.values.codes, 0xFF, 8 * 2048), "memset");  // level 1 everywhere
    for (auto const y : run<S, float16>(whole(w.matrix), x.data, 1, nullptr, {}))
      infinite = infinite || y.bits == 0x7C00;
  }
  {
    Array<bfloat16> x(4096);
    fill_reals<<<16, 256>>>(x.data, 4096, 30000.f, 60000.f, 3);
    for (auto const y : run<S, bfloat16>(whole(w.matrix), x.data, 1, nullptr, {}))
      finite = finite && is_finite(to_float(y));
  }
  report("a sum beyond 65504: infinite in float16, finite in bfloat16", infinite && finite);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("no GPU: skipped\n");
    return 77;
  }
  using Plain = Scheme<Format<NF4>>;
  using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
  std::vector<std::pair<std::int64_t, std::int64_t>> const shapes{
      {4096, 4096}, {40, 4096}, {40, 11008}, {1000, 64}, {129, 14336}, {8192, 512}};
  std::vector<std::int64_t> const ms{1, 2, 7, 8, 9, 16, 17, 32, 33, 64, 65, 257};

  check_shapes<Nested, bfloat16>("nf4 nested, bfloat16", shapes, ms);
  check_shapes<Plain, bfloat16>("nf4, bfloat16", shapes, ms);
  check_shapes<Plain, float16>("nf4, float16", shapes, ms);
  check_shapes<Scheme<Format<FP4>, DoubleQuant<true>>, bfloat16>("fp4 nested, bfloat16", shapes,
                                                                 ms);
  check_shapes<Scheme<Format<NF4>, BlockSize<32>>, bfloat16>(
      "nf4 blocks of 32, bfloat16, k = 7392", {{200, 7392}, {64, 4096}}, {1, 8, 20, 64});
  check_shapes<Scheme<Format<NF4>, BlockSize<16>>, float16>("nf4 blocks of 16, float16",
                                                            {{200, 4096}}, {1, 8, 20, 64});
  check_shapes<Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>, bfloat16>(
      "nf4 nested blocks of 4096 across rows, bfloat16", {{200, 11008}}, {1, 8, 20});
  check_shapes<Scheme<Format<Int8>>, bfloat16>("int8 blocks of 64, bfloat16",
                                               {{300, 4096}, {40, 11008}}, {1, 8, 20, 64});
  check_shapes<Scheme<Format<Int8>, RowWise>, float16>("int8 rows, float16",
                                                       {{300, 4096}, {40, 11008}}, {1, 8, 20, 64});
  check_shapes<Scheme<Format<Int8>, RowWise>, bfloat16>("int8 rows, bfloat16", {{300, 4096}},
                                                        {1, 8, 20, 64});
  check_shapes<Nested, float, false>("nf4 nested, float", {{100, 4096}, {7, 3420}}, {1, 9});
  check_shapes<Plain, bfloat16, false>("nf4, blocks across rows, k = 3420, 7392 and 333",
                                       {{50, 3420}, {50, 7392}, {50, 333}}, {1, 9});
  check_shapes<Scheme<Format<Dynamic8>>, bfloat16, false>("dynamic8, bfloat16", {{64, 1024}},
                                                          {1, 9});
  {
    Weights<Nested> const w(64, 4096, 5, 4);  // codes aligned to 4 bytes only
    double const e = std::max(error_of<Nested, bfloat16>(whole(w.matrix), 3, true, {}),
                              error_of<Nested, bfloat16>(whole(w.matrix), 3, true, {}, 1));
    report("operands that are not aligned to 16 bytes", e <= 2e-6, e, 2e-6);
  }
  check_slices<Nested>("slices by rows and columns, nf4 nested");
  check_slices<Scheme<Format<Int8>, RowWise>>("slices by rows and columns, int8 rows");
  check_parts<Nested>("merged weights, nf4 nested");
  check_parts<Plain>("merged weights, nf4");
  {
    Weights<Plain> const w(16, 64, 1);
    bfloat16* const none = nullptr;
    bool const passed =
        static_cast<bool>(device::matmul(w.matrix, none, 0, none, nullptr, {}, nullptr)) &&
        device::matmul(w.matrix, none, 1, none, nullptr, {}, nullptr).code == Errc::null_pointer &&
        device::matmul(w.matrix, none, -1, none, nullptr, {}, nullptr).code == Errc::size_mismatch;
    report("m = 0 launches nothing; errors", passed);
  }
  check_overflow();
  check_batch_invariance<Nested>("batch invariance, 4096 x 4096", 4096, 4096);
  check_batch_invariance<Nested>("batch invariance, 14336 x 4096", 14336, 4096);
  check_batch_invariance<Plain>("batch invariance, 1000 x 11008", 1000, 11008);
  check_batch_invariance<Nested>("batch invariance, 38144 x 1792", 38144, 1792);
  check_determinism<Nested>("nf4 nested: 1000 launches and a graph, the same bits", 1000);
  check_determinism<Plain>("nf4: 1000 launches and a graph, the same bits", 1000);
  check_transposed<Nested, bfloat16>("transposed: nf4 nested, bfloat16, 1000 x 4096", 1000, 4096);
  check_transposed<Plain, float>("transposed: nf4, float, 77 x 333", 77, 333);
  check_prepacked<Nested, bfloat16>("prepacked: nf4 nested, bfloat16, 1008 x 4096", 1008, 4096,
                                    bound<bfloat16, true>());
  check_prepacked<Scheme<Format<Int8>, RowWise>, bfloat16>(
      "prepacked: int8 rows, bfloat16, 304 x 4096", 304, 4096, bound<bfloat16, true>());
  check_prepacked<Nested, float>("prepacked: nf4 nested, float, 77 x 333", 77, 333, 2e-6);
  check_grouped<Nested, bfloat16>("grouped: nf4 nested, bfloat16, 8 of 1000 x 4096", 1000, 4096);
  check_grouped<Nested, bfloat16>("grouped: the same, 8 rows at a time, two splits", 1000, 4096,
                                  grouped_as(8, 2));
  check_grouped<Nested, bfloat16>("grouped: the same, 16 rows at a time", 1000, 4096,
                                  grouped_as(16, 1));
  check_grouped<Nested, bfloat16>("grouped: the same, 64 rows at a time", 1000, 4096,
                                  grouped_as(64, 1));
  check_grouped<Plain, float16>("grouped: nf4, float16, 8 of 129 x 11008", 129, 11008);
  check_grouped<Scheme<Format<NF4>, BlockSize<32>>, bfloat16>(
      "grouped: nf4 blocks of 32, bfloat16, 8 of 64 x 7392", 64, 7392);
  check_grouped<Scheme<Format<Int8>, RowWise>, bfloat16>("grouped: int8 rows, bfloat16, 300 x 4096",
                                                         300, 4096);
  check_grouped<Plain, float, false>("grouped: nf4, float, 8 of 50 x 333", 50, 333);
  check_tiled<Nested, bfloat16>("wgmma: nf4 nested, bfloat16, 1000 x 4096", 1000, 4096);
  check_tiled<Plain, float16>("wgmma: nf4, float16, 129 x 11008", 129, 11008);
  check_tiled<Scheme<Format<NF4>, BlockSize<32>>, bfloat16>(
      "wgmma: nf4 blocks of 32, bfloat16, 64 x 7392", 64, 7392);
  check_tiled<Scheme<Format<Int8>, RowWise>, bfloat16>("wgmma: int8 rows, bfloat16, 300 x 4096",
                                                       300, 4096);
#ifdef QFMT_TEST_CUBLASLT
  cublasLtHandle_t handle = nullptr;
  if (cublasLtCreate(&handle) != CUBLAS_STATUS_SUCCESS) return 2;
  check_dequantized<Nested, bfloat16>("cuBLASLt: nf4 nested, bfloat16, 1024 x 4096", handle, 1024,
                                      4096);
  check_dequantized<Nested, float16>("cuBLASLt: nf4 nested, float16, 520 x 11008", handle, 520,
                                     11008);
  check_dequantized<Plain, float>("cuBLASLt: nf4, float, 300 x 512", handle, 300, 512);
  check_dequantized<Scheme<Format<Int8>, RowWise>, bfloat16>(
      "cuBLASLt: int8 rows, bfloat16, 256 x 1024", handle, 256, 1024);
  check_dequantized<Plain, bfloat16>("cuBLASLt: nf4, blocks across rows, 64 x 3420", handle, 64,
                                     3420);
  {
    Weights<Nested> const w(1024, 4096, 83), part(520, 4096, 84);
    MatrixParts<Nested, 2> parts = {{w.matrix, part.matrix}, 2};
    check_transposed_dequantized<Nested, bfloat16>(
        "transposed through cuBLASLt: nf4 nested, bfloat16, 1024 x 4096", handle, whole(w.matrix));
    check_transposed_dequantized<Nested, float16>(
        "transposed through cuBLASLt: merged weights, float16, 1544 x 4096", handle, parts);
    Weights<Plain> const odd(64, 3420, 85);
    check_transposed_dequantized<Plain, float>("transposed through cuBLASLt: nf4, float, 64 x 3420",
                                               handle, whole(odd.matrix));
  }
  cublasLtDestroy(handle);
#endif
  std::printf(failures == 0 ? "all passed\n" : "%d FAILED\n", failures);
  return failures != 0;
}
