// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The activations of a run of stages in shared memory, for the whole block. Where those of all its
// stages fit, they are brought once; else two buffers take turns.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/bulk.cuh"

namespace qfmt::inline v0::stream {

template <SchemeSpec S, Element T>
class Activations {
 public:
  /// x: (rows, k), the block's rows. Stages [begin, end) are used.
  __device__ Activations(uint8_t* shared, T const* x, int64_t k, int rows, Shape const& shape,
                         int begin, int end)
      : shared_(shared),
        x_(x),
        k_(k),
        rows_(rows),
        run_(shape.x_stages),
        pitch_(x_pitch(shape.x_stages, stage_values<S>)),
        begin_(begin),
        end_(end),
        turns_(shape.x_buffers == 2) {}

  /// Brings the first run by ordinary loads, so that it waits for no copy under way. Called by the
  /// whole block, which synchronises before it reads.
  __device__ void bring_first() {
    bring(begin_, 0, [](uint8_t* to, T const* from) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<uint4 const*>(from);
    });
  }

  /// True where the present stage is the first of a run in buffers that take turns.
  __device__ bool begins_run() const { return turns_ && position_ == 0; }

  /// From `stage` to the one after it, of the next tile after the last.
  __device__ void advance(int stage) {
    bool const ends = stage + 1 == end_ || (turns_ && position_ + 1 == run_);
    position_ = ends ? 0 : position_ + 1;
  }

  /// Begins to bring the run after the one that begins at `stage`: the first again after the last.
  /// The copies belong to the caller's next group.
  __device__ void ask_after(int stage) {
    int const next = stage + run_ < end_ ? stage + run_ : begin_;
    buffer_ ^= 1;
    bring(next, buffer_, [](uint8_t* to, T const* from) { ptx::copy_async(to, from); });
    buffer_ ^= 1;
  }
  /// Turns to the buffer that the last ask_after filled.
  __device__ void turn() { buffer_ ^= 1; }

  /// Values of row `row` from value `value` of the present stage on.
  __device__ uint8_t const* at(int row, int value) const {
    return shared_ + (buffer_ * rows_ + row) * pitch_ +
           (position_ * stage_values<S> + value) * static_cast<int>(sizeof(T));
  }
  __device__ int pitch() const { return pitch_; }

 private:
  static constexpr int per_copy = 16 / static_cast<int>(sizeof(T));

  /// copy(to, from) of every 16 bytes of the run that begins at `stage`.
  template <class Copy>
  __device__ void bring(int stage, int buffer, Copy copy) {
    int64_t const first = int64_t{stage} * stage_values<S>;
    int const stages = stage + run_ < end_ ? run_ : end_ - stage;
    int64_t const left = k_ - first;
    int const values =
        left < stages * stage_values<S> ? static_cast<int>(left) : stages * stage_values<S>;
    int const copies = values / per_copy;  // of a row
    uint8_t* const to = shared_ + buffer * rows_ * pitch_;
    for (int row = 0; row < rows_; ++row)
      for (int i = static_cast<int>(threadIdx.x); i < copies; i += static_cast<int>(blockDim.x))
        copy(to + row * pitch_ + i * 16, x_ + row * k_ + first + i * per_copy);
  }

  uint8_t* shared_;
  T const* x_;
  int64_t k_;
  int rows_;
  int run_;
  int pitch_;
  int begin_, end_;
  bool turns_;
  int buffer_ = 0;
  int position_ = 0;  // of the present stage in its run
};

}  // namespace qfmt::inline v0::stream
