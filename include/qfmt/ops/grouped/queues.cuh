// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What flows into a block of the streaming grouped matmul: each warp's codes through a queue of its
// own, x through a ring that one warp fills for all.
#pragma once

#include "qfmt/ops/grouped/shape.hpp"
#include "qfmt/ops/grouped/walk.cuh"
#include "qfmt/ops/stream/weight_queue.cuh"

namespace qfmt::inline v0::grouped {

/// True where the streaming kernel multiplies this matrix: rows begin on 16 bytes and on a group of
/// values with one scale. The others of a launch take the slow way.
template <SchemeSpec S>
__device__ bool streams(QuantizedMatrix<S const> const& w, [[maybe_unused]] int64_t k) {
  constexpr int64_t group = stream::group_values<S>;
  constexpr int64_t aligned = 128 / S::bits > group ? 128 / S::bits : group;
  if (w.row_stride % aligned != 0 || w.origin % aligned != 0) return false;
  if (w.row_stride > int64_t{1} << 22) return false;
  if constexpr (S::is_row_wise) {
    int64_t const length = w.values.scales.row_length;
    if (w.row_stride != length || w.origin % length + k > length) return false;
  }
  return reinterpret_cast<uintptr_t>(w.values.codes) % 16 == 0;
}

/// Walks over items that do not stream; true where there was one.
template <SchemeSpec S, Element T, class Offset>
__device__ bool skip_slow_items(Operands<S, T, Offset> const& operands, Walk<Offset>& walk) {
  bool skipped = false;
  for (; walk.has_item() && !streams(operands.matrix[walk.item().group], operands.k); walk.next())
    skipped = true;
  return skipped;
}

/// A warp's own queue of packed weights, asked for some visits ahead of use and across items: the
/// visits split, split + splits, ... of every item that streams.
template <SchemeSpec S, Element T, class Offset, class Tuning>
class CodeQueue {
  static constexpr int pieces = stream::stage_bytes / 16;  // of a row in a stage, a lane each
  static constexpr int loads = 16 * pieces / 32;           // of a lane in a stage
  static constexpr int rows_a_load = 32 / pieces;

 public:
  static constexpr int stage_bytes = 16 * stream::stage_bytes;

  /// places: the warp's, Tuning::queue_bytes   first_row: the warp's, of a tile
  __device__ CodeQueue(uint8_t* places, Operands<S, T, Offset> const& operands, Shape const& shape,
                       Walk<Offset> const& walk, int first_row, int split)
      : places_(places),
        operands_(operands),
        shape_(shape),
        walk_(walk),
        first_row_(first_row),
        split_(split) {
    begin_item();
#pragma unroll
    for (int d = 0; d < Tuning::depth; ++d) ask();
  }

  /// The codes that come next, (stages, 16, 128) bytes, once they are here.
  __device__ uint8_t const* take() const {
    ptx::wait_copies<Tuning::depth - 1>();
    __syncwarp();
    return places_ + place_ * Tuning::visit_bytes;
  }

  /// Asks for the next visit, where there is one, in the place of the codes that `take` returned.
  /// Every lane has left it: called behind ActivationRings::release.
  __device__ void ask() {
    if (walk_.has_item()) {
      uint8_t* const to = places_ + place_ * Tuning::visit_bytes;
#pragma unroll
      for (int stage = 0; stage < Tuning::stages; ++stage) ask_stage(to, stage);
      codes_ += shape_.splits * Tuning::stages * stream::stage_bytes;
      visit_ += shape_.splits;
      if (visit_ >= shape_.visits) {
        walk_.next();
        begin_item();
      }
    }
    ptx::commit_copies();
    place_ = place_ + 1 == Tuning::depth ? 0 : place_ + 1;
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  __device__ void ask_stage(uint8_t* to, int stage) const {
    int const piece = lane() % pieces;
    int64_t const first = int64_t{visit_ * Tuning::stages + stage} * stream::stage_values<S>;
    bool const exists = piece * 16 * 8 / S::bits < operands_.k - first;
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      int const row = lane() / pieces + rows_a_load * i;
      ptx::copy_async_or_zero(to + stage * stage_bytes + row * stream::stage_bytes +
                                  (piece ^ stream::piece_swizzle<S>(row)) * 16,
                              codes_ + stage * stream::stage_bytes + offset_[i], exists);
    }
  }

