// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp's own queue of stages of packed weights in shared memory, filled asynchronously ahead of
// use. Warps do not wait for one another.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/bulk.cuh"

namespace qfmt::inline v0::stream {

/// Bytes that a lane takes from a row for one group: a quarter of it.
template <SchemeSpec S>
inline constexpr int lane_bytes = group_values<S>* S::bits / 32;

/// Which 16-byte piece of a stage's row lies where: piece p of row r at p ^ piece_swizzle(r). The
/// eight rows of a fragment then meet in no bank.
template <SchemeSpec S>
__device__ constexpr int piece_swizzle(int row) {
  if (lane_bytes<S> == 16) return (row & 1) << 2;
  if (lane_bytes<S> == 8) return (row & 3) << 1;
  return row & 7;
}

/// Depth: stages in the ring.
template <SchemeSpec S, int RowsPerWarp, int RowBytes, int Depth>
class WeightRing {
  static constexpr int pieces = RowBytes / 16;  // of a row, a lane each
  static constexpr int rows_a_load = 32 / pieces;
  static constexpr int loads = RowsPerWarp / rows_a_load;

 public:
  static constexpr int stage_bytes = RowsPerWarp * RowBytes;

  /// ring: this warp's Depth * stage_bytes bytes. Of every tile each `step`-th stage of [begin,
  /// end) is read.
  __device__ WeightRing(uint8_t* ring, int first_row, int64_t row_bytes_of_k, int begin, int end,
                        int step)
      : ring_(ring),
        row_(first_row + lane() / pieces),
        k_bytes_(row_bytes_of_k),
        begin_(begin),
        end_(end),
        step_(step),
        stage_(begin) {}

  /// Turns to a tile; the next stage to be asked for is its first.
  __device__ void begin(Tile<S> const& tile) {
    codes_ = tile.part->codes + tile.row * tile.part->row_bytes + lane() % pieces * 16;
    stage_ = begin_;
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      int const row = row_ + rows_a_load * i;  // rows that do not exist repeat the last one
      offset_[i] =
          static_cast<uint32_t>((row < tile.rows ? row : tile.rows - 1) * tile.part->row_bytes);
    }
  }

  /// True while the tile has stages to ask for.
  __device__ bool more() const { return stage_ < end_; }

  /// Asks for the next stage of the tile.
  __device__ void ask() {
    int64_t const at = int64_t{stage_} * RowBytes;
    if (at + lane() % pieces * 16 < k_bytes_) {
      uint8_t* const slot = ring_ + next_ * stage_bytes;
#pragma unroll
      for (int i = 0; i < loads; ++i) {
        int const row = lane() / pieces + rows_a_load * i;
        int const piece = (lane() % pieces) ^ piece_swizzle<S>(row);
        ptx::copy_async(slot + row * RowBytes + piece * 16, codes_ + at + offset_[i]);
      }
    }
    stage_ += step_;
    next_ = next_ + 1 == Depth ? 0 : next_ + 1;
  }

  /// The oldest stage, once it has come; the call before gave it up. Called after each ask and a
  /// ptx::commit_copies.
  __device__ uint8_t const* take() {
    uint8_t const* const slot = ring_ + oldest_ * stage_bytes;
    oldest_ = oldest_ + 1 == Depth ? 0 : oldest_ + 1;
    return slot;
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  uint8_t* ring_;
  uint8_t const* codes_ = nullptr;
  uint32_t offset_[loads];  // within a tile
  int row_;
  int64_t k_bytes_;
  int begin_, end_, step_;
  int stage_;
  int next_ = 0;
  int oldest_ = 0;
};

}  // namespace qfmt::inline v0::stream
