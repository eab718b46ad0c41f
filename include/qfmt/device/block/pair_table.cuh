// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Two 4-bit codes to two 16-bit numbers by one shared-memory access: what feeds tensor cores.
#pragma once

#include "qfmt/codec/scaled_levels.hpp"
#include "qfmt/device/thread/elements.cuh"
#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0::block {

/// A byte of packed codes becomes the pair (T(gain * level[high nibble]), T(gain * level[low])),
/// the first in the low half of a word, with gain = level_gain<F, T>.
///
///     auto& storage = ...TempStorage in shared memory, aligned to 256 bytes
///     PairTable<F, T> table(storage);
///     table.fill();
///     __syncthreads();
///     uint32_t const pair = table.pair<2>(packed);   // of byte 2 of four packed bytes
///
/// Every pair stands in the table once for each lane, so that lookups never meet in a bank; the
/// address is one byte permutation, because an entry begins every 256 bytes, and an addition, which
/// falls away with `Aligned`: where the storage's address in shared memory is a multiple of 65536.
/// Half of the storage is free: `spare` is the caller's.
template <CodebookFormat F, Element T, bool Aligned = false>
class PairTable {
  static_assert(bits_of<F> == 4 && sizeof(T) == 2);

 public:
  /// The values of one byte of codes, once for every bank, and room that keeps entries apart.
  struct alignas(256) Entry {
    uint32_t pair[32];   // one for each lane
    uint32_t spare[32];  ///< for the caller
  };
  /// In shared memory; 64 KiB.
  struct TempStorage {
    Entry entry[256];  ///< by byte of codes
  };

  /// Over storage that fill() fills.
  __device__ explicit PairTable(TempStorage& storage)
      : storage_(storage),
        base_(ptx::shared_address(&storage)),
        lane_(threadIdx.x % 32 * 4 | (Aligned ? base_ : 0)) {}

  /// Called by every thread of a one-dimensional block of whole warps, which synchronises before
  /// the first lookup.
  __device__ void fill() {
    if (Aligned && base_ % 0x10000 != 0) __trap();
    unsigned const lane = threadIdx.x % 32;
    uint32_t const low = scaled_level(lane % 16);
    for (unsigned e = threadIdx.x / 32; e < 256; e += blockDim.x / 32) {
      uint32_t const first = __shfl_sync(~0u, low, e / 16);
      uint32_t const second = __shfl_sync(~0u, low, e % 16);
      storage_.entry[e].pair[lane] = first | second << 16;
    }
  }

  /// The pair of byte `byte` of `packed`.
  __device__ uint32_t pair_at(uint32_t packed, int byte) const {
    uint32_t const offset_of = 0x7604u | static_cast<uint32_t>(byte) << 4;
    uint32_t const offset = ptx::permute_bytes(packed, lane_, offset_of);  // (4 * lane, the byte,
    return ptx::load_table_word(Aligned ? offset : offset + base_);        //  0 or the base)
  }
  template <int Byte>
  __device__ uint32_t pair(uint32_t packed) const {
    return pair_at(packed, Byte);
  }

 private:
  /// By comparisons with constants: an array would lie in local memory.
  template <unsigned C = 0>
  static __device__ uint32_t scaled_level(unsigned code) {
    constexpr uint32_t here = scaled_levels<F, T>.bits[C];
    if constexpr (C == 15) {
      return here;
    } else {
      return code == C ? here : scaled_level<C + 1>(code);
    }
  }

  TempStorage& storage_;
  uint32_t base_;
  uint32_t lane_;
};

}  // namespace qfmt::inline v0::block
