// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The levels of a format in shared memory, ready for a whole block to decode from.
#pragma once

#include "qfmt/codec/decode.hpp"

namespace qfmt::inline v0::block {

/// Decodes single codes of F. 16 levels are kept once per lane, so that lookups never meet in a
/// bank; 256 levels once. A formula format needs no memory.
///
///     __shared__ typename LevelTable<F, 256>::TempStorage storage;
///     LevelTable<F, 256> table(storage);
///     table.fill(stored_levels(scales));
///     __syncthreads();
///     float const value = table(code, absmax);
///
/// Numerics: the bits of qfmt::decode.
template <FormatSpec F, int Threads>
class LevelTable {
  static constexpr bool has_levels = CodebookFormat<F>;
  static constexpr int levels = has_levels ? 1 << bits_of<F> : 1;
  static constexpr int copies = has_levels && bits_of<F> == 4 ? 32 : 1;

 public:
  struct TempStorage {
    float level[levels * copies];
  };

  /// Called by every thread of a one-dimensional block of Threads.
  __device__ explicit LevelTable(TempStorage& storage)
      : storage_(storage), mine_(storage.level + (copies == 1 ? 0 : threadIdx.x % copies)) {}

  /// Fills the table from the file's map, or from the format's own where that is null. Called by
  /// every thread; the caller synchronises before the first lookup.
  __device__ void fill([[maybe_unused]] float const* stored) {
    if constexpr (has_levels) {
#pragma unroll
      for (unsigned i = threadIdx.x; i < levels * copies; i += Threads) {
        auto const code = static_cast<uint8_t>(i / copies);
        storage_.level[i] = stored != nullptr ? stored[code] : level<F>(code);
      }
    }
  }

  /// The value of a code under its block's scale, before it is rounded to an output type.
  __device__ float operator()(uint32_t code, float scale) const {
    if constexpr (has_levels) {
      return exact::mul(mine_[code * copies], scale);
    } else {
      return F::decode(static_cast<uint8_t>(code), scale);
    }
  }

 private:
  TempStorage& storage_;
  float const* mine_;
};

}  // namespace qfmt::inline v0::block
