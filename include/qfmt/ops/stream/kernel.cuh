// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The streaming matmul: for few rows of x, where reading the weights is the work. Weights flow past
// once, through queues that each warp keeps for itself; x stays in shared memory; tensor cores
// multiply from one row of x on.
#pragma once

#include "qfmt/ops/stream/activations.cuh"
#include "qfmt/ops/stream/fragments.cuh"
#include "qfmt/ops/stream/reduce.cuh"
#include "qfmt/ops/stream/scales.cuh"
#include "qfmt/ops/stream/weight_queue.cuh"
#include "qfmt/ptx/cluster.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace stream QFMT_HIDDEN {

/// What is fixed when the kernel is compiled.
template <int Columns, int RowTiles, int Depth, int Warps = 16>
struct Tuning {
  static constexpr int columns = Columns;     ///< rows of x in a pass, in eights
  static constexpr int row_tiles = RowTiles;  ///< rows of weights of a warp, in sixteens
  static constexpr int depth = Depth;         ///< visits that a warp asks for ahead
  static constexpr int max_warps = Warps;     ///< of a block; 65536 / 32 / Warps registers a thread
  static constexpr int rows_per_warp = 16 * RowTiles;
};

/// The kernel for most rows of x; it serves any number of them, a pass at a time.
using WidestTuning = Tuning<4, 2, 2, 8>;
/// The same with fewer rows a warp: sooner where the weights have few.
using WideTuning = Tuning<4, 1, 2, 12>;

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

  /// Column tile `c` to the block's partial sums; columns: of it that exist.
  template <int Stride>
  __device__ void store(Partials<Stride> const& partials, int tile, int split, int first_row, int c,
                        int columns) const {
    int const lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      int const column = lane % 4 * 2 + i;
      if (column >= columns) continue;
#pragma unroll
      for (int r = 0; r < Tuning::row_tiles; ++r)
#pragma unroll
        for (int h = 0; h < 2; ++h)
          *partials.at(tile, split, column, first_row + 16 * r + 8 * h + lane / 4) =
              at[r][c][i + 2 * h];
    }
  }
};

/// Adds the products of one group of a visit.     scales(i, group): of row 8 * i + lane / 4
template <SchemeSpec S, Element T, class Tuning, class Decoder, class Scales>
__device__ void add_group(uint8_t const* codes, int group,
                          ActivationFragment<S> const (&x)[Tuning::columns], Decoder const& decoder,
                          Scales const& scales, Sums<Tuning>& sums) {
#pragma unroll
  for (int r = 0; r < Tuning::row_tiles; ++r) {
    WeightFragment<S> const weights(codes, r, group, decoder);
    float products[Tuning::columns][4] = {};
#pragma unroll
    for (int i = 0; i < WeightFragment<S>::pairs; i += 2)
#pragma unroll
      for (int c = 0; c < Tuning::columns; ++c) multiply<S, T>(weights, x[c], i, products[c]);
    float const upper = scales(2 * r, group);
    float const lower = scales(2 * r + 1, group);
#pragma unroll
    for (int c = 0; c < Tuning::columns; ++c) {
      float(&sum)[4] = sums.at[r][c];
      sum[0] += upper * products[c][0];
      sum[1] += upper * products[c][1];
      sum[2] += lower * products[c][2];
      sum[3] += lower * products[c][3];
    }
  }
}

/// y = x * dequantize(w)^T + bias; shape says who does what. Block (b, j) works on rows
/// [shape.x_rows * j, ...) of x.
template <SchemeSpec S, Element T, class Tuning, int Max>
__launch_bounds__(Tuning::max_warps * 32, 1) __global__
    void matmul_kernel(__grid_constant__ Operands<S, T, Max> const operands,
                       __grid_constant__ Shape const shape) {
  using Decoder = PairDecoder<S, T>;
  using Queue = WeightQueue<S, T, Max, Tuning::row_tiles, Tuning::depth>;
  constexpr int columns = Tuning::columns;
  constexpr int groups = stage_groups<S>;
  uint8_t* const shared = ptx::dynamic_shared();
  float* const levels = reinterpret_cast<float*>(shared + shape.levels_at);

  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x / 32), 0);  // known to be uniform
  int const rows = shape.row_warps * Tuning::rows_per_warp;
  int const warp_row = warp % shape.row_warps * Tuning::rows_per_warp;
  int const split = warp / shape.row_warps;
  int const rank = static_cast<int>(blockIdx.x) % shape.cluster;
  int const begin = rank * shape.stages / shape.cluster;
  int const end = (rank + 1) * shape.stages / shape.cluster;
  int64_t const first_tile = blockIdx.x / static_cast<unsigned>(shape.cluster);
  int64_t const tile_step = gridDim.x / static_cast<unsigned>(shape.cluster);
  int64_t const first_m = int64_t{blockIdx.y} * shape.x_rows;
  int64_t const rows_left = operands.m - first_m;
  int const x_rows = rows_left < shape.x_rows ? static_cast<int>(rows_left) : shape.x_rows;

  // Weights first: they depend on no kernel before this one.
  Queue queue(shared + shape.queues_at + warp * Tuning::depth * Queue::visit_bytes, operands, shape,
              warp_row, begin + split, end, first_tile, tile_step);
