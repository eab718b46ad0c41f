// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The scales of a warp's sixteen rows, a visit at a time and one ahead, of matrices whose views lie
// in device memory: lane 4g + t keeps those of rows g and g + 8 and of every fourth group from t
// on, and hands them to its quad.
#pragma once

#include "qfmt/ops/stream/scales.cuh"

namespace qfmt::inline v0::grouped {

/// Stages: of a visit.
template <SchemeSpec S, int Stages>
class Scales {
  static constexpr int stage_groups = stream::stage_groups<S>;
  static constexpr int per_row = stage_groups < 4 ? 1 : stage_groups / 4;  // of a lane in a stage
  static constexpr int kept = Stages * per_row;
  static constexpr int group_shift = stream::log2_of(stream::group_values<S>);
  static constexpr int block_shift = stream::log2_of(S::block_size) - group_shift;

 public:
  /// levels: (256), built in, of nested scales   row_groups: groups of a row   step: visits
  __device__ Scales(float const* levels, int row_groups, int step)
      : built_in_(levels), row_groups_(row_groups), step_(step * Stages * stage_groups) {}

  /// Turns to rows [row, row + rows) of a matrix, of which the warp's begin at first_row; what is
  /// asked for begins at visit `visit`. Rows that do not exist repeat the last one.
  __device__ void begin(QuantizedMatrix<S const> const& w, int64_t row, int rows, int first_row,
                        int visit) {
    auto const& scales = w.values.scales;
    int64_t const group = (w.origin + row * w.row_stride) >> group_shift;
    int64_t const block = group >> block_shift;
    uint32_t const stride = static_cast<uint32_t>(w.row_stride >> group_shift);
    if constexpr (S::is_nested) {
      int64_t const outer = block / AbsmaxScheme::block_size;
      float const* const stored = stored_levels(scales.absmax.scales);
      next_levels_ = stored != nullptr ? stored : built_in_;
      codes_ = scales.absmax.codes + block;
      factors_ = scales.absmax.scales.absmax + outer;
      first_block_ = static_cast<uint32_t>(block - outer * AbsmaxScheme::block_size);
      next_shift_ = __ldg(scales.offset);
    } else {
      factors_ = scales.absmax + block;
    }
    group_ = visit * Stages * stage_groups + lane() % 4 % stage_groups;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      int const r = first_row + lane() / 4 + 8 * i;
      offset_[i] = static_cast<uint32_t>(group - (block << block_shift)) +
                   static_cast<uint32_t>(r < rows ? r : rows - 1) * stride;
    }
  }

  /// Asks for the next visit's. Of groups that do not exist nothing is read.
  __device__ void ask() {
#pragma unroll
    for (int j = 0; j < kept; ++j) {
      int const group = group_of(j);
      if (group >= row_groups_) continue;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        uint32_t const block = (offset_[i] + static_cast<uint32_t>(group)) >> block_shift;
        if constexpr (S::is_nested) {
          code_[i][j] = __ldg(codes_ + block);
          factor_[i][j] = __ldg(factors_ + (first_block_ + block) / AbsmaxScheme::block_size);
        } else {
          factor_[i][j] = __ldg(factors_ + block);
        }
      }
    }
  }

  /// Decodes what the last `ask` brought: the scales of the visit that begins now.
  __device__ void take() {
#pragma unroll
    for (int j = 0; j < kept; ++j) {
      if (group_of(j) >= row_groups_) continue;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float scale = factor_[i][j];
        if constexpr (S::is_nested)
          scale = exact::mul_then_add(next_levels_[code_[i][j]], scale, next_shift_);
        scale_[i][j] = scale;
      }
    }
    group_ += step_;
  }

  /// The scale of row 8 * i + lane / 4 in a group of a stage of the visit taken. Called by whole
  /// warps.
  __device__ float operator()(int i, int stage, int group) const {
    return __shfl_sync(~0u, scale_[i][stage * per_row + group / 4], group % 4, 4);
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }
  __device__ int group_of(int j) const {
    return group_ + j / per_row * stage_groups + j % per_row * 4;
  }

  float const* built_in_;
  int row_groups_, step_;
  float const* next_levels_ = nullptr;  // of what is asked for
  uint8_t const* codes_ = nullptr;
  float const* factors_ = nullptr;
  uint32_t first_block_ = 0;
  float next_shift_ = 0.f;
  uint32_t offset_[2]{};
  int group_ = 0;
  uint32_t code_[2][kept]{};
  float factor_[2][kept]{};
  float scale_[2][kept]{};
};

/// Rows that share one scale each take it at the end.
template <SchemeSpec S, int Stages>
  requires(S::is_row_wise)
class Scales<S, Stages> {
 public:
  __device__ Scales(float const*, int, int) {}
  __device__ void begin(QuantizedMatrix<S const> const&, int64_t, int, int, int) {}
  __device__ void ask() {}
  __device__ void take() {}
  __device__ float operator()(int, int, int) const { return 1.f; }
};

/// The built-in levels of nested scales into shared memory.     levels: (256)
template <SchemeSpec S>
__device__ void fill_levels([[maybe_unused]] float* levels) {
  if constexpr (S::is_nested)
    for (unsigned c = threadIdx.x; c < 256; c += blockDim.x)
      levels[c] = level<AbsmaxScheme::format>(static_cast<uint8_t>(c));
}

}  // namespace qfmt::inline v0::grouped
