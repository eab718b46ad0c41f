// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming matmul divides its work, and where its pieces lie in shared memory. Plain
// numbers, computed on the host for each launch.
//
// A tile is `row_warps * rows_per_warp` rows of the weights; a stage is 128 bytes of each of a
// tile's rows. The blocks of a cluster share a tile, each with a run of its stages; within a block
// `splits` groups of warps take these in turn. A warp's turn at a stage is a visit.
#pragma once

#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0::stream {

/// Bytes of a row in a stage: a line of memory.
inline constexpr int stage_bytes = 128;

/// Values of k in a stage.
template <SchemeSpec S>
inline constexpr int stage_values = stage_bytes * 8 / S::bits;

/// Values of k that share one scale within a stage, and one run of tensor-core products.
template <SchemeSpec S>
inline constexpr int group_values = S::is_row_wise || S::block_size > 64 ? 64 : S::block_size;

/// Bytes that a lane takes from a row for one group: a quarter of it.
template <SchemeSpec S>
inline constexpr int lane_bytes = group_values<S>* S::bits / 32;

/// Groups in a stage.
template <SchemeSpec S>
inline constexpr int stage_groups = stage_values<S> / group_values<S>;

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
  int visits = 0;       ///< of a warp to a tile; the last may find no stage left
  int x_visits = 0;     ///< visits whose activations lie in shared memory at a time
  int round_tiles = 1;  ///< tiles whose sums are added up together
  int table_at = 0;     ///< offsets in shared memory
  int partials_at = 0;  ///< in the table, where it has room for them
  int queues_at = 0;
  int levels_at = 0;  ///< of nested scales
  int x_first = 0;    ///< rows of x before the table, from 0 on
  int x_rest_at = 0;  ///< of the others, behind everything
  int shared_bytes = 0;
};

/// Bytes between the rows of x in shared memory: 16 more than they hold, so that the rows that a
/// quarter of a warp reads begin in different banks.
template <SchemeSpec S>
QFMT_HD constexpr int x_pitch(int stages) {
  return stages * stage_values<S> * 2 + 16;
}

}  // namespace qfmt::inline v0::stream
