// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp's own queue of packed weights in shared memory, asked for some visits ahead of use and
// across tiles. Warps do not wait for one another.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/bulk.cuh"

namespace qfmt::inline v0::stream {

/// Which 16-byte piece of a row lies where in the queue: piece p of row r at p ^ piece_swizzle(r).
/// The rows that a warp reads together then meet in no bank.
template <SchemeSpec S>
__device__ constexpr int piece_swizzle(int row) {
  constexpr int read = lane_bytes<S> < 4 ? 1 : lane_bytes<S> / 4;  // pieces of a row at a time
  static_assert(stage_bytes == 128, "rows that fill all banks");
  constexpr int pieces = stage_bytes / 16;  // of a row
  return row % (pieces / read) * read;
}

/// Asks for one visit after another: of a tile those at stages begin + split, that plus splits,
/// ...; then of the next tile. Tiles are padded to a multiple of Depth visits, so that the n-th
/// visit of every tile belongs to the same place in a queue of Depth.
template <SchemeSpec S, Element T, int Max, int RowTiles, int Depth>
class WeightQueue {
  static constexpr int pieces = stage_bytes / 16;            // of a row in a visit, a lane each
  static constexpr int loads = 16 * RowTiles * pieces / 32;  // of a lane
  static constexpr int rows_a_load = 32 / pieces;

 public:
  static constexpr int visit_bytes = 16 * RowTiles * stage_bytes;

  /// places: the warp's, Depth * visit_bytes   first_row: the warp's, within a tile
  /// first_stage: the warp's first of a tile
  __device__ WeightQueue(uint8_t* places, Operands<S, T, Max> const& operands, Shape const& shape,
                         int first_row, int first_stage, int end_stage, int64_t first_tile,
                         int64_t tile_step)
      : places_(places),
        operands_(operands),
        shape_(shape),
        first_row_(first_row),
        first_stage_(first_stage),
        end_stage_(end_stage),
        tile_(first_tile),
        tile_step_(tile_step) {
    begin_tile();
  }

  /// Turns to the next tile where all visits of this one have been asked for. Called before every
  /// Depth visits.
  __device__ void turn() {
    if (visit_ < padded_visits(shape_)) return;
    tile_ += tile_step_;
    begin_tile();
  }

  /// Asks for the next visit, where there is one, in the `place`-th place of the queue. Groups that
  /// do not exist come as zeros.
  __device__ void ask(int place) {
    if (stage_ < end_stage_) ask_codes(places_ + place * visit_bytes);
    ptx::commit_copies();
    stage_ += shape_.splits;
    ++visit_;
  }

  /// The codes in a place of the queue, (16 * RowTiles, stage_bytes), once they have come; `ask`
  /// was called Depth times since the one for it was, that one counted.
  __device__ uint8_t const* codes(int place) const {
    ptx::wait_copies<Depth - 1>();
    __syncwarp();
    return places_ + place * visit_bytes;
  }

  static __device__ int padded_visits(Shape const& shape) {
    return (shape.visits + Depth - 1) / Depth * Depth;
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  __device__ void begin_tile() {
    visit_ = 0;
    stage_ = tile_ < shape_.tiles ? first_stage_ : end_stage_;
    if (tile_ >= shape_.tiles) return;
    auto const tile = Tile<S>::of(operands_, tile_, shape_.row_warps * 16 * RowTiles);
    auto const row = [&](int i) {  // rows that do not exist repeat the last one
      return first_row_ + i < tile.rows ? first_row_ + i : tile.rows - 1;
    };
    codes_ = tile.part->codes + tile.row * tile.part->row_bytes +
             int64_t{first_stage_} * stage_bytes + lane() % pieces * 16;
#pragma unroll
    for (int i = 0; i < loads; ++i)
      offset_[i] =
          static_cast<uint32_t>(row(lane() / pieces + rows_a_load * i) * tile.part->row_bytes);
  }

  __device__ void ask_codes(uint8_t* place) {
    bool const exists =
        lane() % pieces * 16 * 8 / S::bits < operands_.k - int64_t{stage_} * stage_values<S>;
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      int const row = lane() / pieces + rows_a_load * i;
      int const piece = lane() % pieces ^ piece_swizzle<S>(row);
      ptx::copy_async_or_zero(place + row * stage_bytes + piece * 16, codes_ + offset_[i], exists);
    }
    codes_ += shape_.splits * stage_bytes;
  }

  uint8_t* places_;
  Operands<S, T, Max> const& operands_;
  Shape const& shape_;
  int first_row_, first_stage_, end_stage_;
  int64_t tile_, tile_step_;
  int stage_, visit_;
  uint8_t const* codes_ = nullptr;  // of the visit to be asked for
  uint32_t offset_[loads];          // within a tile
};

}  // namespace qfmt::inline v0::stream
