// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/device/warp/lanes.cuh"

namespace qfmt::inline v0::warp {

/// The 16 levels of a 4-bit codebook in the lanes of a warp: a lookup is one shuffle, and no warp
/// waits for another. Used as block::LevelTable is, but every lane of the warp looks up together.
///
/// Numerics: the bits of qfmt::decode.
template <CodebookFormat F>
  requires(bits_of<F> == 4)
class LevelLanes {
 public:
  struct TempStorage {};
  static constexpr bool needs_barrier = false;  ///< lanes need no shared memory

  /// Takes no storage; the argument is there for its likes.
  __device__ explicit LevelLanes(TempStorage&) {}

  /// Takes this lane's level from the file's map, or from the format's own where that is null.
  __device__ void fill([[maybe_unused]] float const* stored) {
    auto const code = static_cast<uint8_t>(lane() % 16);
    if constexpr (StoresLevels<F>) {
      level_ = stored != nullptr ? stored[code] : level<F>(code);
    } else {
      level_ = level<F>(code);
    }
  }

  /// The value of a code under its block's scale, before it is rounded to an output type.
  __device__ float operator()(uint32_t code, float scale) const {
    return exact::mul(__shfl_sync(all_lanes, level_, static_cast<int>(code)), scale);
  }

 private:
  float level_ = 0.f;
};

}  // namespace qfmt::inline v0::warp
