// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming grouped matmul divides its warps: arithmetic on what the host knows.
#pragma once

#include "qfmt/layout/packing.hpp"
#include "qfmt/ops/grouped/shape.hpp"

namespace qfmt::inline v0::grouped {

/// Rows and columns of a product, and what is known of its groups before it runs.
struct Problem {
  int64_t groups = 0;
  int64_t m = 0;  ///< rows of x of all groups together
  int64_t n = 0;
};

/// Divides the warps: as many items as keep all multiprocessors busy to the end, but no more of x
/// than need be. shape.x_rows, visits and x are set; a split needs two places of x.
constexpr void divide(Shape& shape, Problem const& p, int warps, int multiprocessors,
                      int asked_splits) {
  int const x_rows = shape.x_rows;
  int64_t const touched = p.groups < p.m ? p.groups : p.m;
  int64_t const passes = touched > ceil_div(p.m, x_rows) ? touched : ceil_div(p.m, x_rows);
  int64_t const average = ceil_div(p.m, passes);
  int64_t least = -1;
  for (int splits = 1; 2 * splits <= shape.x.count && splits <= shape.visits; ++splits) {
    if (asked_splits != 0 && splits != asked_splits) continue;
    for (int row_warps = warps / splits; row_warps >= 1; --row_warps) {
      int64_t const tiles = ceil_div(p.n, int64_t{row_warps} * 16);
      int64_t const items = ceil_div(tiles * passes, multiprocessors);
      // Guessed, not measured: a visit's time has a part that does not depend on the warps at work,
      // one of what they bring, and one of the bytes of x.
      int64_t const visit = 30 + 70 * row_warps * splits / warps + 8 * average * splits / warps;
      int64_t const item = ceil_div(shape.visits, splits) * visit + (splits > 1 ? 250 : 100);
      if (least >= 0 && items * item >= least) continue;
      least = items * item;
      shape.row_warps = row_warps;
      shape.splits = splits;
      shape.row_tiles = static_cast<int>(tiles);
    }
  }
  shape.x_places = shape.x.count / shape.splits;
  int64_t const most = (touched + p.m / x_rows) * shape.row_tiles;
  shape.grid = most < multiprocessors ? most : multiprocessors;
}

}  // namespace qfmt::inline v0::grouped
