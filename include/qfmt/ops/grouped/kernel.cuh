// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The streaming grouped matmul: the weights of every group that has rows flow past once for up to
// 64 of them; tensor cores multiply from one row on. sm_90: x comes by the copy engine.
#pragma once

#include "qfmt/ops/grouped/generic_kernel.cuh"
#include "qfmt/ops/grouped/queues.cuh"
#include "qfmt/ops/grouped/scales.cuh"
#include "qfmt/ops/stream/fragments.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace grouped QFMT_HIDDEN {

/// The accumulators of a warp: lane 4g + t holds of column tile c, in order, rows g and g + 8 at
/// columns 2t and 2t + 1.
template <int Columns>
using Sums = float[Columns][4];

/// One group of eight rows of x from shared memory.     from: the lane's first value
template <SchemeSpec S>
__device__ void load_activations(uint8_t const* from, bool exists,
                                 stream::ActivationFragment<S>& x) {
  constexpr int pairs = stream::ActivationFragment<S>::pairs;
  if (!exists) return;
  if constexpr (pairs >= 4) {
#pragma unroll
    for (int i = 0; i < pairs; i += 4) {
      uint4 const v = *reinterpret_cast<uint4 const*>(from + i * 4);
      x.pair[i] = v.x, x.pair[i + 1] = v.y, x.pair[i + 2] = v.z, x.pair[i + 3] = v.w;
    }
  } else {
    uint2 const v = *reinterpret_cast<uint2 const*>(from);
    x.pair[0] = v.x, x.pair[1] = v.y;
  }
}

/// Adds the products of one visit.
///     codes: (stages, 16, 128) bytes   x: (x_rows, pitch) bytes   groups: of the visit that exist
template <SchemeSpec S, Element T, class Tuning, int Columns, class Decoder>
__device__ void add_visit(uint8_t const* codes, uint8_t const* x, int x_rows, int groups,
                          Decoder const& decoder, Scales<S, Tuning::stages> const& scales,
                          Sums<Columns>& sums) {
  constexpr int pitch = ActivationRings<S, T, Tuning>::pitch;
  constexpr int group_bytes = stream::group_values<S> * static_cast<int>(sizeof(T));
  constexpr int stage_groups = stream::stage_groups<S>;
  constexpr int pairs = stream::ActivationFragment<S>::pairs;
  int const lane = static_cast<int>(threadIdx.x % 32);
  uint8_t const* const from = x + lane / 4 * pitch + lane % 4 * (group_bytes / 4);
#pragma unroll
  for (int g = 0; g < Tuning::stages * stage_groups; ++g) {
    if (g >= groups) break;
    stream::WeightFragment<S> const w(codes, g / stage_groups, g % stage_groups, decoder);
    float const upper = scales(0, g / stage_groups, g % stage_groups);
    float const lower = scales(1, g / stage_groups, g % stage_groups);
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      stream::ActivationFragment<S> fragment;
      load_activations<S>(from + c * 8 * pitch + g * group_bytes, c * 8 + lane / 4 < x_rows,
                          fragment);
      float products[4] = {};
#pragma unroll
      for (int i = 0; i < pairs; i += 2) stream::multiply<S, T>(w, fragment, i, products);
      sums[c][0] += upper * products[0];
      sums[c][1] += upper * products[1];
      sums[c][2] += lower * products[2];
      sums[c][3] += lower * products[3];
    }
  }
}

/// Adds up the sums of warps that took different visits of the same rows, in the order of the
/// splits; those of split 0 hold the result.
class Reduction {
 public:
  /// scratch: lines of 128 bytes, `stride` apart, eight a warp   barrier: of all warps' arrivals
  __device__ Reduction(uint8_t* scratch, int stride, ptx::Barrier* barrier, Shape const& shape)
      : scratch_(scratch), stride_(stride), barrier_(barrier), shape_(shape) {}

