// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the sums of products of codes to y: parts of a cluster together, scales, bias, and through
// lines of shared memory out, since y is contiguous along the rows of weights, of which a warp has
// sixteen, a lane two.
#pragma once

#include "qfmt/ops/int8/outliers.cuh"
#include "qfmt/ptx/cluster.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// Rounds in which the blocks of a cluster add up a tile, two cluster barriers each.
template <int Columns>
inline constexpr int collect_rounds = (Columns / 2 + scratch_regs - 1) / scratch_regs;

/// What the warps that do not multiply do of it.
template <int Columns>
__device__ void meet_collection() {
  for (int i = 0; i < 2 * collect_rounds<Columns>; ++i) {
    ptx::arrive_cluster();
    ptx::wait_cluster();
  }
}

/// Adds the sums of all blocks of the cluster up in the first one's. Called by the multiplying
/// warps while the others call meet_collection.
///     scratch: (scratch_regs, 256) of the block
template <int Half>
__device__ void collect(int32_t* scratch, int rank, int blocks, int32_t (&sums)[Half]) {
  constexpr int lanes = consumer_warps * warp::size;
  constexpr int at_once = Half < scratch_regs ? Half : scratch_regs;
  int32_t* const mine = scratch + threadIdx.x;
#pragma unroll
  for (int from = 0; from < Half; from += at_once) {
    if (rank != 0)
#pragma unroll
      for (int i = 0; i < at_once; ++i) mine[i * lanes] = sums[from + i];
    ptx::arrive_cluster();
    ptx::wait_cluster();
    if (rank == 0)
      for (int r = 1; r < blocks; ++r)
#pragma unroll
        for (int i = 0; i < at_once; ++i)
          sums[from + i] += ptx::load_remote(mine + i * lanes, static_cast<uint32_t>(r));
    ptx::arrive_cluster();
    ptx::wait_cluster();
  }
}

/// The lane. What is computed from it is computed here: kept over the products, addresses of a
/// tile's output would take the registers of the sums.
__device__ inline int lane_here() {
  return static_cast<int>(ptx::opaque(static_cast<uint32_t>(warp::lane())));
}

/// What a lane needs of its two rows of weights.
struct RowPair {
  float factor[2];
  float bias[2];

  /// n: the upper one; the lower one is eight further
  template <Element T>
  __device__ RowPair(Product<T> const& p, TiledShape const& shape, int64_t n) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      int64_t const at = n + 8 * h < p.w.rows ? n + 8 * h : p.w.rows - 1;
      factor[h] =
          weight_factor(p.w.values.scales.absmax[shape.first_scale + at * shape.scale_step]);
      bias[h] = p.bias == nullptr ? 0.f : to_float(p.bias[at]);
    }
  }
};

/// The absmax of a tile's rows of x, dealt out to the lanes of a warp.
template <int Columns>
class ColumnScales {
 public:
  /// absmax: (columns), of those that exist
  __device__ ColumnScales(float const* absmax, int64_t columns) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      int const column = i * warp::size + warp::lane();
      mine_[i] = column < columns && column < Columns ? absmax[column] : 0.f;
    }
  }
  /// Of column 8j + c; called by the whole warp, with one j.
  __device__ float operator()(int j, int c) const {
    return __shfl_sync(warp::all_lanes, mine_[j / 4], j % 4 * 8 + c);
  }

 private:
  static constexpr int count = (Columns + warp::size - 1) / warp::size;
  float mine_[count];
};

