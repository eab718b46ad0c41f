// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Outlier columns within the tiled LLM.int8() product. Their codes are taken out of each stage of
// weights; their values go through a place of shared memory of their own, a chunk of columns at a
// time, in ascending order.
#pragma once

#include "qfmt/device/warp/lanes.cuh"
#include "qfmt/ops/gemm/ring.cuh"
#include "qfmt/ops/int8/generic_kernel.cuh"
#include "qfmt/ops/int8/shape.cuh"
#include "qfmt/ptx/wgmma.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// The bitmap of outlier columns in shared memory, and how many it names.
struct Marks {
  uint32_t const* words;  // (mark_words)
  int word_count;         // 0: no bitmap
  int columns = 0;        // that are outliers

  /// Copies the bitmap of `cols` columns. Called by the whole block, which synchronises before the
  /// first use.
  __device__ static void copy(uint32_t const* bitmap, int64_t cols, int word_count, uint32_t* to) {
    int const exist = static_cast<int>(ceil_div(cols, outlier_word_bits));
    for (int i = static_cast<int>(threadIdx.x); i < word_count; i += tile_threads)
      to[i] = i < exist ? bitmap[i] : 0u;
  }

  /// Called by whole warps.
  __device__ Marks(uint32_t const* shared, int count) : words(shared), word_count(count) {
    int mine = 0;
    for (int i = warp::lane(); i < count; i += warp::size) mine += __popc(words[i]);
    // From one lane: ptxas serializes products that depend on what may differ between lanes.
    if (count > 0) columns = __shfl_sync(warp::all_lanes, warp::sum(mine), 0);
  }

  /// Of a stage's 128 columns.
  __device__ uint4 of_stage(int stage) const {
    return reinterpret_cast<uint4 const*>(words)[stage];
  }
};

/// Sets the codes of the marked columns to 0 in the 64 rows of weights of this warpgroup, whose
/// number `group` is. Called by all of it; the products that follow see it.
///     rows: of a stage, 16-byte unit u of row r at unit u ^ (r % 8)
__device__ inline void take_out(uint8_t* rows, uint4 marks, int group) {
  int const row = static_cast<int>(threadIdx.x % 64);
  bool const second = threadIdx.x % 128 >= 64;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    int const word = 2 * static_cast<int>(second) + half;
    uint32_t left = second ? (half == 0 ? marks.z : marks.w) : (half == 0 ? marks.x : marks.y);
    for (; left != 0; left &= left - 1) {
      int const column = word * 32 + __ffs(static_cast<int>(left)) - 1;
      rows[row * stage_cols + ((column / 16) ^ (row % 8)) * 16 + column % 16] = 0;
    }
  }
  ptx::fence_async_proxy();
  ptx::sync_warpgroup(1 + group);
}

/// Columns of a chunk: as many as a row of 128 bytes has room for.
template <Element T>
inline constexpr int chunk_columns = 128 / static_cast<int>(sizeof(T));

/// The place of a chunk: rows of weights, then rows of x, 128 bytes each, 16-byte unit u of row r
/// at unit u ^ (r % 8). Full when the gathering warps have arrived, empty when the multiplying ones
/// have.
class ChunkPlace {
 public:
  __device__ ChunkPlace(uint8_t* shared, ptx::Barrier* barriers)
      : shared_(shared), barriers_(barriers) {}

  __device__ void init() const {
    ptx::init_barrier(full(), gather_warps);
    ptx::init_barrier(empty(), consumer_warps);
  }
  /// The four steps of a chunk. Each is called by whole warps.
  __device__ uint8_t* fill(gemm::Turn const& turn) const {
    ptx::wait(empty(), turn.parity() ^ 1);
    return shared_;
  }
  __device__ void filled() const {
    ptx::fence_async_proxy();
    __syncwarp();
    if (warp::lane() == 0) ptx::arrive(full());
  }
  __device__ uint8_t const* take(gemm::Turn const& turn) const {
    ptx::wait(full(), turn.parity());
    return shared_;
  }
  __device__ void release() const {
    __syncwarp();
    if (warp::lane() == 0) ptx::arrive(empty());
  }

 private:
  __device__ ptx::Barrier* full() const { return barriers_; }
  __device__ ptx::Barrier* empty() const { return barriers_ + 1; }

  uint8_t* shared_;
  ptx::Barrier* barriers_;
};

/// Lists outlier columns first, first + 1, ... of all, at most `most`. Called by a whole warp,
/// whose list it is. Returns how many.
template <Element T>
__device__ int list_columns(Marks const& marks, int first, int most, OutlierWeights<T> const& kept,
                            OutlierColumn* list) {
  int const lane = warp::lane();
  __syncwarp();  // what was listed before has been read
  for (int base = 0, seen = 0; base < marks.word_count && seen < first + most; base += warp::size) {
    uint32_t word = base + lane < marks.word_count ? marks.words[base + lane] : 0u;
    int const mine = __popc(word);
    int upto = mine;
#pragma unroll
    for (int step = 1; step < warp::size; step *= 2) {
      int const below = __shfl_up_sync(warp::all_lanes, upto, static_cast<unsigned>(step));
      if (lane >= step) upto += below;
    }
    for (int at = seen + upto - mine - first; word != 0; word &= word - 1, ++at)
      if (at >= 0 && at < most)
        list[at].column = (base + lane) * outlier_word_bits + __ffs(static_cast<int>(word)) - 1;
    seen += __shfl_sync(warp::all_lanes, upto, warp::size - 1);
  }
  __syncwarp();
  int const found = marks.columns - first < most ? marks.columns - first : most;
  for (int i = lane; i < found; i += warp::size)
    list[i].kept_at = static_cast<int32_t>(kept_column(kept, list[i].column));
  __syncwarp();
  return found;
}

