// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 2: rows of a quantized embedding by token id: the whole operation, and the same inside a
// kernel of your own that also scales the rows.
//
//     nvcc -std=c++20 -I include -arch=sm_90 examples/kernels/02_embedding_lookup.cu
#include <qfmt/qfmt.cuh>

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

using Embedding = qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>;
using T = qfmt::float16;

constexpr int threads = 128;
using Decoder = qfmt::block::TileDecoder<Embedding const, T, threads, 1>;

/// out[t] = row ids[t] of `table` times `scale`.     ids: (gridDim.x), out: (gridDim.x, table.cols)
/// Rows are whole packs and not longer than a tile.
__global__ void lookup_scaled(qfmt::QuantizedMatrix<Embedding const> table, int const* ids,
                              float scale, T* out) {
  __shared__ Decoder::TempStorage storage;
  std::int64_t const begin = table.origin + ids[blockIdx.x] * table.row_stride;
  T* const row = out + blockIdx.x * table.cols;

  Decoder decoder(storage);
  decoder.decode<false>(table.values, begin, static_cast<int>(table.cols),
                        [&](int i, float const(&values)[Decoder::values_per_pack], int count) {
                          float scaled[Decoder::values_per_pack];
#pragma unroll
                          for (int k = 0; k < Decoder::values_per_pack; ++k)
                            scaled[k] = values[k] * scale;
                          qfmt::thread::store_elements(qfmt::thread::round_to<T>(scaled), row + i,
                                                       count);
                        });
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no GPU here");
    return 77;
  }

  constexpr std::int64_t vocabulary = 500, width = 896, tokens = 12;
  static_assert(width <= Decoder::tile && width % Decoder::values_per_pack == 0);
  void* storage = nullptr;
  int* ids = nullptr;
  T *plain = nullptr, *scaled = nullptr;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<Embedding>(vocabulary, width)) !=
          cudaSuccess ||
      cudaMallocManaged(&ids, tokens * sizeof(int)) != cudaSuccess ||
      cudaMallocManaged(&plain, tokens * width * sizeof(T)) != cudaSuccess ||
      cudaMallocManaged(&scaled, tokens * width * sizeof(T)) != cudaSuccess)
    return 1;
  auto const table = qfmt::place<Embedding>(storage, vocabulary, width);
  std::vector<float> values(vocabulary * width), decoded(vocabulary * width);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::cos(static_cast<float>(i));
  if (!qfmt::host::quantize(values, table.values)) return 1;
  for (int t = 0; t < tokens; ++t) ids[t] = t * 131 % vocabulary;

  float const scale = std::sqrt(static_cast<float>(width));
  qfmt::Status status = qfmt::device::gather_rows(table, ids, tokens, plain, nullptr);
  if (status)
    status = qfmt::device::launch(lookup_scaled, {.blocks = tokens, .threads = threads}, nullptr,
                                  table, ids, scale, scaled);
  if (!status || cudaDeviceSynchronize() != cudaSuccess) {
    std::puts(qfmt::message(qfmt::Errc::device_error));
    return 1;
  }

  if (!qfmt::host::dequantize(table.values, decoded)) return 1;
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < tokens * width; ++i) {
    float const expected = decoded[ids[i / width] * width + i % width];
    wrong += plain[i].bits != T(expected).bits;
    wrong += scaled[i].bits != T(expected * scale).bits;
  }
  std::printf("embedding lookup: %lld of %lld values differ from the host's\n",
              static_cast<long long>(wrong), static_cast<long long>(2 * tokens * width));
  for (void* p :
       {storage, static_cast<void*>(ids), static_cast<void*>(plain), static_cast<void*>(scaled)})
    cudaFree(p);
  return wrong == 0 ? 0 : 1;
}
