// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 1: something of your own fused onto decoding. A block of threads decodes a tile and hands
// the values to a function of yours while they are still floats in registers.
//
//     nvcc -std=c++20 -I include -arch=sm_90 examples/kernels/01_fused_activation.cu
#include <qfmt/qfmt.cuh>

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
using T = qfmt::bfloat16;  // or __nv_bfloat16: the bytes are the same

constexpr int threads = 256;
constexpr int packs = 2;  // 16-byte stores of a thread
using Decoder = qfmt::block::TileDecoder<Weights const, T, threads, packs>;

/// Squared ReLU.
QFMT_HD float activation(float x) { return x > 0.f ? x * x : 0.f; }

/// out[i] = activation(decoded w[i]).     out: (w.size), 16-byte aligned
__global__ void decode_and_activate(qfmt::QuantizedSpan<Weights const> w, T* out) {
  __shared__ Decoder::TempStorage storage;
  std::int64_t const first = std::int64_t{blockIdx.x} * Decoder::tile;
  T* const to = out + first;

  auto const sink = [&](int i, float const(&values)[Decoder::values_per_pack], int count) {
    float activated[Decoder::values_per_pack];
#pragma unroll
    for (int k = 0; k < Decoder::values_per_pack; ++k) activated[k] = activation(values[k]);
    auto const pack = qfmt::thread::round_to<T>(activated);
    if (count == Decoder::values_per_pack) {
      qfmt::thread::store_elements(pack, to + i);
    } else {
      qfmt::thread::store_elements(pack, to + i, count);
    }
  };

  Decoder decoder(storage);
  if (w.size - first >= Decoder::tile) {
    decoder.decode<true>(w, first, Decoder::tile, sink);
  } else {
    decoder.decode<false>(w, first, static_cast<int>(w.size - first), sink);
  }
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no GPU here");
    return 77;
  }

  // Managed memory keeps the lesson short: the host quantizes straight into it.
  std::int64_t const rows = 96, cols = 1000, size = rows * cols;
  void* storage = nullptr;
  T* out = nullptr;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<Weights>(rows, cols)) != cudaSuccess ||
      cudaMallocManaged(&out, size * sizeof(T)) != cudaSuccess)
    return 1;
  auto const w = qfmt::place<Weights>(storage, rows, cols);
  std::vector<float> values(size);
  for (std::int64_t i = 0; i < size; ++i) values[i] = std::sin(static_cast<float>(i) * 0.37f);
  if (!qfmt::host::quantize(values, w.values)) return 1;

  qfmt::Status const launched = qfmt::device::launch(
      decode_and_activate, {.blocks = qfmt::ceil_div(size, Decoder::tile), .threads = threads},
      nullptr, w.values, out);
  if (!launched || cudaDeviceSynchronize() != cudaSuccess) {
    std::puts(qfmt::message(qfmt::Errc::device_error));
    return 1;
  }

  // The host decodes the same bits, so every bit of the result can be asked for.
  std::vector<float> decoded(size);
  if (!qfmt::host::dequantize(w.values, decoded)) return 1;
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < size; ++i) wrong += out[i].bits != T(activation(decoded[i])).bits;
  std::printf("fused activation: %lld of %lld values differ from the host's\n",
              static_cast<long long>(wrong), static_cast<long long>(size));
  cudaFree(out);
  cudaFree(storage);
  return wrong == 0 ? 0 : 1;
}
