// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 2: a kernel of your own reads quantized weights. Copy the folder include/qfmt, and
//
//     nvcc -std=c++20 -I include 02_decode_in_my_kernel.cu
//
// is the whole build: no other flag, no library, no generated file.
#include <qfmt/device/launch.cuh>
#include <qfmt/qfmt.hpp>

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;

/// out[i] = silu(w[i]).     out: (w.size)
///
/// A view is a few pointers and a count: it is passed to a kernel by value, and `const` on the
/// scheme says that the kernel only reads. decode_at is the same function that the host calls, so
/// the kernel works for every scheme, yours included, and decodes to the same bits.
template <qfmt::SchemeSpec S>
__global__ void decode_silu(qfmt::QuantizedSpan<S const> w, float* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= w.size) return;
  float const x = qfmt::decode_at(w, i);
  out[i] = x / (1.f + expf(-x));
}

int main() {
  std::int64_t const rows = 96, cols = 1000, size = rows * cols;
  std::vector<float> values(size), decoded(size);
  for (std::int64_t i = 0; i < size; ++i) values[i] = std::sin(0.37f * static_cast<float>(i));

  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("no GPU is here: the kernel was compiled, not run");
    return 0;
  }

  // Codes, scales and the scales' scales share one allocation; `place` says where each lies.
  // Managed memory keeps the lesson short: the host quantizes straight into it.
  void* storage = nullptr;
  float* out = nullptr;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<Weights>(rows, cols)) != cudaSuccess ||
      cudaMallocManaged(&out, size * sizeof(float)) != cudaSuccess)
    return 1;
  auto const matrix = qfmt::place<Weights>(storage, rows, cols);
  if (!qfmt::host::quantize(values, matrix.values)) return 1;

  // decode_silu<Weights><<<blocks, 256>>>(matrix.values, out), with its errors as a Status.
  qfmt::Status const launched = qfmt::device::launch(
      decode_silu<Weights>, {.blocks = qfmt::ceil_div(size, std::int64_t{256}), .threads = 256},
      nullptr, matrix.values, out);
  if (!launched || cudaDeviceSynchronize() != cudaSuccess) {
    std::puts("the kernel failed");
    return 1;
  }

  // The weights have the host's bits; only expf and the division may differ in the last places.
  if (!qfmt::host::dequantize(matrix.values, decoded)) return 1;
  float worst = 0.f;
  for (std::int64_t i = 0; i < size; ++i) {
    float const expected = decoded[i] / (1.f + std::exp(-decoded[i]));
    worst = std::fmax(worst, std::fabs(out[i] - expected));
  }
  std::printf("silu of %lld decoded weights: largest difference from the host %.1e\n",
              static_cast<long long>(size), static_cast<double>(worst));
  cudaFree(out);
  cudaFree(storage);
  return worst < 1e-6f ? 0 : 1;
}
