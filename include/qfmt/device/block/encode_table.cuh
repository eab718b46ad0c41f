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

/// Rounds values that are relative to their block's scale to codes of F: finite t, |t| <= 1 + 2^-23
/// for codebooks. Used as LevelTable is.
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
  static constexpr bool by_steps = per_unit != 0;
  static constexpr bool by_search = CodebookFormat<F> && bits_of<F> == 8 && !requires {
    F::encode(0.f);
  };
  static constexpr int copies = 16;
  static constexpr int row_bytes = copies * 8;  // one step, all copies

  struct Entry {
    float threshold;
    uint32_t codes;  // below, above << 16
  };
  struct Steps {
    Entry entry[by_steps ? steps : 1][copies];
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
        Step const s = detail::device_steps<F>.step[i / copies];
        storage_.entry[i / copies][i % copies] = {s.threshold,
                                                  s.below | static_cast<uint32_t>(s.above) << 16};
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
    Entry const e = *reinterpret_cast<Entry const*>(
        table + (place | threadIdx.x % copies * static_cast<unsigned>(sizeof(Entry))));
    uint32_t const code = ptx::select_greater(x, e.threshold, e.codes >> 16, e.codes) & 15u;
    if constexpr (by_magnitude) return code | ptx::select_greater(0.f, t, F::sign_bit, 0);
    return code;
  }

  TempStorage& storage_;
};

}  // namespace qfmt::inline v0::block