/// Weights of N outlier columns of row n, and values of x: all loads before any conversion.
template <int N, Element T>
__device__ void gather_weights(Product<T> const& p, TiledShape const& shape, int64_t n,
                               OutlierColumn const (&columns)[N], T (&values)[N]) {
  uint8_t const* const codes = p.w.values.codes + p.w.origin + n * p.w.row_stride;
  bool const keeps = p.kept.values != nullptr && p.kept.count > 0;
  float const absmax = p.w.values.scales.absmax[shape.first_scale + n * shape.scale_step];
  uint8_t code[N];
#pragma unroll
  for (int i = 0; i < N; ++i) code[i] = codes[columns[i].column];
  if (keeps) {
    T const* const kept = p.kept.values + n * p.kept.row_stride;
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = kept[columns[i].kept_at < 0 ? 0 : columns[i].kept_at];
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (columns[i].kept_at < 0) values[i] = from_float<T>(Int8::decode(code[i], absmax));
}
template <int N, Element T>
__device__ void gather_activations(T const* x, OutlierColumn const (&columns)[N], T (&values)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = x[columns[i].column];
}

/// Fills a chunk with the `found` listed columns of a tile, one at least; for the tensor cores,
/// zeros behind them. Rows that do not exist hold what the last one does. `thread` of gather_warps
/// * 32.
///     row, first_m: where the tile begins
template <int Columns, Element T>
__device__ void gather(Product<T> const& p, TiledShape const& shape, int64_t row, int64_t first_m,
                       OutlierColumn const* list, int found, int thread, uint8_t* to) {
  constexpr int per_unit = 16 / static_cast<int>(sizeof(T));
  constexpr int per_word = 4 / static_cast<int>(sizeof(T));
  constexpr int rows = tile_rows + Columns;
  int const units = sizeof(T) == 2 ? (found <= 16 ? 2 : 8) : (found + per_unit - 1) / per_unit;
  auto const at_most = [](int64_t i, int64_t count) { return i < count ? i : count - 1; };
  for (int task = thread; task < rows * units; task += gather_warps * warp::size) {
    int const unit = task / rows;
    int const r = task % rows;
    int const first = unit * per_unit;
    uint32_t words[4] = {};
    if (first < found) {
      OutlierColumn columns[per_unit];
#pragma unroll
      for (int i = 0; i < per_unit; ++i)
        columns[i] = list[first + i < found ? first + i : found - 1];
      T values[per_unit];
      if (r < tile_rows) {
        gather_weights(p, shape, at_most(row + r, p.w.rows), columns, values);
      } else {
        int64_t const m = at_most(first_m + r - tile_rows, p.a.values.rows);
        gather_activations(p.x + m * p.w.cols, columns, values);
      }
#pragma unroll
      for (int i = 0; i < per_unit; ++i) {
        uint32_t const bits = first + i < found ? element_bits(values[i]) : 0u;
        words[i / per_word] |= bits << i % per_word * 16;
      }
    }
    *reinterpret_cast<uint4*>(to + r * 128 + (unit ^ (r % 8)) * 16) =
        uint4{words[0], words[1], words[2], words[3]};
  }
}

/// Adds the products of 16 * Steps columns. A number that the compiler knows: else ptxas serializes
/// them.
template <Element T, int Steps, int Half>
__device__ void add_products(float (&sum)[Half], uint64_t a, uint64_t b) {
  ptx::wgmma_fence();
#pragma unroll
  for (int q = 0; q < Steps; ++q)
    ptx::wgmma_m64k16<T>(sum, a + static_cast<uint64_t>(2 * q), b + static_cast<uint64_t>(2 * q),
                         true);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sum);
}

/// Adds the products of the outlier columns to a warpgroup's sums: 16-bit elements by the tensor
/// cores, f32 one after another as the host does.
///     sum: lane 4g + t of warp w of the group: [4j + 2h + e] is row 16w + g + 8h, column 8j + 2t +
///     e
template <Element T, int Half>
__device__ void add_outliers(Marks const& marks, ChunkPlace const& place, gemm::Turn& turn,
                             int group, float (&sum)[Half]) {
  int const lane = warp::lane();
  for (int first = 0; first < marks.columns; first += chunk_columns<T>) {
    int const left = marks.columns - first;
    int const found = left < chunk_columns<T> ? left : chunk_columns<T>;
    uint8_t const* const w = place.take(turn);
    uint8_t const* const x = w + tile_rows * 128;
    if constexpr (sizeof(T) == 2) {
      uint64_t const a = ptx::tile_descriptor(w + group * 64 * 128);
      uint64_t const b = ptx::tile_descriptor(x);
      if (found <= 16) {
        add_products<T, 1>(sum, a, b);
      } else {
        add_products<T, chunk_columns<T> / 16>(sum, a, b);
      }
    } else {
      int const row = static_cast<int>(threadIdx.x / 32) * 16 + lane / 4;  // of both groups
      auto const at = [&](uint8_t const* rows, int r, int k) {
        return *reinterpret_cast<float const*>(rows + r * 128 + ((k / 4) ^ (r % 8)) * 16 +
                                               k % 4 * 4);
      };
      for (int k = 0; k < found; ++k) {
        float const upper = at(w, row, k);
        float const lower = at(w, row + 8, k);
#pragma unroll
        for (int i = 0; i < Half; ++i) {
          int const column = i / 4 * 8 + lane % 4 * 2 + i % 2;
          sum[i] = add_outlier(sum[i], at(x, column, k), i % 4 < 2 ? upper : lower);
        }
      }
    }
    place.release();
    turn.next(1);
  }
}

}  // namespace int8
}  // namespace qfmt::inline v0
