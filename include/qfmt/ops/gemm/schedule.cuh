// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which parts of which tiles a block of the tiled matmul works on.
//
// Where tiles do not come out even with the multiprocessors, the last ones are split: their stages,
// one tile behind another, are one run of units that the blocks divide evenly. A block works on its
// share from behind: the part of a tile whose end lies with a later block comes first, and the part
// that completes a tile which earlier blocks began comes last. So a block only ever waits for
// blocks of lower index, for what they did first.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"

namespace qfmt::inline v0::gemm {

/// Stages [begin, end) of a tile.
struct Piece {
  int tile, begin, end;
};

/// The pieces of one block, in order.
class Schedule {
 public:
  QFMT_HD Schedule(Shape const& shape, int block)
      : shape_(shape), low_(unit_of(block)), high_(unit_of(block + 1)), tile_(block) {}

  /// False after the last one.
  QFMT_HD bool next(Piece& piece) {
    int const whole = shape_.tiles - shape_.split_tiles;
    if (high_ > low_) {
      int const tile = (high_ - 1) / shape_.stages;
      int const first = tile * shape_.stages;
      int const begin = low_ > first ? low_ : first;
      piece = {whole + tile, begin - first, high_ - first};
      high_ = begin;
      return true;
    }
    if (tile_ >= whole) return false;
    piece = {tile_, 0, shape_.stages};
    tile_ += shape_.grid;
    return true;
  }

  /// The first of the blocks that share a split tile.
  QFMT_HD int first_block(int tile) const {
    int64_t const unit = int64_t{tile - (shape_.tiles - shape_.split_tiles)} * shape_.stages;
    int64_t const units = int64_t{shape_.split_tiles} * shape_.stages;
    return static_cast<int>(((unit + 1) * shape_.grid - 1) / units);
  }

 private:
  QFMT_HD int unit_of(int block) const {
    return static_cast<int>(int64_t{block} * shape_.split_tiles * shape_.stages / shape_.grid);
  }

  Shape const& shape_;
  int low_, high_;  // units of the split tiles that are left
  int tile_;        // the next whole one
};

}  // namespace qfmt::inline v0::gemm
