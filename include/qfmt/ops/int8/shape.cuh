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

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

inline constexpr int tile_rows = 128;   ///< of the weights
inline constexpr int stage_cols = 128;  ///< values of k
inline constexpr int consumer_warps = 8;
inline constexpr int tile_threads = 384;
inline constexpr int gather_warps = 3;   ///< that bring values of outlier columns
inline constexpr int scratch_regs = 16;  ///< of each multiplying thread, that scratch has room for
inline constexpr int scratch_bytes = consumer_warps * 32 * scratch_regs * 4;

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

}  // namespace int8
}  // namespace qfmt::inline v0
