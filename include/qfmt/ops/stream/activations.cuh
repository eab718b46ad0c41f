// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The activations of a run of stages in shared memory, for the whole block. Where those of all its
// stages fit, they are brought once; else two buffers take turns.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/bulk.cuh"

namespace qfmt::inline v0::stream {

/// Stage: values of k in a stage.
template <Element T, int Stage>
class Activations {
 public:
  /// x: (rows, k), the block's rows. Stages [begin, end) are used, shape.splits at a time.
  __device__ Activations(uint8_t* shared, T const* x, int64_t k, int rows, Shape const& shape,
                         int begin, int end)
      : shared_(shared),
        x_(x),
        k_(k),
        rows_(rows),
        run_(shape.x_stages),
        pitch_(x_pitch(shape.x_stages, Stage)),
        begin_(begin),
        end_(end),
        splits_(shape.splits),
        turns_(shape.x_buffers == 2) {}

  /// Brings the first run by ordinary loads, so that it waits for no copy under way; many are under
  /// way together. Called by the whole block, which synchronises before it reads.
  __device__ void bring_first() {
    constexpr int batch = 8;
    int const copies = copies_of_run(begin_);
    int const step = static_cast<int>(blockDim.x);
    T const* const from = x_ + int64_t{begin_} * Stage;
    for (int i = static_cast<int>(threadIdx.x); i < rows_ * copies; i += batch * step) {
      uint4 value[batch];
#pragma unroll
      for (int b = 0; b < batch; ++b) {
        int const at = i + b * step;
        if (at < rows_ * copies)
          value[b] =
              *reinterpret_cast<uint4 const*>(from + at / copies * k_ + at % copies * per_copy);
      }
#pragma unroll
      for (int b = 0; b < batch; ++b) {
        int const at = i + b * step;
        if (at < rows_ * copies)
          *reinterpret_cast<uint4*>(shared_ + at / copies * pitch_ + at % copies * 16) = value[b];
      }
    }
  }

  /// True where the present stage is the first of a run in buffers that take turns.
  __device__ bool begins_run() const { return turns_ && position_ == 0; }

  /// From the stages at `stage` to the ones after them, of the next tile after the last.
  __device__ void advance(int stage) {
    bool const ends = stage + splits_ >= end_ || (turns_ && position_ + splits_ == run_);
    position_ = ends ? 0 : position_ + splits_;
  }

  /// Begins to bring the run after the one that begins at `stage`: the first again after the last.
  /// The copies belong to the caller's next group.
  __device__ void ask_after(int stage) {
    int const next = stage + run_ < end_ ? stage + run_ : begin_;
    int const copies = copies_of_run(next);
    T const* const from = x_ + int64_t{next} * Stage;
    uint8_t* const to = shared_ + (buffer_ ^ 1) * rows_ * pitch_;
    int const step = static_cast<int>(blockDim.x);
    for (int i = static_cast<int>(threadIdx.x); i < rows_ * copies; i += step)
      ptx::copy_async(to + i / copies * pitch_ + i % copies * 16,
                      from + i / copies * k_ + i % copies * per_copy);
  }
  /// Turns to the buffer that the last ask_after filled.
  __device__ void turn() { buffer_ ^= 1; }

  /// Values of row `row` from value `value` of the present stage of split `split` on.
  __device__ uint8_t const* at(int row, int split, int value) const {
    return shared_ + (buffer_ * rows_ + row) * pitch_ +
           ((position_ + split) * Stage + value) * static_cast<int>(sizeof(T));
  }
  __device__ int pitch() const { return pitch_; }

 private:
  static constexpr int per_copy = 16 / static_cast<int>(sizeof(T));

  /// 16-byte pieces in a row of the run that begins at `stage`.
  __device__ int copies_of_run(int stage) const {
    int const stages = stage + run_ < end_ ? run_ : end_ - stage;
    int64_t const left = k_ - int64_t{stage} * Stage;
    int const values = left < stages * Stage ? static_cast<int>(left) : stages * Stage;
    return values / per_copy;
  }

  uint8_t* shared_;
  T const* x_;
  int64_t k_;
  int rows_;
  int run_;
  int pitch_;
  int begin_, end_, splits_;
  bool turns_;
  int buffer_ = 0;
  int position_ = 0;  // of the present stage in its run
};

}  // namespace qfmt::inline v0::stream
