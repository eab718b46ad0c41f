// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Who does what of a grouped product. How many rows each group has is known on the device alone, so
// every warp finds its block's share there: the pieces of work of all groups, one after another,
// are divided evenly.
#pragma once

#include "qfmt/layout/matrix_groups.hpp"

namespace qfmt::inline v0::grouped {

/// Everything the kernels read and write.
template <SchemeSpec S, Element T, class Offset>
struct Operands {
  QuantizedMatrix<S const> const* matrix = nullptr;  // (groups)
  Offset const* offsets = nullptr;                   // (groups + 1), rows of x, ascending
  int groups = 0;
  T const* x = nullptr;     // (m, k)
  T* y = nullptr;           // (m, n)
  T const* bias = nullptr;  // (groups, n) or null
  int64_t n = 0;
  int64_t k = 0;
};

/// The size of a piece of work.
struct Piece {
  int row_tiles = 0;  ///< of a matrix
  int tile_rows = 0;  ///< rows of weights
  int x_rows = 0;     ///< rows of x at most
};

/// Some rows of a group's x times some rows of its weights.
struct Item {
  int group;
  int x_rows;       // at least 1
  int64_t row;      // of the weights
  int64_t first_m;  // of x and y
};

/// The items of a block, in order: of a group one tile of rows of weights after another, for each
/// of them all rows of x, which then find the weights in the L2. Every method is called by whole
/// warps.
template <class Offset>
class Walk {
 public:
  /// Stands at the first item of block `block` of `blocks`.
  __device__ Walk(Offset const* offsets, int groups, Piece const& piece, int64_t block,
                  int64_t blocks)
      : offsets_(offsets), groups_(groups), piece_(piece) {
    int64_t passes = 0;
    for (int g = lane(); g < groups; g += 32) passes += passes_of(g);
#pragma unroll
    for (int step = 16; step > 0; step /= 2) passes += __shfl_xor_sync(~0u, passes, step);
    int64_t const items = passes * piece.row_tiles;
    int64_t const begin = items / blocks * block + items % blocks * block / blocks;
    left_ = items / blocks * (block + 1) + items % blocks * (block + 1) / blocks - begin;
    if (left_ > 0) seek(begin);
  }

  __device__ bool has_item() const { return left_ > 0; }

  __device__ Item item() const {
    int64_t const first = first_m_ + int64_t{pass_} * piece_.x_rows;
    int64_t const rest = end_m_ - first;
    return {group_, rest < piece_.x_rows ? static_cast<int>(rest) : piece_.x_rows,
            int64_t{row_tile_} * piece_.tile_rows, first};
  }

  __device__ void next() {
    if (--left_ == 0 || ++pass_ < passes_) return;
    pass_ = 0;
    if (++row_tile_ < piece_.row_tiles) return;
    row_tile_ = 0;
    for (int first = group_ + 1;; first += 32) {  // there is one with rows
      int const mine = passes_of(first + lane());
      unsigned const found = __ballot_sync(~0u, mine != 0);
      if (found == 0) continue;
      enter(first, __ffs(static_cast<int>(found)) - 1, mine);
      return;
    }
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  /// Passes over the rows of x of group g; none where there is no such group.
  __device__ int passes_of(int g) const {
    int64_t const rows =
        g < groups_ ? static_cast<int64_t>(offsets_[g + 1]) - static_cast<int64_t>(offsets_[g]) : 0;
    return rows > 0 ? static_cast<int>((rows + piece_.x_rows - 1) / piece_.x_rows) : 0;
  }

  __device__ void seek(int64_t index) {
    int64_t before = 0;  // passes of earlier groups
    for (int first = 0;; first += 32) {
      int const mine = passes_of(first + lane());
      int64_t through = mine;
#pragma unroll
      for (int step = 1; step < 32; step *= 2) {
        int64_t const other = __shfl_up_sync(~0u, through, static_cast<unsigned>(step));
        if (lane() >= step) through += other;
      }
      unsigned const found = __ballot_sync(~0u, index < (before + through) * piece_.row_tiles);
      int const source = found != 0 ? __ffs(static_cast<int>(found)) - 1 : 31;
      before += __shfl_sync(~0u, found != 0 ? through - mine : through, source);
      if (found == 0) continue;
      enter(first, source, mine);
      int64_t const within = index - before * piece_.row_tiles;
      row_tile_ = static_cast<int>(within / passes_);
      pass_ = static_cast<int>(within % passes_);
      return;
    }
  }

  /// Turns to the group of lane `source`.
  __device__ void enter(int first, int source, int passes) {
    group_ = first + source;
    passes_ = __shfl_sync(~0u, passes, source);
    first_m_ = static_cast<int64_t>(offsets_[group_]);
    end_m_ = static_cast<int64_t>(offsets_[group_ + 1]);
  }

  Offset const* offsets_;
  int groups_;
  Piece piece_;
  int64_t left_ = 0;
  int group_ = 0;
  int passes_ = 1;
  int64_t first_m_ = 0, end_m_ = 0;
  int row_tile_ = 0, pass_ = 0;
};

}  // namespace qfmt::inline v0::grouped
