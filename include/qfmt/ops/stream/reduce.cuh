// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the blocks' sums over their runs of k to rows of y: added in the order of the blocks, so
// that the result does not depend on which was first.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/cluster.cuh"

namespace qfmt::inline v0::stream {

/// A tile's partial sums of eight rows of x in shared memory, (8, partial_pitch(rows)): 32 words at
/// a time, `Stride` bytes apart.
template <int Stride>
class Partials {
 public:
  __device__ explicit Partials(uint8_t* shared) : shared_(shared) {}
  __device__ float* at(int i) const {
    return reinterpret_cast<float*>(shared_ + i / 32 * Stride + i % 32 * 4);
  }

 private:
  uint8_t* shared_;
};

/// A barrier of the blocks that share a tile.
__device__ inline void synchronize_tile(Shape const& shape) {
  if (shape.cluster > 1) {
    ptx::arrive_cluster();
    ptx::wait_cluster();
  } else {
    __syncthreads();
  }
}

/// The sum at one place of the partial sums of every split of every block, in that order.
template <int Stride>
__device__ float sum_of_splits(Partials<Stride> partials, int place, int pitch,
                               Shape const& shape) {
  constexpr int batch = 8;  // loads under way together
  int const count = shape.cluster * shape.splits;
  float sum = 0.f;
  for (int first = 0; first < count; first += batch) {
    float part[batch];
#pragma unroll
    for (int b = 0; b < batch; ++b) {
      int const i = first + b;
      if (i >= count) break;
      float const* const at = partials.at(i % shape.splits * 8 * pitch + place);
      part[b] =
          shape.cluster > 1 ? ptx::load_remote(at, static_cast<uint32_t>(i / shape.splits)) : *at;
    }
#pragma unroll
    for (int b = 0; b < batch; ++b)
      if (first + b < count) sum += part[b];
  }
  return sum;
}

/// y of eight rows of x from their partial sums in shared memory. Called by every block of the
/// cluster, each of which writes a share.
///     first_m: of the eight rows, below operands.m   valid: rows that exist
/// factor: what every sum is multiplied by, before a row's own scale and the bias.
template <SchemeSpec S, Element T, int Max, int Stride>
__device__ void write_columns(Operands<S, T, Max> const& operands, Shape const& shape,
                              Tile<S> const& tile, Partials<Stride> partials, int rows,
                              int64_t first_m, int valid, float factor) {
  unsigned const rank = shape.cluster > 1 ? ptx::cluster_rank() : 0u;
  int const step = shape.cluster * static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(rank * blockDim.x + threadIdx.x); i < valid * rows; i += step) {
    int const column = i / rows;
    int const row = i % rows;
    if (row >= tile.rows) continue;
    int const pitch = partial_pitch(rows);
    float sum = sum_of_splits(partials, column * pitch + row, pitch, shape) * factor;
    if constexpr (S::is_row_wise) {
      // Rows of a row-wise matrix begin at multiples of its row length.
      sum *= __ldg(tile.part->scales.absmax + tile.part->first_scale + tile.row + row);
    }
    int64_t const n = tile.part->first_row + tile.row + row;
    if (operands.bias != nullptr) sum += to_float(operands.bias[n]);
    operands.y[(first_m + column) * operands.n + n] = from_float<T>(sum);
  }
}

}  // namespace qfmt::inline v0::stream
