// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The streaming matmul: for few rows of x, where reading the weights is the work. Weights flow past
// once, through queues that each warp keeps for itself; tensor cores multiply from one row of x on.
#pragma once

#include "qfmt/ops/stream/activations.cuh"
#include "qfmt/ops/stream/fragments.cuh"
#include "qfmt/ops/stream/reduce.cuh"
#include "qfmt/ops/stream/scales.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace stream QFMT_HIDDEN {

/// What is fixed when the kernel is compiled.
template <int Columns, int RowTiles, int Depth, int RowBytes = 128>
struct Tuning {
  static constexpr int columns = Columns;     ///< rows of x in a pass, in eights
  static constexpr int row_tiles = RowTiles;  ///< rows of weights of a warp, in sixteens
  static constexpr int depth = Depth;         ///< stages in the ring of a warp
  static constexpr int row_bytes = RowBytes;  ///< of a row of weights in a stage
  static constexpr int rows_per_warp = 16 * RowTiles;
  static constexpr int max_warps = 16 / RowTiles;  ///< 128 registers a thread, or more
  static constexpr int ring_bytes_per_warp = Depth * rows_per_warp * RowBytes;
};

/// The kernel for most rows of x; it serves any number of them, a pass at a time.
using WidestTuning = Tuning<4, 2, 2>;

/// The accumulators of a warp: lane 4g + t holds of row tile r and column tile c, in order, rows g
/// and g + 8 at columns 2t and 2t + 1.
template <class Tuning>
struct Sums {
  float at[Tuning::row_tiles][Tuning::columns][4];

  __device__ void clear() {
#pragma unroll
    for (auto& r : at)
#pragma unroll
      for (auto& c : r) c[0] = c[1] = c[2] = c[3] = 0.f;
  }

  /// Column tile `column` to the block's partial sums.
  template <int Stride>
  __device__ void store(Partials<Stride> partials, int rows, int split, int first_row,
                        int column) const {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const to = (split * 8 + lane % 4 * 2) * partial_pitch(rows) + first_row + lane / 4;
#pragma unroll
    for (int r = 0; r < Tuning::row_tiles; ++r)
#pragma unroll
      for (int c = 0; c < Tuning::columns; ++c)  // indexes stay constant: registers, not memory
        if (c == column)
#pragma unroll
          for (int i = 0; i < 4; ++i)
            *partials.at(to + i % 2 * partial_pitch(rows) + 16 * r + i / 2 * 8) = at[r][c][i];
  }
};

/// Adds the products of one group of a stage.
///     stage: the warp's weights   x: the lane's first value of the stage, pitch bytes a row
///     x_rows: of the block, that exist
template <SchemeSpec S, Element T, class Tuning, class Decoder, class Scales>
__device__ void add_group(uint8_t const* stage, uint8_t const* x, int pitch, int group, int x_rows,
                          Decoder const& decoder, Scales const& scales, Sums<Tuning>& sums) {
  constexpr int group_bytes = group_values<S> * static_cast<int>(sizeof(T));
  int const g = static_cast<int>(threadIdx.x % 32) / 4;
  ActivationFragment<S> activations[Tuning::columns];
#pragma unroll
  for (int c = 0; c < Tuning::columns; ++c)
    activations[c].load(x + c * 8 * pitch + group * group_bytes, c * 8 + g < x_rows);
  // Products of several tiles at a time: the tensor cores take long over one, and each needs the
  // one before it in its sum.
  constexpr int together = Tuning::columns >= 4 ? 1 : Tuning::row_tiles < 2 ? 1 : 2;
#pragma unroll
  for (int first = 0; first < Tuning::row_tiles; first += together) {
    WeightFragment<S> weights[together];
    float products[together][Tuning::columns][4] = {};
#pragma unroll
    for (int r = 0; r < together; ++r)
      weights[r].template load<Tuning::row_bytes>(stage, first + r, group, decoder);
#pragma unroll
    for (int i = 0; i < WeightFragment<S>::pairs; i += 2)
#pragma unroll
      for (int r = 0; r < together; ++r)
#pragma unroll
        for (int c = 0; c < Tuning::columns; ++c)
          multiply<S, T>(weights[r], activations[c], i, products[r][c]);
#pragma unroll
    for (int r = 0; r < together; ++r) {
      float const upper = scales(2 * (first + r), group);
      float const lower = scales(2 * (first + r) + 1, group);
#pragma unroll
      for (int c = 0; c < Tuning::columns; ++c) {
        float(&sum)[4] = sums.at[first + r][c];
        sum[0] += upper * products[r][c][0];
        sum[1] += upper * products[r][c][1];
        sum[2] += lower * products[r][c][2];
        sum[3] += lower * products[r][c][3];
      }
    }
  }
}

/// Adds the products of the first `groups` groups of a stage: of all, without a branch between
/// them, but where rows end.
template <SchemeSpec S, Element T, class Tuning, class Decoder, class Scales>
__device__ void add_stage(uint8_t const* stage, uint8_t const* x, int pitch, int groups, int x_rows,
                          Decoder const& decoder, Scales const& scales, Sums<Tuning>& sums) {
  constexpr int all = stage_values<S, Tuning::row_bytes> / group_values<S>;
  // Of wide kernels one group at a time fills the registers.
  constexpr int unroll = all > 4 ? all : Tuning::columns > 2 ? 1 : Tuning::row_tiles == 1 ? 2 : all;
  if (unroll > 1 && groups >= all) {
#pragma unroll unroll
    for (int group = 0; group < all; ++group)
      add_group<S, T>(stage, x, pitch, group, x_rows, decoder, scales, sums);
  } else {
#pragma unroll unroll
    for (int group = 0; group < all; ++group)
      if (group < groups) add_group<S, T>(stage, x, pitch, group, x_rows, decoder, scales, sums);
  }
}

