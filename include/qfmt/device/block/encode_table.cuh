// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What rounding a value to a code needs, in shared memory.
#pragma once

#include "qfmt/codec/step_table.hpp"
#include "qfmt/ptx/lanes.cuh"

namespace qfmt::inline v0::block {

namespace detail {
// As with the codebooks: device code can index a __device__ constexpr template, not a static
// member.
template <FormatSpec F>
static __device__ constexpr auto device_steps = step_table<F>;
}  // namespace detail

/// Rounds values that are relative to their block's scale to codes of F: finite t, not -0,
/// |t| <= 1 + 2^-23 for codebooks. Used as LevelTable is.
///
/// 4-bit codebooks: one lookup and one comparison; the steps are kept once per pair of lanes, so
/// that 8-byte lookups never meet in a bank. 8-bit codebooks: a search among the decision points.
/// Formulas, and codebooks whose points lie too close: their own function, without memory.
/// Numerics: the bits of qfmt::encode<F>(t), of F::round(t) for formulas.
template <FormatSpec F, int Threads>
class EncodeTable {
  static constexpr int per_unit = step_table<F>.per_unit;
  static constexpr int origin = step_table<F>.origin;
  static constexpr int steps = step_table<F>.count;
  static constexpr uint64_t codes = step_table<F>.codes;
  static constexpr bool by_steps = per_unit != 0;
  static constexpr bool by_search = CodebookFormat<F> && bits_of<F> == 8 && !requires {
    F::encode(0.f);
  };
  static constexpr int copies = 16;
  static constexpr int row_bytes = copies * 8;  // one step, all copies

  struct Steps {
    Step entry[by_steps ? steps : 1][copies];
  };
  struct Points {
    float below[256];
  };
  struct Nothing {};

 public:
  using TempStorage =
      stl::conditional_t<by_steps, Steps, stl::conditional_t<by_search, Points, Nothing>>;

  __device__ explicit EncodeTable(TempStorage& storage) : storage_(storage) {}

  /// Called by every thread of a one-dimensional block of Threads, which synchronises before use.
  __device__ void fill() {
    if constexpr (by_steps) {
      for (unsigned i = threadIdx.x; i < steps * copies; i += Threads) {
        storage_.entry[i / copies][i % copies] = detail::device_steps<F>.step[i / copies];
      }
    } else if constexpr (by_search) {
      for (unsigned i = threadIdx.x; i < 256; i += Threads)
        storage_.below[i] = qfmt::detail::points<F>().below[i];
    }
  }

  __device__ uint32_t operator()(float t) const {
    if constexpr (by_steps) {
      return step_code(t);
    } else if constexpr (by_search) {
      int rank = 0;
#pragma unroll
      for (int step = 128; step > 0; step /= 2)
        rank += exact::greater(t, storage_.below[rank + step - 1]) ? step : 0;
      if constexpr (qfmt::detail::host_points<F>.in_order) return static_cast<uint32_t>(rank);
      return qfmt::detail::points<F>().code[rank];
    } else if constexpr (CodebookFormat<F>) {
      return encode<F>(t);
    } else {
      return static_cast<uint8_t>(F::round(t));
    }
  }

 private:
  /// The product is added to a float whose last place is a 128th of a step, so its low bits hold
  /// the step's number times the bytes of a row.
  __device__ uint32_t step_code(float t) const {
    constexpr float scale = static_cast<float>(per_unit * row_bytes);
    constexpr float base = 0x1.8p23f + static_cast<float>(origin * row_bytes);
    constexpr uint32_t rows = (steps <= 32 ? 32 : steps <= 64 ? 64 : 256) - 1;
    constexpr bool by_magnitude = SignMagnitudeFormat<F>;
    float const x = by_magnitude ? float_from_bits(float_bits(t) & 0x7FFFFFFFu) : t;
    uint32_t const place = float_bits(fmaf(x, scale, base)) & rows * row_bytes;
    auto const* const table = reinterpret_cast<unsigned char const*>(storage_.entry);
    Step const s = *reinterpret_cast<Step const*>(
        table + (place | threadIdx.x % copies * static_cast<unsigned>(sizeof(Step))));
    uint32_t const rank = s.rank + ptx::is_greater(x, s.threshold);
    if constexpr (by_magnitude) {  // t is not -0, so its sign is that of a number below zero
      uint32_t const sign = (float_bits(t) >> 31) * F::sign_bit;
      return (__byte_perm(code_bytes(0), code_bytes(4), rank) & 15u) | sign;
    } else if constexpr (qfmt::detail::host_points<F>.in_order) {
      return rank;
    } else {
      return static_cast<uint32_t>(codes >> 4 * rank) & 15u;
    }
  }

  /// The codes of four ranks, a byte each.
  static constexpr __device__ uint32_t code_bytes(int rank) {
    auto const code = [](int r) { return static_cast<uint32_t>(codes >> 4 * r) & 15u; };
    return code(rank) | code(rank + 1) << 8 | code(rank + 2) << 16 | code(rank + 3) << 24;
  }

  TempStorage& storage_;
};

}  // namespace qfmt::inline v0::block
