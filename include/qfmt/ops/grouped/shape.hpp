// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming grouped matmul divides its work, and where its pieces lie in shared memory.
// Plain numbers, computed on the host for each launch.
//
// A tile is `row_warps * 16` rows of one matrix; a stage is 128 bytes of each of a tile's rows.
// `splits` groups of warps take a tile's stages in turn. Beside them one warp brings x.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"

namespace qfmt::inline v0::grouped {

/// What is fixed when a kernel is compiled.
template <int Columns, int Warps, int Depth>
struct Tuning {
  static constexpr int columns = Columns;  ///< rows of x in an item at most, in eights
  static constexpr int x_rows = 8 * Columns;
  static constexpr int warps = Warps;  ///< that multiply, at most
  static constexpr int depth = Depth;  ///< stages that a warp asks for ahead
  static constexpr int queue_bytes = Depth * 16 * stream::stage_bytes;  ///< of a warp
};

// With the warp that brings x whole fours, which share a fourth of the registers.
using NarrowTuning = Tuning<2, 15, 3>;
using WideTuning = Tuning<8, 11, 2>;

/// The numbers of one launch.
struct Shape {
  int row_warps = 0;  ///< warps that take different rows; 0: the kernel does not fit
  int splits = 1;     ///< warps that take the same rows at different stages
  int stages = 0;     ///< of a row
  int groups = 0;     ///< of a row: runs of stream::group_values
  int row_tiles = 0;
  int64_t grid = 0;
  gemm::Places queues;  ///< one for each warp
  gemm::Places x;       ///< a stage of an item's rows of x each
  int x_places = 0;     ///< of each split: x.count / splits
  int table_at = 0;     ///< at a multiple of 65536 of shared memory
  int scratch_at = 0;   ///< lines of 128 bytes
  int levels_at = 0;    ///< of nested scales
  int barriers_at = 0;
  int shared_bytes = 0;
};

}  // namespace qfmt::inline v0::grouped
