// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a matmul may be told, and how the streaming kernel divides a shape over a GPU when it is
// not. Every choice is arithmetic on the shape and the device; nothing is measured at run time.
#pragma once

#include "qfmt/layout/packing.hpp"
#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0 {

/// Overrides of the streaming matmul's division; 0: chosen.
struct MatmulTuning {
  int row_warps = 0;  ///< warps of a block that take different rows
  int splits = 0;     ///< warps that share the k of a row within a block
  int cluster = 0;    ///< blocks that share the k of a tile: 1, 2, 4 or 8; 1 below sm_90
  int blocks = 0;     ///< at most so many blocks along the rows; more tiles than that: several each
};

struct MatmulOptions {
  /// The same bits for a row of y whatever m is: k is divided by the weights' shape alone.
  bool batch_invariant = false;

  /// The kernel may begin before the previous one on the stream has ended, and reads weights before
  /// it waits for it; x and bias after. For weights that no kernel still under way writes. sm_90.
  bool begins_early = true;

  MatmulTuning tuning{};
};

/// What the division depends on of a GPU.
struct DeviceLimits {
  int sm = 0;  ///< 10 * major + minor of the compute capability
  int multiprocessors = 0;
  int shared_bytes = 0;  ///< of one block at most, with the opt-in
};

namespace stream {

/// How many tiles can be worked on at a time. Pairs of blocks always find room; larger clusters do
/// not come out even with a Hopper GPU's groups of multiprocessors, some of which are short.
constexpr int concurrent_tiles(DeviceLimits const& device, int cluster) {
  int const usable = cluster <= 2 ? device.multiprocessors : device.multiprocessors * 3 / 4;
  return usable / cluster > 0 ? usable / cluster : 1;
}

/// Time of a division, in units of 128 bytes of weights read by a multiprocessor: rounds, each as
/// long as its longest run, plus what a round costs before its first and after its last stage.
/// x_bytes: of the activations of one stage. They come from the L2, at about half the cost.
constexpr int64_t division_cost(Shape const& shape, int rows_per_warp, int64_t x_bytes,
                                DeviceLimits const& device) {
  int64_t const rounds = ceil_div(shape.tiles, concurrent_tiles(device, shape.cluster));
  int64_t const steps = ceil_div(ceil_div(shape.stages, shape.cluster), shape.splits);
  int const rows = shape.row_warps * shape.splits * rows_per_warp;
  int const busy = rows < 192 ? 192 : rows;  // fewer do not fill a multiprocessor
  int64_t const step = busy + shape.splits * x_bytes / 256;
  return rounds * (steps * step + 150 + 8 * shape.splits + 150 * (shape.cluster > 1));
}

/// What lies in shared memory besides the activations.
struct Pieces {
  int rows_per_warp = 0;
  int max_warps = 0;
  int ring_bytes_per_warp = 0;
  int stage_values = 0;
  int least_x_stages = 0;  ///< of activations, where not all are kept
  int table_bytes = 0;
  int spare_at = 0;  ///< in the table, room for the partial sums; 0: none
  int level_bytes = 0;
};

/// Lays the pieces out in shared memory, and behind them the activations of as many stages as fit.
/// False where not even the least do, twice.
constexpr bool place(Shape& shape, Pieces const& pieces, int limit) {
  int const warps = shape.row_warps * shape.splits;
  int const ring_end = pieces.table_bytes + warps * pieces.ring_bytes_per_warp;
  int const partial_bytes =
      shape.splits * 8 * partial_pitch(shape.row_warps * pieces.rows_per_warp) * 4;
  shape.partials_at = pieces.spare_at > 0 ? pieces.spare_at : ring_end;
  shape.levels_at = ring_end + (pieces.spare_at > 0 ? 0 : partial_bytes);
  shape.x_at = shape.levels_at + pieces.level_bytes;
  int const room = limit - shape.x_at;
  auto const bytes = [&](int64_t stages) {
    return shape.x_rows * (stages * pieces.stage_values * 2 + 16);
  };
  int const all = static_cast<int>(ceil_div(shape.stages, shape.cluster));
  shape.x_buffers = 1;
  shape.x_stages = all;
  if (bytes(all) > room) {
    shape.x_buffers = 2;
    shape.x_stages = pieces.least_x_stages * shape.splits;
    if (2 * bytes(shape.x_stages) > room) return false;
    while (shape.x_stages < all && 2 * bytes(shape.x_stages + shape.splits) <= room)
      shape.x_stages += shape.splits;
  }
  shape.shared_bytes = shape.x_at + shape.x_buffers * static_cast<int>(bytes(shape.x_stages));
  return true;
}

/// The cheapest division that fits, among those that `tuning` admits; row_warps == 0 where none
/// does. shape: stages, groups and x_rows are set.   rows: (parts), of each part
constexpr Shape divide(Shape const& shape, int64_t const* rows, int parts, Pieces const& pieces,
                       DeviceLimits const& device, MatmulTuning const& tuning) {
  Shape best = shape;
  int64_t least = -1;
  int const most = device.sm < 90 ? 1 : tuning.cluster > 2 ? tuning.cluster : 2;
  auto const admits = [](int asked, int value) { return asked == 0 || asked == value; };
  for (int row_warps = pieces.max_warps; row_warps >= 1; --row_warps) {
    if (!admits(tuning.row_warps, row_warps)) continue;
    int64_t tiles = 0;
    for (int p = 0; p < parts; ++p)
      tiles += ceil_div(rows[p], int64_t{row_warps} * pieces.rows_per_warp);
    for (int cluster = 1; cluster <= most && cluster <= shape.stages; cluster *= 2) {
      if (device.sm >= 90 && 2 * cluster <= shape.stages && !admits(tuning.cluster, cluster))
        continue;
      for (int splits = 1; splits * row_warps <= pieces.max_warps; ++splits) {
        if (!admits(tuning.splits, splits) || splits > ceil_div(shape.stages, cluster)) continue;
        Shape tried = shape;
        tried.row_warps = row_warps;
        tried.splits = splits;
        tried.cluster = cluster;
        tried.tiles = tiles;
        int64_t const cost = division_cost(tried, pieces.rows_per_warp,
                                           int64_t{2} * shape.x_rows * pieces.stage_values, device);
        if (least >= 0 && cost >= least) continue;
        if (!place(tried, pieces, device.shared_bytes)) continue;
        least = cost;
        best = tried;
      }
    }
  }
  int64_t at_once = concurrent_tiles(device, best.cluster);
  if (tuning.blocks != 0) at_once = ceil_div(tuning.blocks, best.cluster);
  best.grid = (best.tiles < at_once ? best.tiles : at_once) * best.cluster;
  return best;
}

/// Cluster and splits of the batch-invariant division: those of the kernel for most rows of x,
/// whose `pieces` take the most shared memory, so that every other kernel has room for them, too.
constexpr MatmulTuning invariant_tuning(Shape const& shape, int64_t const* rows, int parts,
                                        Pieces const& pieces, int most_x_rows,
                                        DeviceLimits const& device) {
  Shape widest = shape;
  widest.x_rows = most_x_rows;
  Shape const s = divide(widest, rows, parts, pieces, device, {});
  if (s.row_warps == 0) return {.row_warps = -1};  // then no kernel may serve
  return {.splits = s.splits, .cluster = s.cluster};
}

}  // namespace stream
}  // namespace qfmt::inline v0
