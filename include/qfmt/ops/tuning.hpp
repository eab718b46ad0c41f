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
  int warps = 0;    ///< of a block, 1 to 8
  int cluster = 0;  ///< blocks that share the k of a tile: 1, 2, 4 or 8; 1 below sm_90
  int blocks = 0;   ///< at most so many blocks along the rows; more tiles than that: several each
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

/// How many tiles can be worked on at a time: clusters of four and eight blocks do not come out
/// even with a Hopper GPU's groups of 16 or 18 multiprocessors.
constexpr int concurrent_tiles(DeviceLimits const& device, int cluster) {
  int const usable = cluster < 4 ? device.multiprocessors : device.multiprocessors / 16 * 16;
  return usable / cluster > 0 ? usable / cluster : 1;
}

/// Time of a division in stages of 32 rows: rounds, each as long as its longest run, plus
/// what a round costs before its first and after its last stage.
constexpr int64_t division_cost(int64_t tiles, int stages, int rows, int cluster,
                                DeviceLimits const& device) {
  int64_t const rounds = ceil_div(tiles, concurrent_tiles(device, cluster));
  int64_t const run = ceil_div(stages, cluster);
  int const busy = (rows < 192 ? 192 : rows) / 32;  // fewer do not fill a multiprocessor
  return rounds * (run * busy + 4 + 2 * (cluster > 1)) + 16;
}

/// What lies in shared memory besides the activations.
struct Pieces {
  int rows_per_warp = 0;
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
  int const ring_end = pieces.table_bytes + shape.warps * pieces.ring_bytes_per_warp;
  int const partial_bytes = 8 * partial_pitch(shape.warps * pieces.rows_per_warp) * 4;
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
    shape.x_stages = pieces.least_x_stages;
    if (2 * bytes(shape.x_stages) > room) return false;
    while (shape.x_stages < all && 2 * bytes(shape.x_stages + 1) <= room) ++shape.x_stages;
  }
  shape.shared_bytes = shape.x_at + shape.x_buffers * static_cast<int>(bytes(shape.x_stages));
  return true;
}

/// The cheapest division that fits, among those that `tuning` admits; warps == 0 where none does.
/// shape: stages, groups and x_rows are set.   rows: (parts), of each part
constexpr Shape divide(Shape const& shape, int64_t const* rows, int parts, Pieces const& pieces,
                       DeviceLimits const& device, MatmulTuning const& tuning) {
  Shape best = shape;
  int64_t least = -1;
  int const most = device.sm < 90 ? 1 : shape.stages < 8 ? shape.stages : 8;
  for (int warps = 8; warps >= 1; --warps) {
    if (tuning.warps != 0 && warps != tuning.warps) continue;
    for (int cluster = 1; cluster <= most; cluster *= 2) {
      bool const is_asked =
          cluster == tuning.cluster || (cluster < tuning.cluster && 2 * cluster > most);
      if (tuning.cluster != 0 && !is_asked) continue;
      Shape tried = shape;
      tried.warps = warps;
      tried.cluster = cluster;
      for (int p = 0; p < parts; ++p)
        tried.tiles += ceil_div(rows[p], int64_t{warps} * pieces.rows_per_warp);
      int64_t const cost =
          division_cost(tried.tiles, shape.stages, warps * pieces.rows_per_warp, cluster, device);
      if (least >= 0 && cost >= least) continue;
      if (!place(tried, pieces, device.shared_bytes)) continue;
      least = cost;
      best = tried;
    }
  }
  int64_t at_once = concurrent_tiles(device, best.cluster);
  if (tuning.blocks != 0) at_once = ceil_div(tuning.blocks, best.cluster);
  best.grid = (best.tiles < at_once ? best.tiles : at_once) * best.cluster;
  return best;
}

/// The cluster of the batch-invariant division: of the weights' shape and the device alone.
constexpr int invariant_cluster(Shape const& shape, int64_t const* rows, int parts,
                                DeviceLimits const& device) {
  DeviceLimits roomy = device;
  roomy.shared_bytes = 1 << 30;
  return divide(shape, rows, parts, {.rows_per_warp = 32}, roomy, {}).cluster;
}

}  // namespace stream
}  // namespace qfmt::inline v0