/// The warp's part of a tile of y, written: value(i) is lane 4g + t's i-th, of row g + 8h of its
/// sixteen and column 8j + 2t + e for i = 4j + 2h + e.
///     y: at the tile's first row of x and the warp's first row of weights; row_length apart
///     rows, columns: that exist   lines: 2 KiB of the warp's own
template <int Columns, Element T, class Value>
__device__ void write_tile(T* y, int64_t row_length, int64_t rows, int64_t columns, uint8_t* lines,
                           Value const& value) {
  constexpr int line_count = scratch_regs;
  constexpr int units = static_cast<int>(sizeof(T));  // of 16 bytes, of a column
  constexpr int per_line = 8 / units;
  constexpr int per_unit = 16 / units;
  constexpr int at_once = Columns < line_count * per_line ? Columns : line_count * per_line;
  int const lane = lane_here();
  int const g = lane / 4;
  int const t = lane % 4;
  // Lines are twisted, so that no two lanes share a bank.
  auto const place = [&](int column, int row) {
    int const line = column / per_line;
    int const twist = units == 2 ? line & 1 : (line & 3) * 2;
    int const unit = (column % per_line * units + row / per_unit) ^ twist;
    return reinterpret_cast<T*>(lines + line * 128 + unit * 16) + row % per_unit;
  };
  bool const whole =
      rows >= 16 && row_length % per_unit == 0 && reinterpret_cast<uintptr_t>(y) % 16 == 0;
#pragma unroll
  for (int from = 0; from < Columns; from += at_once) {
    __syncwarp();
#pragma unroll
    for (int i = from / 2; i < (from + at_once) / 2; ++i)
      *place(i / 4 * 8 - from + 2 * t + i % 2, g + i / 2 % 2 * 8) = value(i);
    __syncwarp();
    int64_t const left = columns - from;
    int const now = left < at_once ? static_cast<int>(left) : at_once;
    T* const out = y + from * row_length;
    if (whole) {
      for (int i = lane; i < now * units; i += warp::size)
        *reinterpret_cast<uint4*>(out + i / units * row_length + i % units * per_unit) =
            *reinterpret_cast<uint4 const*>(place(i / units, i % units * per_unit));
    } else {
      for (int i = lane; i < now * 16; i += warp::size)
        if (i % 16 < rows) out[i / 16 * row_length + i % 16] = *place(i / 16, i % 16);
    }
  }
}

/// y of a tile from the exact sums of a warp, with the outlier columns' products.
///     row, first_m: where the tile begins   first_row: the warp's, in the tile
template <int Columns, Element T>
__device__ void finish(Product<T> const& p, TiledShape const& shape, int64_t row, int64_t first_m,
                       int first_row, Marks const& marks, ChunkPlace const& place, gemm::Turn& turn,
                       uint8_t* lines, int32_t const (&sums)[Columns / 2]) {
  constexpr int half = Columns / 2;
  int const lane = lane_here();
  int const group = first_row / 64;
  int64_t const n = row + first_row;
  int64_t const left = p.a.values.rows - first_m;
  RowPair const pair(p, shape, n + lane / 4);
  ColumnScales<Columns> const scales(p.a.values.values.scales.absmax + first_m, left);
  float sum[half];
  auto const for_each_pair = [&](auto const& body) {  // (first of two sums, absmax of their column)
#pragma unroll
    for (int j = 0; j < Columns / 8; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e) body(4 * j + e, scales(j, lane % 4 * 2 + e));
  };
  T* const y = p.y + first_m * p.w.rows + n;
  if constexpr (sizeof(T) == 2) {  // room for one set of sums: the products go onto the scaled ones
    for_each_pair([&](int i, float absmax) {
#pragma unroll
      for (int h = 0; h < 2; ++h)
        sum[i + 2 * h] =
            exact::mul(exact::mul(static_cast<float>(sums[i + 2 * h]), pair.factor[h]), absmax);
    });
    if (marks.columns > 0) add_outliers<T>(marks, place, turn, group, sum);
    // With a bias that is not -0, int8_product's bits: its outliers, 0, change no other sum.
    float const bias[2] = {exact::add(pair.bias[0], 0.f), exact::add(pair.bias[1], 0.f)};
    write_tile<Columns>(y, p.w.rows, p.w.rows - n, left, lines,
                        [&](int i) { return from_float<T>(exact::add(sum[i], bias[i / 2 % 2])); });
  } else {
#pragma unroll
    for (float& s : sum) s = 0.f;
    if (marks.columns > 0) add_outliers<T>(marks, place, turn, group, sum);
    for_each_pair([&](int i, float absmax) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float& s = sum[i + 2 * h];
        s = int8_product(sums[i + 2 * h], pair.factor[h], absmax, s, pair.bias[h]);
      }
    });
    write_tile<Columns>(y, p.w.rows, p.w.rows - n, left, lines, [&](int i) { return sum[i]; });
  }
}

}  // namespace int8
}  // namespace qfmt::inline v0
