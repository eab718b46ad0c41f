// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiled matmul of Hopper: for so many rows of x that multiplying is the work. The transposed
// problem, y^T = w * x^T: decoded weights are the register operand of the warpgroups' products, x
// the shared-memory operand, both brought by the copy engine.
#pragma once

#include "qfmt/ops/gemm/output.cuh"
#include "qfmt/ops/gemm/producer.cuh"
#include "qfmt/ops/gemm/weights.cuh"
#include "qfmt/ops/stream/scales.cuh"
#include "qfmt/ptx/memory.cuh"
#include "qfmt/ptx/wgmma.cuh"

namespace qfmt::inline v0 {
namespace gemm QFMT_HIDDEN {

/// Where the scales multiply.
enum class ScaleAt {
  products,  ///< in f32, the sums over each group
  weights,   ///< in T, the decoded weights: one more rounding, half the accumulators
};

/// What is fixed when the kernel is compiled.
template <int Columns, ScaleAt Scale = ScaleAt::products>
struct Tuning {
  static constexpr int columns = Columns;  ///< rows of x in a tile
  static constexpr ScaleAt scale = Scale;
  static constexpr int x_bytes = Columns * 128;  ///< of a step
};

/// The sums of a warpgroup, each group's products multiplied by its scale in f32.
template <class Tuning>
class Accumulators {
  static constexpr int half = Tuning::columns / 2;

 public:
  float sum[half];

  __device__ void clear() {
#pragma unroll
    for (int i = 0; i < half; ++i) sum[i] = products_[i] = 0.f;
    upper_ = lower_ = 0.f;
  }

  /// Begins the products of one step; those of the step before end.
  template <SchemeSpec S, Element T, class Scales>
  __device__ void multiply(StepOperands const& w, uint64_t x, int step, Scales const& scales) {
    constexpr int groups = step_values / stream::group_values<S>;
    constexpr int products = stream::group_values<S> / 16;  // of a group
#pragma unroll
    for (int group = 0; group < groups; ++group) {
      end();
      upper_ = scales(0, 0, step * groups + group);
      lower_ = scales(0, 1, step * groups + group);
      ptx::wgmma_fence();
#pragma unroll
      for (int p = 0; p < products; ++p) {
        int const q = group * products + p;
        ptx::wgmma_m64k16<T>(products_, w.a[q], x + static_cast<uint64_t>(q * 2), p != 0);
      }
      ptx::wgmma_commit();
    }
    // Else ptxas serializes the products of several groups.
    if constexpr (groups > 1) ptx::wgmma_wait<0>(products_);
  }

  /// Waits for the products under way and adds them.
  __device__ void end() {
    ptx::wgmma_wait<0>(products_);
#pragma unroll
    for (int j = 0; j < half; j += 4) {
      sum[j] += upper_ * products_[j];
      sum[j + 1] += upper_ * products_[j + 1];
      sum[j + 2] += lower_ * products_[j + 2];
      sum[j + 3] += lower_ * products_[j + 3];
    }
  }

 private:
  float products_[half];
  float upper_, lower_;  // scales of the products
};

/// The same of weights that were multiplied by their scales before.
template <class Tuning>
  requires(Tuning::scale == ScaleAt::weights)
class Accumulators<Tuning> {
 public:
  float sum[Tuning::columns / 2];

  __device__ void clear() {
#pragma unroll
    for (float& s : sum) s = 0.f;
  }

  template <SchemeSpec S, Element T, class Scales>
  __device__ void multiply(StepOperands const& w, uint64_t x, int, Scales const&) {
    ptx::wgmma_fence();
#pragma unroll
    for (int q = 0; q < step_values / 16; ++q)
      ptx::wgmma_m64k16<T>(sum, w.a[q], x + static_cast<uint64_t>(q * 2), true);
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
  }

