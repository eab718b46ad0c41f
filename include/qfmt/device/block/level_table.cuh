// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The levels of a format in shared memory, ready for a whole block to decode from.
#pragma once

#include "qfmt/codec/decode.hpp"

namespace qfmt::inline v0::block {

namespace detail {
// Read by whole warps at one address: the constant cache answers, whatever streams through the L1.
template <CodebookFormat F>
static __constant__ auto constant_codebook = F::codebook;
}  // namespace detail

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
 public:
  /// False for formulas, which need neither `fill` nor a synchronisation.
  static constexpr bool needs_barrier = CodebookFormat<F>;

 private:
  static constexpr int levels = needs_barrier ? 1 << bits_of<F> : 1;
  static constexpr int copies = needs_barrier && bits_of<F> == 4 ? 32 : 1;

 public:
  /// In shared memory.
  struct TempStorage {
    float level[levels * copies];  ///< each level once for every copy
  };

  /// Called by every thread of a one-dimensional block of Threads.
  __device__ explicit LevelTable(TempStorage& storage)
      : storage_(storage), mine_(storage.level + (copies == 1 ? 0 : threadIdx.x % copies)) {}

  /// Fills the table from the file's map, or from the format's own where that is null. Called by
  /// every thread; the caller synchronises before the first lookup.
  __device__ void fill([[maybe_unused]] float const* stored) {
    if constexpr (needs_barrier) {
      constexpr unsigned entries = levels * copies;
#pragma unroll
      for (unsigned first = 0; first < entries; first += Threads) {
        unsigned const i = first + threadIdx.x;
        if (entries % Threads == 0 || i < entries) storage_.level[i] = level_of(i / copies, stored);
      }
    }
  }

  /// The value of a code under its block's scale, before it is rounded to an output type.
  __device__ float operator()(uint32_t code, float scale) const {
    if constexpr (needs_barrier) {
      return exact::mul(mine_[code * copies], scale);
    } else {
      return F::decode(static_cast<uint8_t>(code), scale);
    }
  }

 private:
  __device__ static float level_of(unsigned code, [[maybe_unused]] float const* stored) {
    if constexpr (StoresLevels<F>)
      if (stored != nullptr) return stored[code];
    return detail::constant_codebook<F>.level[code];
  }

  TempStorage& storage_;
  float const* mine_;
};

}  // namespace qfmt::inline v0::block
