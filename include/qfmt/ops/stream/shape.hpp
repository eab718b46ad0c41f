// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming matmul divides its work, and where its pieces lie in shared memory. Plain
// numbers, computed on the host for each launch.
//
// A tile is `row_warps * rows_per_warp` rows of the weights; a stage is 128 or 256 bytes of each of
// a tile's rows. The blocks of a cluster share a tile, each with a run of its stages; within a
// block `splits` groups of warps take these in turn.
#pragma once

#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0::stream {

/// Values of k in a stage of RowBytes bytes a row.
template <SchemeSpec S, int RowBytes>
inline constexpr int stage_values = RowBytes * 8 / S::bits;

/// Values of k that share one scale within a stage, and one run of tensor-core products.
template <SchemeSpec S>
inline constexpr int group_values = S::is_row_wise || S::block_size > 64 ? 64 : S::block_size;

/// The numbers of one launch.
struct Shape {
  int row_warps = 0;    ///< warps of a block that take different rows
  int splits = 1;       ///< warps that take the same rows, at different stages
  int cluster = 1;      ///< blocks that share a tile
  int stages = 0;       ///< of a row
  int groups = 0;       ///< of a row: runs of group_values
  int64_t tiles = 0;    ///< of all parts together
  int64_t grid = 0;     ///< blocks along x: a multiple of `cluster`
  int x_rows = 0;       ///< rows of x that a block works on
  int x_stages = 0;     ///< stages whose activations lie in shared memory at a time
  int x_buffers = 1;    ///< 1 where they all do, else 2
  int x_at = 0;         ///< offsets in shared memory, behind the table and the ring
  int partials_at = 0;  ///< where the table has no room for them
  int levels_at = 0;    ///< of nested scales
  int shared_bytes = 0;
};

/// Bytes between the rows of x in shared memory: 16 more than they hold, so that the rows that a
/// quarter of a warp reads begin in different banks.
QFMT_HD constexpr int x_pitch(int x_stages, int stage_values) {
  return x_stages * stage_values * 2 + 16;
}

/// Floats between the columns of a tile of partial sums: 4 more than its rows, for the same reason.
QFMT_HD constexpr int partial_pitch(int rows) { return rows + 4; }

}  // namespace qfmt::inline v0::stream
