// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The scales of a warp's rows, asked for a queue's length of visits at a time, as far ahead, and
// decoded once each: lane 4g + t keeps those of rows g and g + 8 of each 16 and of every fourth
// group from t on, and hands them to its quad.
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/ops/stream/operands.cuh"

namespace qfmt::inline v0::stream {

QFMT_HD constexpr int log2_of(int power) { return power == 1 ? 0 : 1 + log2_of(power / 2); }

/// Visits: that are asked for together, `step` stages apart.
template <SchemeSpec S, int RowTiles, int Visits>
class VisitScales {
  static constexpr int rows = 2 * RowTiles;  // of a lane
  // Of a lane in a row and visit; with two groups two lanes of the quad keep each.
  static constexpr int per_row = stage_groups<S> < 4 ? 1 : stage_groups<S> / 4;
  static constexpr int block_shift = log2_of(S::block_size / group_values<S>);

 public:
  /// levels: (parts, 256), of nested scales   first_row: the warp's, within a tile
  __device__ VisitScales(float const* levels, int first_row, int row_groups, int step)
      : all_levels_(levels),
        row_(first_row + lane() / 4),
        row_groups_(row_groups),
        step_(step * stage_groups<S>) {}

  /// Turns to a tile; the visits to be asked for begin at `stage`.
  __device__ void begin(Tile<S> const& tile, int stage) {
    auto const& scales = tile.part->scales;
    int64_t const group = tile.part->first_group + tile.row * tile.part->row_groups;
    int64_t const block = group >> block_shift;
    if constexpr (S::is_nested) {
      int64_t const outer = block / AbsmaxScheme::block_size;
      next_levels_ = all_levels_ + tile.part->index * 256;
      codes_ = scales.absmax.codes + block;
      factors_ = scales.absmax.scales.absmax + outer;
      first_block_ = static_cast<uint32_t>(block - outer * AbsmaxScheme::block_size);
      next_shift_ = __ldg(scales.offset);
    } else {
      factors_ = scales.absmax + block;
    }
    group_ = stage * stage_groups<S> + lane() % 4 % stage_groups<S>;
#pragma unroll
    for (int i = 0; i < rows; ++i) {  // rows that do not exist repeat the last one
      int const row = row_ + 8 * i;
      offset_[i] =
          static_cast<uint32_t>(group - (block << block_shift)) +
          static_cast<uint32_t>((row < tile.rows ? row : tile.rows - 1) * tile.part->row_groups);
    }
  }

  /// Asks for the scales of the next visits. Of groups that do not exist nothing is read.
  __device__ void ask() {
#pragma unroll
    for (int v = 0; v < Visits; ++v)
#pragma unroll
      for (int j = 0; j < per_row; ++j) {
        int const group = group_ + v * step_ + j * 4;
        if (group >= row_groups_) continue;
#pragma unroll
        for (int i = 0; i < rows; ++i) {
          uint32_t const block = (offset_[i] + static_cast<uint32_t>(group)) >> block_shift;
          if constexpr (S::is_nested) {
            code_[v][i][j] = __ldg(codes_ + block);
            factor_[v][i][j] = __ldg(factors_ + (first_block_ + block) / AbsmaxScheme::block_size);
          } else {
            factor_[v][i][j] = __ldg(factors_ + block);
          }
        }
      }
  }

  /// Decodes what the last `ask` brought: the scales of the visits that begin now. 0 where there is
  /// no group, so that nothing comes of it.
  __device__ void take() {
#pragma unroll
    for (int v = 0; v < Visits; ++v)
#pragma unroll
      for (int j = 0; j < per_row; ++j) {
        bool const exists = group_ + v * step_ + j * 4 < row_groups_;
#pragma unroll
        for (int i = 0; i < rows; ++i) {
          float scale = factor_[v][i][j];
          if constexpr (S::is_nested)
            scale = exact::mul_then_add(next_levels_[code_[v][i][j]], scale, next_shift_);
          scale_[v][i][j] = exists ? scale : 0.f;
        }
      }
    group_ += Visits * step_;
  }

  /// The scale of row 8 * i + lane / 4 in group `group` of the v-th of the visits taken. Called by
  /// whole warps.
  __device__ float operator()(int v, int i, int group) const {
    return __shfl_sync(~0u, scale_[v][i][group / 4], group % 4, 4);
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x % 32); }

  float const* all_levels_;
  int row_, row_groups_, step_;
  // Of the visits to be asked for; from the tile's first block on, offsets within it fit 32 bits.
  float const* next_levels_ = nullptr;
  uint8_t const* codes_ = nullptr;
  float const* factors_ = nullptr;
  uint32_t first_block_ = 0;  // nested: the tile's first block within its group of 256
  float next_shift_ = 0.f;
  uint32_t offset_[rows]{};
  int group_ = 0;
  uint32_t code_[Visits][rows][per_row]{};
  float factor_[Visits][rows][per_row]{};
  float scale_[Visits][rows][per_row]{};
};

/// Rows that share one scale each take it at the end.
template <SchemeSpec S, int RowTiles, int Visits>
  requires(S::is_row_wise)
class VisitScales<S, RowTiles, Visits> {
 public:
  __device__ VisitScales(float const*, int, int, int) {}
  __device__ void begin(Tile<S> const&, int) {}
  __device__ void ask() {}
  __device__ void take() {}
  __device__ float operator()(int, int, int) const { return 1.f; }
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
