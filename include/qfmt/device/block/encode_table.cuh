// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What rounding a value to a code needs, in shared memory.
#pragma once

#include "qfmt/codec/key_table.hpp"
#include "qfmt/codec/step_table.hpp"
#include "qfmt/ptx/lanes.cuh"

namespace qfmt::inline v0::block {

namespace detail {
// As with the codebooks: device code can index a __device__ constexpr template, not a static
// member.
template <FormatSpec F>
static __constant__ auto constant_steps = step_table<F>;
template <FormatSpec F>
static __device__ constexpr auto device_keys = key_table<F>;

/// Whether the code of a value is the number of decision points below it.
template <FormatSpec F>
QFMT_HD consteval bool codes_in_order() {
  if constexpr (!CodebookFormat<F> || SignMagnitudeFormat<F>) {
    return false;
  } else {
    return qfmt::detail::host_points<F>.in_order;
  }
}
}  // namespace detail

/// Rounds values that are relative to their block's scale to codes of F: finite t, of codebooks
/// |t| <= 1 + 2^-23. Used as LevelTable is.
///
/// 4-bit codebooks: one lookup and one comparison; the steps are kept once per pair of lanes, so
/// that 8-byte lookups never meet in a bank. 8-bit codebooks: two lookups and one comparison.
/// Formulas, and codebooks whose points lie too close: their own function, without memory.
/// Numerics: the bits of qfmt::encode<F>(t), of F::round(t) for formulas.
template <FormatSpec F, int Threads>
class EncodeTable {
  static constexpr int per_unit = step_table<F>.per_unit;
  static constexpr int steps = step_table<F>.count;
  static constexpr int keys = (key_table<F>.count + 3) / 4 * 4;  // of one sign
  static constexpr bool by_steps = per_unit != 0;
  static constexpr bool by_keys = keys != 0;
  static constexpr bool in_order = detail::codes_in_order<F>();
  static constexpr int copies = 16;
  static constexpr int row_bytes = copies * static_cast<int>(sizeof(Step));

  struct Steps {
    alignas(16) uint2 entry[by_steps ? steps : 1][copies];
  };
  /// Ranks lie at their keys, so that the negative ones come KeyTable::sign_bit bytes later.
  struct Keys {
    uint32_t rank[by_keys ? keys / 4 : 1];
    float below[256];
    uint8_t unused[KeyTable::sign_bit - keys - 1024];
    uint32_t rank_of_negative[by_keys ? keys / 4 : 1];
  };
  struct Nothing {};

 public:
  /// In shared memory.
  using TempStorage =
      stl::conditional_t<by_steps, Steps, stl::conditional_t<by_keys, Keys, Nothing>>;

  /// Over storage that fill() fills.
  __device__ explicit EncodeTable(TempStorage& storage) : storage_(storage) {}

  /// Called by every thread of a one-dimensional block of Threads, which synchronises before use.
  __device__ void fill() {
    if constexpr (by_steps) {
      constexpr unsigned pairs = steps * copies / 2;
#pragma unroll
      for (unsigned first = 0; first < pairs; first += Threads) {
        unsigned const i = first + threadIdx.x, step = i / (copies / 2);
        if (i >= pairs) break;
        uint2 e = *reinterpret_cast<uint2 const*>(&detail::constant_steps<F>.step[step]);
        if (in_order) e.y &= 15u;  // `above` is one more than `below`
        *reinterpret_cast<uint4*>(&storage_.entry[step][i % (copies / 2) * 2]) = {e.x, e.y, e.x,
                                                                                  e.y};
      }
    } else if constexpr (by_keys) {
      for (unsigned i = threadIdx.x; i < 256; i += Threads)
        storage_.below[i] = qfmt::detail::points<F>().below[i];
      auto const& table = detail::device_keys<F>;
      for (unsigned i = threadIdx.x; i < keys / 4; i += Threads) {
        storage_.rank[i] = reinterpret_cast<uint32_t const*>(table.rank[0])[i];
        storage_.rank_of_negative[i] = reinterpret_cast<uint32_t const*>(table.rank[1])[i];
      }
    }
  }

  /// The code of a value relative to absmax.
  __device__ uint32_t operator()(float t) const {
    if constexpr (by_steps) {
      return step_code(t);
    } else if constexpr (by_keys) {
      uint32_t const rank = key_rank(t);
      if constexpr (in_order) return rank;
      return qfmt::detail::points<F>().code[rank];
    } else if constexpr (CodebookFormat<F>) {
      return encode<F>(t);
    } else if constexpr (ScaledFormulaFormat<F>) {
      return static_cast<uint8_t>(F::round(t));
    } else {
      return 0;  // BlockRounding does not send the values of such formulas here
    }
  }

 private:
  /// The product is added, rounding down, to a float whose last place is a 128th of a step: its low
  /// bits hold the step's number times the bytes of a row.
  __device__ uint32_t step_code(float t) const {
    constexpr float scale = static_cast<float>(per_unit * row_bytes);
    constexpr float base = 0x1.8p23f + scale;
    constexpr uint32_t rows = (steps <= 32 ? 32 : steps <= 64 ? 64 : 256) - 1;
    uint32_t const place = float_bits(ptx::fma_down(t, scale, base)) & rows * row_bytes;
    auto const* const table = reinterpret_cast<unsigned char const*>(storage_.entry);
    uint2 const step = *reinterpret_cast<uint2 const*>(table + (place | threadIdx.x % copies * 8));
    uint32_t const above = ptx::is_greater(t, float_from_bits(step.x));
    if constexpr (in_order) {
      return step.y + above;
    } else {
      return __byte_perm(step.y, 0, 0x4440u + above);
    }
  }

  __device__ uint32_t key_rank(float t) const {
    constexpr uint32_t bias = float_bits(key_table<F>.bias);
    float const away = float_from_bits((~float_bits(t) & 0x80000000u) | bias);
    float const moved = exact::sub(t, away);
    auto const key = static_cast<int>(float_bits(moved) >> KeyTable::shift);
    uint32_t const rank = reinterpret_cast<uint8_t const*>(&storage_)[key - key_table<F>.least];
    return rank + ptx::is_greater(t, storage_.below[rank]);
  }

  TempStorage& storage_;
};

}  // namespace qfmt::inline v0::block
