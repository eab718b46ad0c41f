// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The activations of a run of stages in shared memory, for the whole block: those of all its stages
// where they fit, else of as many as do, a run after another.
#pragma once

#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0::stream {

template <SchemeSpec S, Element T>
class Activations {
 public:
  /// shared: the block's   x: (rows, k), the block's rows. Stages before `end` are used.
  __device__ Activations(uint8_t* shared, T const* x, int64_t k, int rows, Shape const& shape,
                         int end)
      : first_(shared),
        rest_(shared + shape.x_rest_at),
        firsts_(shape.x_first),
        x_(x),
        k_(k),
        rows_(rows),
        run_(shape.x_visits * shape.splits),
        end_(end) {}

  /// Brings the run of stages from `stage` on; zeros where a row has ended. Called by the whole
  /// block, which synchronises before it reads and before the next run.
  __device__ void bring(int stage) {
    constexpr int batch = 8;  // loads of a lane under way together
    int const stages = stage + run_ < end_ ? run_ : end_ - stage;
    int const pieces = stages * stage_values<S> / per_piece;
    int64_t const from = int64_t{stage} * stage_values<S>;
    int const exist = static_cast<int>((k_ - from) / per_piece);
    int const sections = (pieces + batch * 32 - 1) / (batch * 32);
    int const step = static_cast<int>(blockDim.x / 32);
    for (int i = static_cast<int>(threadIdx.x / 32); i < rows_ * sections; i += step) {
      int const row = i / sections;
      int const first = i % sections * batch * 32 + static_cast<int>(threadIdx.x % 32);
      T const* const x = x_ + row * k_ + from;
      uint8_t* const to = begin_of(row);
      uint4 value[batch];
#pragma unroll
      for (int b = 0; b < batch; ++b) {
        int const piece = first + b * 32;
        value[b] = uint4{0, 0, 0, 0};
        if (piece < exist && piece < pieces)
          value[b] = *reinterpret_cast<uint4 const*>(x + piece * per_piece);
      }
#pragma unroll
      for (int b = 0; b < batch; ++b)
        if (first + b * 32 < pieces)
          *reinterpret_cast<uint4*>(to + (first + b * 32) * 16) = value[b];
    }
  }

  /// The shared address of row `row`, of row 0 where there is none, from value `value` of the run's
  /// stage `stage` on.
  __device__ uint32_t at(int row, int stage, int value) const {
    return ptx::shared_address(begin_of(row < rows_ ? row : 0)) +
           static_cast<uint32_t>((stage * stage_values<S> + value) * static_cast<int>(sizeof(T)));
  }

 private:
  static constexpr int per_piece = 16 / static_cast<int>(sizeof(T));

  __device__ uint8_t* begin_of(int row) const {
    int const pitch = x_pitch<S>(run_);
    return row < firsts_ ? first_ + row * pitch : rest_ + (row - firsts_) * pitch;
  }

  uint8_t* first_;
  uint8_t* rest_;
  int firsts_;
  T const* x_;
  int64_t k_;
  int rows_;
  int run_;
  int end_;
};

}  // namespace qfmt::inline v0::stream
