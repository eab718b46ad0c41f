// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiled matmul of Hopper: for so many rows of x that multiplying is the work. The transposed
// problem, y^T = w * x^T: decoded weights are the register operand of the warpgroups' products, x
// the shared-memory operand, both brought by the copy engine.
#pragma once

#include "qfmt/ops/gemm/accumulators.cuh"
#include "qfmt/ops/gemm/output.cuh"
#include "qfmt/ops/gemm/partials.cuh"
#include "qfmt/ops/gemm/producer.cuh"
#include "qfmt/ops/stream/scales.cuh"

namespace qfmt::inline v0 {
namespace gemm QFMT_HIDDEN {

/// The sums of a piece of a tile.
template <SchemeSpec S, Element T, class Tuning, class Decoder, class Scales>
__device__ void add_up(Piece const& piece, int first_row, Decoder const& decoder, Scales& scales,
                       Ring const& codes, Turn& codes_turn, Ring const& x, Turn& x_turn,
                       Accumulators<Tuning>& accumulators) {
  StepOperands operands[2];  // take turns: one is decoded while the other is multiplied
  Turn before = x_turn;      // the place whose products are under way
  accumulators.clear();
  for (int stage = piece.begin; stage < piece.end; ++stage) {
    bool const codes_are_there = codes.is_full(codes_turn);
    scales.take();
    if (stage + 1 < piece.end) scales.ask();
    uint8_t const* const packed = codes.take(codes_turn, codes_are_there);
#pragma unroll
    for (int step = 0; step < stage_steps<S>; ++step) {
      StepOperands& w = operands[step % 2];
      bool const x_is_there = x.is_full(x_turn);
      decode_step<S>(packed, first_row, step, decoder, w);
      if constexpr (Tuning::scale == ScaleAt::weights) scale_step<S, T>(step, scales, w);
#pragma unroll
      for (auto& a : w.a) ptx::hold(a);  // here, and not between products
      accumulators.template multiply<S, T>(w, ptx::tile_descriptor(x.take(x_turn, x_is_there)),
                                           step, scales);
      if (step > 0 || stage > piece.begin) x.release(before);
      before = x_turn;
      x_turn.next(x.count());
    }
    codes.release(codes_turn);
    codes_turn.next(codes.count());
  }
  accumulators.end();
  x.release(before);
}

/// y = x * dequantize(w)^T + bias; shape says who does what.
///     workspace: partial_bytes<Tuning>(shape.grid) bytes where tiles are split
template <SchemeSpec S, Element T, class Tuning, int Max>
__launch_bounds__(has_warpgroups ? Tuning::threads : 32, 1) __global__
    void matmul_kernel(__grid_constant__ stream::Operands<S, T, Max> const operands,
                       __grid_constant__ Maps<Max> const maps, __grid_constant__ Shape const shape,
                       void* workspace) {
  if constexpr (has_warpgroups) {
    using Decoder = stream::PairDecoder<S, T>;
    constexpr int consumer_warps = Tuning::consumer_warps;
    uint8_t* const shared = ptx::dynamic_shared();
    auto* const barriers = reinterpret_cast<ptx::Barrier*>(shared + shape.barriers_at);
    float* const levels = reinterpret_cast<float*>(shared + shape.levels_at);
    Ring const codes(shared, barriers, shape.codes);
    Ring const x(shared, barriers + 2 * shape.codes.count, shape.x);
    int const warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x / 32), 0);
    int const block = static_cast<int>(blockIdx.x);
    Schedule schedule(shape, block);

    if (threadIdx.x == 0) {
      codes.init(consumer_warps);
      x.init(consumer_warps);
      ptx::fence_barrier_init();
    }
    Decoder decoder(shared + shape.table_at);
    decoder.fill();
    stream::fill_levels(operands, levels);
    __syncthreads();

    if (warp >= consumer_warps) {
      ptx::lower_registers<Tuning::producer_registers>();
      if (threadIdx.x == consumer_warps * 32) {
        bring_codes<Tuning>(operands, maps, shape, schedule, codes);
      } else if (threadIdx.x == consumer_warps * 32 + 32) {
        ptx::wait_for_dependencies();
        bring_x<Tuning>(operands, maps, shape, schedule, x);
      }
    } else {
      ptx::raise_registers<Tuning::registers>();
      ptx::wait_for_dependencies();  // before y is written
      ptx::launch_dependents();
      int const first_row = warp * 16;
      Scratch<Tuning> const scratch(shared + shape.scratch_at,
                                    Decoder::table_bytes > 0 ? Decoder::spare_stride : 128, warp);
      Partials<Tuning> const partials(workspace, shape.grid, warp);
      stream::VisitScales<S, 1, 1> scales(levels, first_row, shape.groups, 1);
      Turn codes_turn, x_turn;
      Accumulators<Tuning> accumulators;
      for (Piece piece; schedule.next(piece);) {
        auto const tile = OutputTile<S>::template of<Tuning>(operands, shape, piece.tile);
        scales.begin(tile.weights, piece.begin);
        scales.ask();
        add_up<S, T, Tuning>(piece, first_row, decoder, scales, codes, codes_turn, x, x_turn,
                             accumulators);
        if (piece.end < shape.stages) {
          partials.put(block, accumulators.sum);
          continue;
        }
        if (piece.begin > 0)
          partials.add(schedule.first_block(piece.tile), block, accumulators.sum);
        write_tile(operands, tile, first_row, accumulators.sum, Decoder::factor, scratch);
      }
    }
  }
}

}  // namespace gemm
}  // namespace qfmt::inline v0