/// y = x * dequantize(w)^T + bias; shape says who does what. Block (b, j) works on rows
/// [8 * Tuning::columns * j, ...) of x.
template <SchemeSpec S, Element T, class Tuning, int Max>
__launch_bounds__(Tuning::max_warps * 32, 1) __global__
    void matmul_kernel(__grid_constant__ Operands<S, T, Max> const operands,
                       __grid_constant__ Shape const shape) {
  using Decoder = PairDecoder<S, T>;
  constexpr int Stage = stage_values<S, Tuning::row_bytes>;
  uint8_t* const shared = ptx::dynamic_shared();
  float* const levels = reinterpret_cast<float*>(shared + shape.levels_at);
  // The spare half of the table, where there is one.
  Partials<Decoder::spare_stride> const partials(shared + shape.partials_at);

  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  int const rows = shape.row_warps * Tuning::rows_per_warp;
  int const warp_row = warp % shape.row_warps * Tuning::rows_per_warp;
  int const split = warp / shape.row_warps;
  int const rank = static_cast<int>(blockIdx.x) % shape.cluster;
  int const begin = rank * shape.stages / shape.cluster;
  int const end = (rank + 1) * shape.stages / shape.cluster;
  int64_t const first_tile = blockIdx.x / static_cast<unsigned>(shape.cluster);
  int64_t const tile_step = gridDim.x / static_cast<unsigned>(shape.cluster);
  int64_t const first_m = int64_t{blockIdx.y} * 8 * Tuning::columns;
  int64_t const rows_left = operands.m - first_m;
  int const x_rows = rows_left < shape.x_rows ? static_cast<int>(rows_left) : shape.x_rows;

  // Weights first: they depend on no kernel before this one.
  WeightRing<S, Tuning::rows_per_warp, Tuning::row_bytes, Tuning::depth> ring(
      shared + Decoder::table_bytes + warp * Tuning::ring_bytes_per_warp, warp_row,
      operands.k * S::bits / 8, begin + split, end, shape.splits);
  int64_t asked_tile = first_tile;
  ring.begin(Tile<S>::of(operands, asked_tile, rows));
  auto const ask_for_weights = [&] {
    if (!ring.more() && asked_tile < shape.tiles) {
      asked_tile += tile_step;
      if (asked_tile < shape.tiles) ring.begin(Tile<S>::of(operands, asked_tile, rows));
    }
    if (asked_tile < shape.tiles) ring.ask();
    ptx::commit_copies();
  };
#pragma unroll
  for (int i = 0; i < Tuning::depth - 1; ++i) ask_for_weights();

  StageScales<S, Tuning::rows_per_warp, Tuning::row_bytes> scales(levels, warp_row, shape.groups,
                                                                  shape.splits);
  scales.begin(Tile<S>::of(operands, first_tile, rows));
  scales.ask(begin + split);
  Decoder decoder(shared);
  decoder.fill();
  fill_levels(operands, levels);

  ptx::wait_for_dependencies();
  ptx::launch_dependents();
  Activations<T, Stage> activations(shared + shape.x_at, operands.x + first_m * operands.k,
                                    operands.k, x_rows, shape, begin, end);
  activations.bring_first();
  __syncthreads();

  for (int64_t index = first_tile; index < shape.tiles; index += tile_step) {
    Tile<S> const tile = Tile<S>::of(operands, index, rows);
    Sums<Tuning> sums;
    sums.clear();
    bool is_second = false;  // of the two stages whose scales were asked for together
    for (int stages = begin; stages < end; stages += shape.splits) {
      ptx::wait_copies<Tuning::depth - 2>();
      if (activations.begins_run()) {
        if (index != first_tile || stages != begin) {
          if (stages == begin) ptx::wait_copies<0>();  // the run before may have been short
          __syncthreads();
          activations.turn();
        }
        activations.ask_after(stages);
      }
      __syncwarp();  // every lane has left the stage that the next one overwrites
      int const stage = stages + split;
      if (stage >= end) {  // other splits have one more
        ptx::commit_copies();
      } else {
        ask_for_weights();
        if (is_second) {
          scales.take_second();
        } else {
          scales.take();
          if (stage + 2 * shape.splits < end) {
            scales.ask(stage + 2 * shape.splits);
          } else if (index + tile_step < shape.tiles) {
            scales.begin(Tile<S>::of(operands, index + tile_step, rows));
            scales.ask(begin + split);
          }
        }
        is_second = !is_second;
        constexpr int groups = Stage / group_values<S>;
        add_stage<S, T>(
            ring.take(), activations.at(lane / 4, split, lane % 4 * group_values<S> / 4),
            activations.pitch(), shape.groups - stage * groups, x_rows, decoder, scales, sums);
      }
      activations.advance(stages);
    }
#pragma unroll
    for (int c = 0; c < Tuning::columns; ++c) {
      if (c * 8 >= x_rows) break;
      sums.store(partials, rows, split, warp_row, c);
      synchronize_tile(shape);
      int const valid = x_rows - c * 8 < 8 ? x_rows - c * 8 : 8;
      write_columns(operands, shape, tile, partials, rows, first_m + c * 8, valid, Decoder::factor);
      synchronize_tile(shape);
    }
  }
}

}  // namespace stream
}  // namespace qfmt::inline v0
