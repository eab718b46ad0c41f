// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the warps' sums over their stages to rows of y: added in the order of the splits, then of
// the blocks, so that the result does not depend on which was first.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/cluster.cuh"

namespace qfmt::inline v0::stream {

/// The partial sums of a round of tiles and at most eight rows of x in shared memory, (2,
/// round_tiles, splits, columns, rows): 32 words at a time, `Stride` bytes apart. Two rounds take
/// turns, so that one barrier a round will do: who writes the next but one has passed the barrier
/// between, and there every reader of this one had arrived.
template <int Stride>
class Partials {
 public:
  /// rows: of a tile   columns: at most eight
  __device__ Partials(uint8_t* shared, Shape const& shape, int rows, int columns)
      : shared_(shared),
        rows_(rows),
        split_((columns + 1) / 2 * 2 * rows),  // pairs of columns: whole lines of 32 words
        tile_(shape.splits * split_),
        buffer_(shape.round_tiles * tile_) {}

  /// Of a tile of the present round. Pairs of columns are twisted by eight words, so that the four
  /// that a warp stores together lie in different banks.
  __device__ float* at(int tile, int split, int column, int row) const {
    int const i = (turn_ * buffer_ + tile * tile_ + split * split_ + column * rows_ + row) ^
                  (column / 2 % 4 * 8);
    return reinterpret_cast<float*>(shared_ + i / 32 * Stride + i % 32 * 4);
  }
  __device__ void turn() { turn_ ^= 1; }

 private:
  uint8_t* shared_;
  int rows_, split_, tile_, buffer_;
  int turn_ = 0;
};

/// Ends a round of `count` tiles, the first of them tile `first_tile`, the next `tile_step` on:
/// adds up what the warps have stored and writes y. Called by every block of the cluster, each of
/// which writes a share.
///     first_m: of the round's rows of x   columns: of them that exist   rows: of a tile
/// factor: what every sum is multiplied by, before a row's own scale and the bias.
template <SchemeSpec S, Element T, int Max, int Stride>
__device__ void end_round(Operands<S, T, Max> const& operands, Shape const& shape,
                          Partials<Stride>& partials, int64_t first_tile, int64_t tile_step,
                          int count, int rows, int64_t first_m, int columns, float factor) {
  int const threads = static_cast<int>(blockDim.x);
  int const items = count * columns * rows;
  auto const place = [&](int i, int split) {
    return partials.at(i / rows / columns, split, i / rows % columns, i % rows);
  };
  auto const write = [&](int i, float sum) {
    int const row = i % rows;
    auto const tile = Tile<S>::of(operands, first_tile + i / rows / columns * tile_step, rows);
    if (row >= tile.rows) return;
    sum *= factor;
    if constexpr (S::is_row_wise) {
      // Rows of a row-wise matrix begin at multiples of its row length.
      sum *= __ldg(tile.part->scales.absmax + tile.part->first_scale + tile.row + row);
    }
    int64_t const n = tile.part->first_row + tile.row + row;
    if (operands.bias != nullptr) sum += to_float(operands.bias[n]);
    operands.y[(first_m + i / rows % columns) * operands.n + n] = from_float<T>(sum);
  };

  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < items; i += threads) {
    float sum = *place(i, 0);
#pragma unroll 4
    for (int s = 1; s < shape.splits; ++s) sum += *place(i, s);
    if (shape.cluster == 1) {
      write(i, sum);
    } else {
      *place(i, 0) = sum;
    }
  }
  if (shape.cluster > 1) {
    ptx::arrive_cluster();
    ptx::wait_cluster();
    int const rank = static_cast<int>(ptx::cluster_rank());
    for (int i = rank * threads + static_cast<int>(threadIdx.x); i < items;
         i += shape.cluster * threads) {
      float sum = ptx::load_remote(place(i, 0), 0);
      for (int r = 1; r < shape.cluster; ++r)
        sum += ptx::load_remote(place(i, 0), static_cast<uint32_t>(r));
      write(i, sum);
    }
  }
  partials.turn();
}

}  // namespace qfmt::inline v0::stream