  /// Called by every multiplying warp. The two halves of the scratch take turns, so that one
  /// barrier a round will do.
  template <int Columns>
  __device__ void add(int warp, Sums<Columns>& sums) {
    if (shape_.splits == 1) return;
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      if (warp >= shape_.row_warps)
        *place(warp) = float4{sums[c][0], sums[c][1], sums[c][2], sums[c][3]};
      __syncwarp();
      if (threadIdx.x % 32 == 0) ptx::arrive(barrier_);
      ptx::wait(barrier_, parity_);
      parity_ ^= 1;
      if (warp < shape_.row_warps) {
        for (int s = 1; s < shape_.splits; ++s) {
          float4 const other = *place(warp + s * shape_.row_warps);
          sums[c][0] += other.x, sums[c][1] += other.y;
          sums[c][2] += other.z, sums[c][3] += other.w;
        }
      }
      half_ ^= 1;
    }
  }

 private:
  __device__ float4* place(int warp) const {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const line = (warp * 2 + half_) * 4 + lane / 8;
    return reinterpret_cast<float4*>(scratch_ + line * stride_ + lane % 8 * 16);
  }

  uint8_t* scratch_;
  int stride_;
  ptx::Barrier* barrier_;
  Shape const& shape_;
  int half_ = 0;
  uint32_t parity_ = 0;
};

/// Writes a warp's sixteen rows of an item.     row: the first, of the matrix
template <SchemeSpec S, Element T, class Offset, int Columns>
__device__ void write_item(Operands<S, T, Offset> const& operands, Item const& item, int64_t row,
                           Sums<Columns> const& sums, float format_factor) {
  int const lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    int64_t const n = row + lane / 4 + 8 * h;
    if (n >= operands.n) continue;
    float factor = format_factor;
    if constexpr (S::is_row_wise) {
      QuantizedMatrix<S const> const& w = operands.matrix[item.group];
      factor *= __ldg(w.values.scales.absmax + w.origin / w.values.scales.row_length + n);
    }
    float bias = 0.f;
    if (operands.bias != nullptr)
      bias = to_float(operands.bias[int64_t{item.group} * operands.n + n]);
    T* const y = operands.y + item.first_m * operands.n + n;
#pragma unroll
    for (int c = 0; c < Columns; ++c)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        int const column = 8 * c + lane % 4 * 2 + e;
        if (column < item.x_rows)
          y[column * operands.n] = from_float<T>(sums[c][2 * h + e] * factor + bias);
      }
  }
}

/// The side that multiplies.
template <SchemeSpec S, Element T, class Offset, class Tuning>
class Worker {
  using Decoder = stream::PairDecoder<S, T>;
  static constexpr int visit_groups = Tuning::stages * stream::stage_groups<S>;

 public:
  __device__ Worker(Operands<S, T, Offset> const& operands, Shape const& shape,
                    Walk<Offset> const& walk, Decoder const& decoder, uint8_t* queue,
                    float const* levels, ActivationRings<S, T, Tuning> const& x,
                    Reduction const& reduction, int warp)
      : operands_(operands),
        shape_(shape),
        walk_(walk),
        decoder_(decoder),
        warp_(warp),
        first_row_(warp % shape.row_warps * 16),
        split_(warp / shape.row_warps),
        queue_(queue, operands, shape, walk, first_row_, split_),
        scales_(levels, shape.groups, shape.splits),
        x_(x),
        reduction_(reduction) {}

  /// True where items were left out because they do not stream.
  __device__ bool run() {
    has_slow_ = skip_slow_items(operands_, walk_);
    begin_scales();
    while (walk_.has_item()) {
      Item const item = walk_.item();
      if (item.x_rows <= 8) {
        multiply<1>(item);
      } else if (Tuning::columns == 2 || item.x_rows <= 16) {
        multiply<2>(item);
      } else if (item.x_rows <= 32) {
        multiply < Tuning::columns<4 ? Tuning::columns : 4>(item);
      } else {
        multiply<Tuning::columns>(item);
      }
    }
    return has_slow_;
  }

 private:
  __device__ void begin_scales() {
    if (!walk_.has_item()) return;
    Item const item = walk_.item();
    int64_t const left = operands_.n - item.row;
    int const tile = shape_.row_warps * 16;
    scales_.begin(operands_.matrix[item.group], item.row,
                  left < tile ? static_cast<int>(left) : tile, first_row_, split_);
    scales_.ask();
  }