  __device__ void begin_item() {
    skip_slow_items(operands_, walk_);
    if (!walk_.has_item()) return;
    Item const item = walk_.item();
    QuantizedMatrix<S const> const& w = operands_.matrix[item.group];
    int64_t const row_bytes = w.row_stride * S::bits / 8;
    int64_t const left = operands_.n - item.row;
    visit_ = split_;
    codes_ = w.values.codes + w.origin * S::bits / 8 + item.row * row_bytes +
             int64_t{visit_} * Tuning::stages * stream::stage_bytes + lane() % pieces * 16;
#pragma unroll
    for (int i = 0; i < loads; ++i) {  // rows that do not exist repeat the last one
      int64_t const row = first_row_ + lane() / pieces + rows_a_load * i;
      offset_[i] = static_cast<uint32_t>((row < left ? row : left - 1) * row_bytes);
    }
  }

  uint8_t* places_;
  Operands<S, T, Offset> const& operands_;
  Shape const& shape_;
  Walk<Offset> walk_;
  int first_row_, split_;
  int place_ = 0;
  int visit_ = 0;
  uint8_t const* codes_ = nullptr;  // of the visit to be asked for
  uint32_t offset_[loads]{};        // within a tile
};

/// Where one side stands in a ring of visits' x: the place, and the parity of its phase.
struct RingTurn {
  int place = 0;
  uint32_t parity = 0;

  __device__ void next(int count) {
    if (++place < count) return;
    place = 0;
    parity ^= 1;
  }
};

/// Rings of visits' x, (x_rows, a pitch of 16 bytes more than they hold), so that rows begin in
/// different banks. Each split has a ring of its own, so that whoever takes visits takes every one.
template <SchemeSpec S, Element T, class Tuning>
class ActivationRings {
 public:
  static constexpr int values = Tuning::stages * stream::stage_values<S>;  // of a visit
  static constexpr int bytes = values * static_cast<int>(sizeof(T));       // of a row
  static constexpr int pitch = bytes + 16;

  /// barriers: (2, shape.x.count)
  __device__ ActivationRings(uint8_t* shared, ptx::Barrier* barriers, Shape const& shape)
      : shared_(shared), barriers_(barriers), shape_(shape) {}

  /// Called by one thread, before the block's first use and its fence_barrier_init.
  __device__ void init() const {
    for (int i = 0; i < shape_.x.count; ++i) {
      ptx::init_barrier(full(i), 1);
      ptx::init_barrier(empty(i), static_cast<uint32_t>(shape_.row_warps));
    }
  }

  /// Brings a visit of `rows` rows of x. Called by a whole warp, whose lane j keeps the turn of
  /// split j.
  __device__ void bring(T const* x, int64_t k, int visit, int rows, RingTurn& turn) const {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const split = visit % shape_.splits;
    int const at = split * shape_.x_places + __shfl_sync(~0u, turn.place, split);
    uint32_t const parity = __shfl_sync(~0u, turn.parity, split);
    int64_t const first = int64_t{visit} * values;
    int64_t const left = (k - first) * static_cast<int64_t>(sizeof(T));
    uint32_t const exist = static_cast<uint32_t>(left < bytes ? left : bytes);
    ptx::wait(empty(at), parity ^ 1);  // the phase before the first is complete
    if (lane == 0) ptx::arrive_and_expect(full(at), exist * static_cast<uint32_t>(rows));
    __syncwarp();
    for (int r = lane; r < rows; r += 32)
      ptx::copy_bulk(shared_ + shape_.x.offset(at) + r * pitch, x + r * k + first, exist, full(at));
    if (lane == split) turn.next(shape_.x_places);
  }

  /// The visit of a split's turn, once it is here. Called by whole warps.
  __device__ uint8_t const* take(int split, RingTurn const& turn) const {
    int const at = split * shape_.x_places + turn.place;
    ptx::wait(full(at), turn.parity);
    return shared_ + shape_.x.offset(at);
  }
  /// After the last read of it.
  __device__ void release(int split, RingTurn& turn) const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::arrive(empty(split * shape_.x_places + turn.place));
    turn.next(shape_.x_places);
  }

 private:
  __device__ ptx::Barrier* full(int i) const { return barriers_ + i; }
  __device__ ptx::Barrier* empty(int i) const { return barriers_ + shape_.x.count + i; }

  uint8_t* shared_;
  ptx::Barrier* barriers_;
  Shape const& shape_;
};

}  // namespace qfmt::inline v0::grouped
