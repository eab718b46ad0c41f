// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 3: a matrix-vector product put together from the tiers: a table of levels for the block,
// packs of 16 bytes for a thread, a sum over the lanes of a warp. Plain on purpose; it works for
// any 4-bit codebook.
//
//     nvcc -std=c++20 -I include -arch=sm_90 examples/kernels/03_matvec.cu
#include <qfmt/qfmt.cuh>

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

using Weights = qfmt::Scheme<qfmt::Format<qfmt::FP4>, qfmt::BlockSize<64>>;
using T = qfmt::bfloat16;

constexpr int warps = 4;
constexpr int threads = warps * qfmt::warp::size;
using Levels = qfmt::block::LevelTable<Weights::format, threads>;

/// y = w x, a warp for each row.     x: (w.cols), 16-byte aligned; y: (w.rows)
/// Rows are whole packs of 32 codes, 16-byte aligned. Sums in f32.
__global__ void matvec(qfmt::QuantizedMatrix<Weights const> w, T const* x, float* y) {
  constexpr int pack = Weights::values_per_pack;  // codes in 16 bytes; they share a scale
  constexpr int vector = qfmt::thread::elements_per_vector<T>;
  __shared__ Levels::TempStorage storage;
  Levels levels(storage);
  levels.fill(qfmt::stored_levels(w.values.scales));
  __syncthreads();

  std::int64_t const row = std::int64_t{blockIdx.x} * warps + threadIdx.x / qfmt::warp::size;
  if (row >= w.rows) return;  // a whole warp
  float sum = 0.f;
  for (std::int64_t c = qfmt::warp::lane() * pack; c < w.cols; c += qfmt::warp::size * pack) {
    std::int64_t const i = w.origin + row * w.row_stride + c;
    auto const codes =
        qfmt::thread::load_codes<Weights::bits, pack>(w.values.codes + i * Weights::bits / 8);
    float const scale = qfmt::scale_at(w.values.scales, i / Weights::block_size);
#pragma unroll
    for (int v = 0; v < pack; v += vector) {
      auto const activations = qfmt::thread::load_elements(x + c + v);
#pragma unroll
      for (int k = 0; k < vector; ++k) sum += levels(codes[v + k], scale) * activations[k];
    }
  }
#pragma unroll
  for (int distance = qfmt::warp::size / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(qfmt::warp::all_lanes, sum, distance);
  if (qfmt::warp::lane() == 0) y[row] = sum;
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no GPU here");
    return 77;
  }

  std::int64_t const rows = 70, cols = 1472, size = rows * cols;
  void* storage = nullptr;
  T* x = nullptr;
  float* y = nullptr;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<Weights>(rows, cols)) != cudaSuccess ||
      cudaMallocManaged(&x, cols * sizeof(T)) != cudaSuccess ||
      cudaMallocManaged(&y, rows * sizeof(float)) != cudaSuccess)
    return 1;
  auto const w = qfmt::place<Weights>(storage, rows, cols);
  std::vector<float> values(size), decoded(size);
  for (std::int64_t i = 0; i < size; ++i) values[i] = std::sin(static_cast<float>(i) * 0.71f);
  for (std::int64_t c = 0; c < cols; ++c) x[c] = std::cos(static_cast<float>(c));
  if (!qfmt::host::quantize(values, w.values)) return 1;

  qfmt::Status const launched = qfmt::device::launch(
      matvec, {.blocks = qfmt::ceil_div(rows, warps), .threads = threads}, nullptr, w, x, y);
  if (!launched || cudaDeviceSynchronize() != cudaSuccess) {
    std::puts(qfmt::message(qfmt::Errc::device_error));
    return 1;
  }

  // f32 sums round, and in another order than the host's: judged against f64.
  if (!qfmt::host::dequantize(w.values, decoded)) return 1;
  double worst = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    double exact = 0, magnitude = 0;
    for (std::int64_t c = 0; c < cols; ++c) {
      double const product = double{decoded[r * cols + c]} * double{float(x[c])};
      exact += product, magnitude += std::abs(product);
    }
    worst = std::fmax(worst, std::abs(y[r] - exact) / magnitude);
  }
  bool const close = worst < static_cast<double>(cols / 32 + 8) * 0x1p-24;  // roundings of a sum
  std::printf("matvec: largest error %.1e of the sum of magnitudes, %s\n", worst,
              close ? "as good as f32" : "TOO LARGE");
  for (void* p : {storage, static_cast<void*>(x), static_cast<void*>(y)}) cudaFree(p);
  return close ? 0 : 1;
}
