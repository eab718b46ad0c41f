// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The scales of a warp's rows, asked for two stages at a time, two stages ahead, and decoded once
// each: lane 4g + t keeps those of rows g, g + 8, ... and of every fourth group from t on, and
// hands them to its quad.
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/ops/stream/operands.cuh"

namespace qfmt::inline v0::stream {

QFMT_HD constexpr int log2_of(int power) { return power == 1 ? 0 : 1 + log2_of(power / 2); }

template <SchemeSpec S, int RowsPerWarp, int RowBytes>
class StageScales {
  static constexpr int groups = stage_values<S, RowBytes> / group_values<S>;  // of a stage
  static constexpr int rows = RowsPerWarp / 8;                                // of a lane
  static constexpr int per_row = groups < 4 ? 1 : groups / 4;  // scales of a lane in a row
  static constexpr int block_shift = log2_of(S::block_size / group_values<S>);

 public:
  /// levels: (parts, 256), of nested scales, filled by fill_levels before the first `take`.
  /// The warp works on every `step`-th stage.
  __device__ StageScales(float const* levels, int first_row, int row_groups, int step)
      : all_levels_(levels), row_(first_row + lane() / 4), row_groups_(row_groups), step_(step) {}

  __device__ void begin(Tile<S> const& tile) {
    auto const& scales = tile.part->scales;
    int64_t const group = tile.part->first_group + tile.row * tile.part->row_groups;
    int64_t const block = group >> block_shift;
    first_ = static_cast<uint32_t>(group - (block << block_shift));
    if constexpr (S::is_nested) {
      int64_t const outer = block / AbsmaxScheme::block_size;
      levels_ = all_levels_ + tile.part->index * 256;
      codes_ = scales.absmax.codes + block;
      factors_ = scales.absmax.scales.absmax + outer;
      first_block_ = static_cast<uint32_t>(block - outer * AbsmaxScheme::block_size);
      shift_ = *scales.offset;
    } else {
      factors_ = scales.absmax + block;
    }
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      int const row = row_ + 8 * i;
      offset_[i] =
          static_cast<uint32_t>((row < tile.rows ? row : tile.rows - 1) * tile.part->row_groups);
    }
  }

  /// Asks for the scales of a stage and of the warp's next.
  __device__ void ask(int stage) {
#pragma unroll
    for (int j = 0; j < 2 * per_row; ++j) {
      int const group =
          (stage + j / per_row * step_) * groups + (lane() % 4 + j % per_row * 4) % groups;
      if (group >= row_groups_) continue;
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        uint32_t const block = (first_ + offset_[i] + static_cast<uint32_t>(group)) >> block_shift;
        if constexpr (S::is_nested) {
          code_[i][j] = __ldg(codes_ + block);
          factor_[i][j] = __ldg(factors_ + (first_block_ + block) / AbsmaxScheme::block_size);
        } else {
          factor_[i][j] = __ldg(factors_ + block);
        }
      }
    }
  }

  /// Decodes what the last `ask` brought, and takes the first of its stages.
  __device__ void take() {
#pragma unroll
    for (int i = 0; i < rows; ++i)
#pragma unroll
      for (int j = 0; j < 2 * per_row; ++j) {
        if constexpr (S::is_nested) {
          scale_[i][j] = exact::mul_then_add(levels_[code_[i][j]], factor_[i][j], shift_);
        } else {
          scale_[i][j] = factor_[i][j];
        }
      }
  }

  /// Takes the second.
  __device__ void take_second() {
#pragma unroll
    for (int i = 0; i < rows; ++i)
#pragma unroll
      for (int j = 0; j < per_row; ++j) scale_[i][j] = scale_[i][per_row + j];
  }

  /// The scale of row 8 * i + lane / 4 in group `group` of the stage taken. Called by whole warps.
  __device__ float operator()(int i, int group) const {
    return __shfl_sync(~0u, scale_[i][per_row == 1 ? 0 : group / 4], (lane() & ~3) + group % 4);
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  float const* all_levels_;
  float const* levels_ = nullptr;
  // Of the tile's first block; offsets within a tile fit 32 bits.
  uint8_t const* codes_ = nullptr;
  float const* factors_ = nullptr;
  uint32_t first_ = 0;        // the tile's first group within its block
  uint32_t first_block_ = 0;  // nested: the tile's first block within its group of 256
  uint32_t offset_[rows];
  int row_;
  int row_groups_;
  int step_;
  float shift_ = 0.f;
  uint32_t code_[rows][2 * per_row]{};
  float factor_[rows][2 * per_row]{};
  float scale_[rows][2 * per_row]{};
};

/// Rows that share one scale each take it at the end.
template <SchemeSpec S, int RowsPerWarp, int RowBytes>
  requires(S::is_row_wise)
class StageScales<S, RowsPerWarp, RowBytes> {
 public:
  __device__ StageScales(float const*, int, int, int) {}
  __device__ void begin(Tile<S> const&) {}
  __device__ void ask(int) {}
  __device__ void take() {}
  __device__ void take_second() {}
  __device__ float operator()(int, int) const { return 1.f; }
};

/// The levels of nested scales into shared memory, those that a file stored where it did.
///     levels: (parts, 256)
template <SchemeSpec S, Element T, int Max>
__device__ void fill_levels([[maybe_unused]] Operands<S, T, Max> const& operands,
                            [[maybe_unused]] float* levels) {
  if constexpr (S::is_nested) {
    for (int p = 0; p < operands.parts; ++p) {
      float const* const stored = stored_levels(operands.part[p].scales.absmax.scales);
      for (unsigned c = threadIdx.x; c < 256; c += blockDim.x)
        levels[p * 256 + c] =
            stored != nullptr ? stored[c] : level<AbsmaxScheme::format>(static_cast<uint8_t>(c));
    }
  }
}

}  // namespace qfmt::inline v0::stream