  /// Turns to the next item as soon as the scales of this one have come.
  template <int Columns>
  __device__ void multiply(Item const item) {
    Sums<Columns> sums{};
    for (int visit = split_; visit < shape_.visits; visit += shape_.splits) {
      scales_.take();
      if (visit + shape_.splits < shape_.visits) {
        scales_.ask();
      } else {
        walk_.next();
        has_slow_ |= skip_slow_items(operands_, walk_);
        begin_scales();
      }
      uint8_t const* const codes = queue_.take();
      add_visit<S, T, Tuning, Columns>(codes, x_.take(split_, turn_), item.x_rows,
                                       shape_.groups - visit * visit_groups, decoder_, scales_,
                                       sums);
      x_.release(split_, turn_);
      queue_.ask();
    }
    reduction_.template add<Columns>(warp_, sums);
    if (split_ == 0) write_item(operands_, item, item.row + first_row_, sums, Decoder::factor);
  }

  Operands<S, T, Offset> const& operands_;
  Shape const& shape_;
  Walk<Offset> walk_;
  Decoder const& decoder_;
  int warp_, first_row_, split_;
  CodeQueue<S, T, Offset, Tuning> queue_;
  Scales<S, Tuning::stages> scales_;
  ActivationRings<S, T, Tuning> const& x_;
  RingTurn turn_;
  Reduction reduction_;
  bool has_slow_ = false;
};

/// Items whose matrix does not stream, row by row.     first, step: warps
template <SchemeSpec S, Element T, class Offset>
__device__ void multiply_slow_items(Operands<S, T, Offset> const& operands, int tile_rows,
                                    Walk<Offset> walk, int first, int step) {
  for (; walk.has_item(); walk.next()) {
    Item const item = walk.item();
    if (streams(operands.matrix[item.group], operands.k)) continue;
    int64_t const left = operands.n - item.row;
    for (int r = first; r < tile_rows && r < left; r += step)
      for (int c = 0; c < item.x_rows; c += generic::columns)
        multiply_row(operands, item.group, item.row + r, item.first_m + c,
                     item.x_rows - c < generic::columns ? item.x_rows - c : generic::columns);
  }
}

/// y of every group = x of the group * dequantize(its matrix)^T + its bias.
template <SchemeSpec S, Element T, class Offset, class Tuning>
__launch_bounds__(Tuning::warps * 32 + 32, 1) __global__
    void matmul_kernel(__grid_constant__ Operands<S, T, Offset> const operands,
                       __grid_constant__ Shape const shape) {
  using Decoder = stream::PairDecoder<S, T>;
  uint8_t* const shared = ptx::dynamic_shared();
  auto* const barriers = reinterpret_cast<ptx::Barrier*>(shared + shape.barriers_at);
  float* const levels = reinterpret_cast<float*>(shared + shape.levels_at);
  int const warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x / 32), 0);
  int const workers = shape.row_warps * shape.splits;
  ActivationRings<S, T, Tuning> const x(shared, barriers + 1, shape);
  if (threadIdx.x == 0) {
    ptx::init_barrier(barriers, static_cast<uint32_t>(workers));
    x.init();
    ptx::fence_barrier_init();
  }
  Decoder decoder(shared + shape.table_at);
  decoder.fill();
  fill_levels<S>(levels);
  __syncthreads();
  ptx::wait_for_dependencies();
  ptx::launch_dependents();

  Piece const piece{shape.row_tiles, shape.row_warps * 16, shape.x_rows};
  auto const walk = [&] {
    return Walk<Offset>(operands.offsets, operands.groups, piece, blockIdx.x, gridDim.x);
  };
  bool has_slow = false;
  if (warp < workers) {
    Reduction const reduction(shared + shape.scratch_at, Decoder::spare_stride, barriers, shape);
    Worker<S, T, Offset, Tuning> worker(operands, shape, walk(), decoder,
                                        shared + shape.queues.offset(warp), levels, x, reduction,
                                        warp);
    has_slow = worker.run();
  } else {
    RingTurn turn;
    for (auto ahead = walk(); ahead.has_item(); ahead.next()) {
      Item const item = ahead.item();
      if (!streams(operands.matrix[item.group], operands.k)) {
        has_slow = true;
        continue;
      }
      for (int visit = 0; visit < shape.visits; ++visit)
        x.bring(operands.x + item.first_m * operands.k, operands.k, visit, item.x_rows, turn);
    }
  }
  if (has_slow) multiply_slow_items(operands, piece.tile_rows, walk(), warp, workers + 1);
}

}  // namespace grouped
}  // namespace qfmt::inline v0
