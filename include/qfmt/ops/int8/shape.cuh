// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tiled LLM.int8() product divides its work, and where its pieces lie in shared memory.
// Plain numbers, computed on the host for each launch.
//
// A tile of y is 128 rows of the weights times `columns` rows of x. A stage is 128 bytes of each of
// these rows: 128 values of k. Two warpgroups multiply, 64 rows of weights each; of a third, one
// warp brings codes and three the values of outlier columns.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"
#include "qfmt/ops/tuning.hpp"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

inline constexpr int stage_cols = 128;   ///< values of k
inline constexpr int gather_warps = 3;   ///< that bring values of outlier columns
inline constexpr int scratch_regs = 16;  ///< of each multiplying thread, that scratch has room for
inline constexpr int scratch_bytes = gemm::consumer_warps * 32 * scratch_regs * 4;

inline constexpr int most_shared_columns = 128;  ///< of a tile whose k blocks share

/// An outlier column of x, and where its weights were kept: -1 where they were not.
struct OutlierColumn {
  int32_t column;
  int32_t kept_at;
};
inline constexpr int most_listed = 64;  ///< columns in the list of a gathering warp

/// The numbers of one launch.
struct TiledShape {
  int stages = 0;     ///< of a row; where the last one is not whole, zeros come
  int cluster = 1;    ///< blocks that share a tile's k; more than one: a cluster a tile
  int row_tiles = 0;  ///< of the weights
  int column_tiles = 0;
  int tiles = 0;            ///< row_tiles * column_tiles
  int band = 1;             ///< row tiles that are worked on together, for the L2's sake
  int grid = 0;             ///< blocks; 0: none
  gemm::Places stage{};     ///< of the ring: weights, then x
  int barriers_at = 0;      ///< of the ring, then two of the outlier values
  int lists_at = 0;         ///< (gather_warps, most_listed) OutlierColumn
  int marks_at = 0;         ///< the bitmap of outlier columns
  int mark_words = 0;       ///< of the bitmap, a multiple of a stage's four; 0: no bitmap
  int values_at = 0;        ///< values of outlier columns, laid out as a stage
  int scratch_at = 0;       ///< scratch_bytes
  int shared_bytes = 0;     ///< of all
  int64_t first_scale = 0;  ///< of the weights' rows
  int64_t scale_step = 0;   ///< from one row's scale to the next one's
};

/// Lays the pieces out, the ring as deep as there is room; false where not even two stages fit.
constexpr bool arrange(TiledShape& shape, int columns, DeviceLimits const& device) {
  constexpr int most_stages = 12;
  auto const align = [](int at) { return (at + 1023) / 1024 * 1024; };
  int const stage_bytes = (gemm::tile_rows + columns) * stage_cols;
  shape.barriers_at = 0;
  shape.lists_at = 256;
  shape.marks_at = shape.lists_at + gather_warps * most_listed * int{sizeof(OutlierColumn)};
  shape.scratch_at = align(shape.marks_at + shape.mark_words * 4);
  shape.values_at = shape.scratch_at + scratch_bytes;
  int const ring_at = shape.values_at + (shape.mark_words > 0 ? stage_bytes : 0);
  int const fit = (device.shared_bytes - ring_at) / stage_bytes;
  int const count = fit < most_stages ? fit : most_stages;
  if (count < 2) return false;
  shape.stage = {.at = ring_at, .bytes = stage_bytes, .count = count, .jump_from = count};
  shape.shared_bytes = ring_at + count * stage_bytes;
  return true;
}

/// Overrides of the division; 0: chosen.
struct Division {
  int columns = 0;  ///< rows of x in a tile: 16, 32, 64, 128, or 256 where x is not f32
  int cluster = 0;  ///< blocks that share the k of a tile: 1, 2 or 4
  int blocks = 0;   ///< at most so many where they share none
};

/// Rows of x in a tile: the narrowest that takes all of them; beyond 128 rows the wider tile,
/// unless multiprocessors would idle for longer than it saves.
constexpr int tile_columns(int64_t rows, int64_t m, bool wide, DeviceLimits const& device) {
  int narrowest = 16;
  while (narrowest < 128 && narrowest < m) narrowest *= 2;
  if (m <= 128 || !wide) return narrowest;
  int64_t const row_tiles = ceil_div(rows, gemm::tile_rows);
  auto const rounds = [&](int columns) {
    return ceil_div(row_tiles * ceil_div(m, columns), device.multiprocessors);
  };
  return rounds(256) * 9 <= rounds(128) * 5 ? 256 : 128;  // a wide tile costs 1.8 narrow ones
}

/// The division of a product of `rows` rows of weights and m rows of x over cols columns; `grid` is
/// 0 where none fits the device.
constexpr TiledShape divide(int64_t rows, int64_t cols, int64_t m, bool outliers, int columns,
                            Division const& division, DeviceLimits const& device) {
  TiledShape shape;
  shape.stages = static_cast<int>(ceil_div(cols, stage_cols));
  shape.mark_words = outliers ? shape.stages * 4 : 0;
  int64_t const row_tiles = ceil_div(rows, gemm::tile_rows);
  int64_t const column_tiles = ceil_div(m, columns);
  if (row_tiles > 0x3FFFFFFF / column_tiles) return shape;
  shape.row_tiles = static_cast<int>(row_tiles);
  shape.column_tiles = static_cast<int>(column_tiles);
  shape.tiles = shape.row_tiles * shape.column_tiles;
  shape.band = shape.row_tiles < 16 ? shape.row_tiles : 16;
  if (!arrange(shape, columns, device)) return shape;
  int cluster = division.cluster;
  if (cluster == 0) {  // as many blocks a tile as keep all multiprocessors busy
    cluster = 1;
    while (cluster < 4 && shape.tiles * cluster * 2 <= device.multiprocessors) cluster *= 2;
  }
  while (cluster > shape.stages) cluster /= 2;
  if (columns > most_shared_columns) cluster = 1;
  shape.cluster = cluster;
  int const most = division.blocks != 0 ? division.blocks : device.multiprocessors;
  shape.grid = cluster > 1 ? shape.tiles * cluster : shape.tiles < most ? shape.tiles : most;
  return shape;
}

}  // namespace int8
}  // namespace qfmt::inline v0
