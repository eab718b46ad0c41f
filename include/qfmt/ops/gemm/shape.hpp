// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tiled matmul divides its work, and where its pieces lie in shared memory. Plain numbers,
// computed on the host for each launch.
//
// A tile of y is so many rows of the weights times so many rows of x, its columns. A stage is 128
// bytes of each of the tile's rows of weights; a step is 64 values of k, one tile of x. Consuming
// warpgroups take 64 rows of weights each; the warps of another bring codes and x.
#pragma once

#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0::gemm {

inline constexpr int step_values = 64;  ///< a row of 128 bytes of x

/// Where the scales multiply.
enum class ScaleAt {
  products,  ///< in f32, the sums over each group
  weights,   ///< in T, the decoded weights: one more rounding, half the accumulators
};

/// What is fixed when the kernel is compiled: rows of x in a tile, and consuming warpgroups.
template <int Columns, int Groups = 2, ScaleAt Scale = ScaleAt::products>
struct Tuning {
  static_assert(Groups >= 2 && Groups <= 4);
  static constexpr int columns = Columns;
  static constexpr int rows = 64 * Groups;  ///< of weights in a tile
  static constexpr int consumer_warps = 4 * Groups;
  static constexpr int threads = 128 * (Groups + 1);
  /// Of a consuming thread, and of one of the producing warpgroup: no more in all than the block
  /// begins with, or raising their number waits for ever.
  static constexpr int registers = Groups == 2 ? 232 : Groups == 3 ? 160 : 112;
  static constexpr int producer_registers = Groups == 2 ? 40 : 32;
  static constexpr int first_registers = 0x10000 / threads / 8 * 8;
  static_assert(Groups * registers + producer_registers <= (Groups + 1) * first_registers);
  static constexpr ScaleAt scale = Scale;
  static constexpr int codes_bytes = rows * stream::stage_bytes;  ///< of a stage
  static constexpr int x_bytes = Columns * 128;                   ///< of a step
};

/// Steps in a stage.
template <SchemeSpec S>
inline constexpr int stage_steps = stream::stage_values<S> / step_values;

/// A tile's place among the tiles of y.
struct TileAt {
  int row, column;
};

/// Which tile comes when: bands of `band` row tiles, one after another; within a band all of them
/// for one column, then for the next, so that what blocks work on at a time shares both operands in
/// the L2.
QFMT_HD constexpr TileAt tile_at(int index, int row_tiles, int column_tiles, int band) {
  int const first = index / (band * column_tiles) * band;
  int const within = index - first * column_tiles;
  int const width = row_tiles - first < band ? row_tiles - first : band;
  return {first + within % width, within / width};
}

/// Equal places in shared memory; those from `jump_from` on lie `jump` bytes further.
struct Places {
  int at = 0;
  int bytes = 0;
  int count = 0;
  int jump_from = 0;
  int jump = 0;

  QFMT_HD constexpr int offset(int i) const { return at + i * bytes + (i < jump_from ? 0 : jump); }
};

/// The numbers of one launch.
struct Shape {
  int stages = 0;     ///< of a row; where the last one is not whole, zeros come
  int groups = 0;     ///< of a row: runs of stream::group_values
  int row_tiles = 0;  ///< of all parts together
  int column_tiles = 0;
  int tiles = 0;        ///< row_tiles * column_tiles
  int split_tiles = 0;  ///< the last of them, whose stages the blocks divide evenly
  int band = 1;         ///< row tiles that are worked on together, for the L2's sake
  int grid = 0;         ///< blocks
  Places codes;         ///< a stage each
  Places x;             ///< a step each
  int table_at = 0;     ///< at a multiple of 65536 of shared memory
  int scratch_at = 0;   ///< lines of 128 bytes, `scratch_stride` apart
  int levels_at = 0;    ///< of nested scales
  int barriers_at = 0;
  int shared_bytes = 0;
};

/// Lays pieces out one behind another, around the table.
struct Arranger {
  int table_at = 0;
  int table_bytes = 0;
  int at = 0;

  /// `count` places of `bytes`, a multiple of 1024.
  QFMT_HD constexpr Places places(int count, int bytes) {
    Places p{.at = 0, .bytes = bytes, .count = count, .jump_from = count, .jump = 0};
    if (at >= table_at + table_bytes || table_bytes == 0) {
      p.at = at;
      at += count * bytes;
      return p;
    }
    int const before = (table_at - at) / bytes;
    p.at = at;
    if (before >= count) {
      at += count * bytes;
      return p;
    }
    p.jump_from = before;
    p.jump = table_at + table_bytes - (at + before * bytes);
    at = table_at + table_bytes + (count - before) * bytes;
    return p;
  }
};

}  // namespace qfmt::inline v0::gemm