  __device__ void end() { ptx::wgmma_wait<0>(sum); }
};

/// The sums of a tile over this block's share of k.
template <SchemeSpec S, Element T, class Tuning, class Decoder, class Scales>
__device__ void add_up(Share share, int first_row, Decoder const& decoder, Scales& scales,
                       Ring const& codes, Turn& codes_turn, Ring const& x, Turn& x_turn,
                       Accumulators<Tuning>& accumulators) {
  StepOperands operands[2];  // take turns: one is decoded while the other is multiplied
  Turn before = x_turn;      // the place whose products are under way
  accumulators.clear();
  for (int stage = share.begin; stage < share.end; ++stage) {
    scales.take();
    if (stage + 1 < share.end) scales.ask();
    uint8_t const* const packed = codes.take(codes_turn);
#pragma unroll
    for (int step = 0; step < stage_steps<S>; ++step) {
      StepOperands& w = operands[step % 2];
      decode_step<S>(packed, first_row, step, decoder, w);
      if constexpr (Tuning::scale == ScaleAt::weights) scale_step<S, T>(step, scales, w);
#pragma unroll
      for (auto& a : w.a) ptx::hold(a);  // here, and not between products
      accumulators.template multiply<S, T>(w, ptx::tile_descriptor(x.take(x_turn)), step, scales);
      if (step > 0 || stage > share.begin) x.release(before);
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
template <SchemeSpec S, Element T, class Tuning, int Max>
__launch_bounds__(has_warpgroups ? threads : 32, 1) __global__
    void matmul_kernel(__grid_constant__ stream::Operands<S, T, Max> const operands,
                       __grid_constant__ Maps<Max> const maps,
                       __grid_constant__ Shape const shape) {
  if constexpr (has_warpgroups) {
    using Decoder = stream::PairDecoder<S, T>;
    constexpr int columns = Tuning::columns;
    uint8_t* const shared = ptx::dynamic_shared();
    auto* const barriers = reinterpret_cast<ptx::Barrier*>(shared + shape.barriers_at);
    float* const levels = reinterpret_cast<float*>(shared + shape.levels_at);
    Ring const codes(shared, barriers, shape.codes);
    Ring const x(shared, barriers + 2 * shape.codes.count, shape.x);
    int const warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x / 32), 0);
    int const rank = static_cast<int>(blockIdx.x) % shape.cluster;
    int64_t const first = blockIdx.x / static_cast<unsigned>(shape.cluster);
    int64_t const step = gridDim.x / static_cast<unsigned>(shape.cluster);
    Share const share = Share::of(shape, rank);

    if (threadIdx.x == 0) {
      codes.init();
      x.init();
      ptx::fence_barrier_init();
    }
    Decoder decoder(shared + shape.table_at);
    decoder.fill();
    stream::fill_levels(operands, levels);
    __syncthreads();

    if (warp >= consumer_warps) {
      ptx::lower_registers<40>();
      if (threadIdx.x == consumer_warps * 32) {
        bring_codes(operands, maps, shape, share, columns, first, step, codes);
      } else if (threadIdx.x == consumer_warps * 32 + 32) {
        ptx::wait_for_dependencies();
        bring_x(operands, maps, shape, share, columns, first, step, x);
      }
      __syncwarp();
      if (shape.cluster > 1) {
        for (int i = 0; i < 2 * cluster_rounds<columns / 2>; ++i) {
          ptx::arrive_cluster();
          ptx::wait_cluster();
        }
      }
    } else {
      ptx::raise_registers<232>();
      ptx::wait_for_dependencies();  // before y is written
      ptx::launch_dependents();
      int const first_row = warp * 16;
      Scratch const scratch(shared + shape.scratch_at,
                            Decoder::table_bytes > 0 ? Decoder::spare_stride : 128, warp);
      stream::VisitScales<S, 1, 1> scales(levels, first_row, shape.groups, 1);
      Turn codes_turn, x_turn;
      Accumulators<Tuning> accumulators;
      for (int64_t index = first; index < shape.tiles; index += step) {
        auto const tile = OutputTile<S>::of(operands, shape, index, columns);
        scales.begin(tile.weights, share.begin);
        scales.ask();
        add_up<S, T, Tuning>(share, first_row, decoder, scales, codes, codes_turn, x, x_turn,
                             accumulators);
        if (shape.cluster == 1) {
          write_tile(operands, tile, first_row, accumulators.sum, Decoder::factor, scratch);
        } else {
          write_shared_tile(operands, tile, first_row, accumulators.sum, Decoder::factor, scratch,
                            rank, shape.cluster);
        }
      }
    }
  }
}

}  // namespace gemm
}  // namespace qfmt::inline v0