#pragma unroll
  for (int d = 0; d < Tuning::depth; ++d) queue.ask(d);
  VisitScales<S, Tuning::row_tiles, Tuning::depth> scales(levels, warp_row, shape.groups,
                                                          shape.splits);
  auto const begin_scales = [&](int64_t index) {
    if (index >= shape.tiles) return;
    scales.begin(Tile<S>::of(operands, index, rows), begin + split);
    scales.ask();
  };
  begin_scales(first_tile);
  Decoder decoder(shared + shape.table_at);
  decoder.fill();
  fill_levels(operands, levels);
  ptx::wait_for_dependencies();
  ptx::launch_dependents();
  Activations<S, T> activations(shared, operands.x + first_m * operands.k, operands.k, x_rows,
                                shape, end);
  activations.bring(begin);
  __syncthreads();

  // The spare half of the table, where there is one.
  Partials<Decoder::spare_stride> partials(shared + shape.partials_at, shape, rows,
                                           shape.x_rows < 8 ? shape.x_rows : 8);
  constexpr int sets = columns == 1 ? 2 : 1;  // of fragments that take turns
  ActivationFragment<S> x[sets][columns];
  uint32_t x_at[columns];
#pragma unroll
  for (int c = 0; c < columns; ++c)
    x_at[c] = activations.at(c * 8 + lane / 4, split, lane % 4 * group_values<S> / 4);

  int in_round = 0;
  for (int64_t index = first_tile; index < shape.tiles; index += tile_step) {
    Sums<Tuning> sums;
    sums.clear();
    int stage = begin + split;
    for (int first = 0; first < shape.visits; first += shape.x_visits) {
      if (shape.x_visits < shape.visits && (first != 0 || index != first_tile)) {
        __syncthreads();  // all of x does not fit: the next run of it
        activations.bring(stage - split);
        __syncthreads();
      }
      uint32_t x_offset = ptx::opaque(0);  // the run has come
      int const last =
          first + shape.x_visits < shape.visits ? first + shape.x_visits : shape.visits;
      for (int visit = first; visit < last; visit += Tuning::depth) {
        queue.turn();
        scales.take();
        if (visit + Tuning::depth < shape.visits) {
          scales.ask();
        } else {
          begin_scales(index + tile_step);
        }
#pragma unroll
        for (int d = 0; d < Tuning::depth; ++d) {
          uint8_t const* const codes = queue.codes(d);
          if (stage < end) {
#pragma unroll
            for (int group = 0; group < groups; ++group) {
#pragma unroll
              for (int c = 0; c < columns; ++c)
                x[group % sets][c].load(x_at[c] + x_offset + group * group_values<S> * 2,
                                        c * 8 + lane / 4 < x_rows);
              add_group<S, T>(
                  codes, group, x[group % sets], decoder,
                  [&](int i, int g) { return scales(d, i, g); }, sums);
            }
          }
          __syncwarp();  // every lane has left the place that is asked for again
          queue.ask(d);
          stage += shape.splits;
          x_offset += static_cast<uint32_t>(shape.splits * stage_values<S>) * sizeof(T);
        }
      }
    }
    if constexpr (columns == 1) {
      sums.store(partials, in_round, split, warp_row, 0, x_rows);
      if (++in_round == shape.round_tiles || index + tile_step >= shape.tiles) {
        end_round(operands, shape, partials, index - (in_round - 1) * tile_step, tile_step,
                  in_round, rows, first_m, x_rows, Decoder::factor);
        in_round = 0;
      }
    } else {
#pragma unroll
      for (int c = 0; c < columns; ++c) {
        int const exist = x_rows - 8 * c < 8 ? x_rows - 8 * c : 8;
        if (exist <= 0) break;
        sums.store(partials, 0, split, warp_row, c, exist);
        end_round(operands, shape, partials, index, tile_step, 1, rows, first_m + 8 * c, exist,
                  Decoder::factor);
      }
    }
  }
  if (shape.cluster > 1) {  // others may still read this block's sums
    ptx::arrive_cluster();
    ptx::wait_cluster();
  }
}

}  // namespace stream
}  // namespace qfmt::inline v0
