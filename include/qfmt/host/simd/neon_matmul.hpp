// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products of one row of weights with M packed rows of x on NEON: exact activations.
#pragma once

#include "qfmt/host/simd/matmul_plan.hpp"
#include "qfmt/host/simd/neon_decode.hpp"

#if defined(__aarch64__)

namespace qfmt::inline v0::host::simd::neon {

/// One vector of sums for each row of x.
template <int M>
struct Sums {
  float32x4_t of[M];
};

/// Exact activations. Packed: 64 values of row 0, of row 1, ...; of every 32 those at even places,
/// which are the high nibbles, then those at odd ones. Of 8-bit weights: in order.
template <bool InOrder>
struct ExactActivations : PlainLevels {
  static constexpr int unit = 64;              // values of K that a step takes
  static constexpr int unit_bytes = 4 * unit;  // of one row of x, packed

  template <class Scales, class Inner>
  static void read_scales(Scales const& scales, Inner const&, int64_t first, int64_t last,
                          float* own) {
    scales_of(scales, first, last, own);
  }

  /// A unit of one row of x.
  template <Element T>
  static void pack(T const* x, uint8_t* to) {
    auto* out = reinterpret_cast<float*>(to);
    for (int i = 0; i < unit; i += 32, x += 32, out += 32) {
      Four const a = load16(x), b = load16(x + 16);
      for (int q = 0; q < 4; ++q) {
        float32x4_t const v = q < 2 ? a.v[2 * q] : b.v[2 * q - 4];
        float32x4_t const w = q < 2 ? a.v[2 * q + 1] : b.v[2 * q - 3];
        vst1q_f32(out + (InOrder ? 8 * q : 4 * q), InOrder ? v : vuzp1q_f32(v, w));
        vst1q_f32(out + (InOrder ? 8 * q + 4 : 16 + 4 * q), InOrder ? w : vuzp2q_f32(v, w));
      }
    }
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed, float* totals);
};
using Exact = ExactActivations<false>;
using ExactInt8 = ExactActivations<true>;

template <int M, int... I>
inline void add_products(Sums<M>& s, float32x4_t w, float const* x,
                         stl::integer_sequence<int, I...>) {
  ((s.of[I] = vfmaq_f32(s.of[I], w, vld1q_f32(x + I * Exact::unit))), ...);
}

/// 16 weights; x: as many values of each row.
template <int M>
inline void add16(Sums<M> (&s)[sets<M>], Four const& w, float const* x) {
  constexpr auto rows = stl::make_integer_sequence<int, M>{};
  constexpr int n = sets<M>;
  add_products(s[0], w.v[0], x, rows);
  add_products(s[1 % n], w.v[1], x + 4, rows);
  add_products(s[2 % n], w.v[2], x + 8, rows);
  add_products(s[3 % n], w.v[3], x + 12, rows);
}

/// 16 levels at codes that stand one to a byte, at every other place of 32, times their scales.
template <int Block>
inline Four scaled_levels(Planes16<float> const& t, uint8x16_t codes, float const* scales) {
  Four const w = joined(vqtbl1q_u8(t.plane[0], codes), vqtbl1q_u8(t.plane[1], codes),
                        vqtbl1q_u8(t.plane[2], codes), vqtbl1q_u8(t.plane[3], codes));
  float const second = scales[Block == 16 ? 1 : 0];
  return {{vmulq_n_f32(w.v[0], scales[0]), vmulq_n_f32(w.v[1], scales[0]),
           vmulq_n_f32(w.v[2], second), vmulq_n_f32(w.v[3], second)}};
}

/// 32 weights of 4 bits.
template <int Block, int M>
inline void add32(Sums<M> (&s)[sets<M>], Planes16<float> const& levels, uint8_t const* codes,
                  float const* scales, float const* x) {
  uint8x16_t const c = vld1q_u8(codes);
  add16(s, scaled_levels<Block>(levels, vshrq_n_u8(c, 4), scales), x);
  add16(s, scaled_levels<Block>(levels, vandq_u8(c, vdupq_n_u8(15)), scales), x + 16);
}

/// 64 weights; Int8 without their scale.
template <FormatSpec F, int Block, int M, class Table>
inline void add_unit(Sums<M> (&s)[sets<M>], [[maybe_unused]] Table const& levels,
                     uint8_t const* codes, float const* scales, float const* x) {
  if constexpr (bits_of<F> == 4) {
    add32<Block>(s, levels, codes, scales, x);
    add32<Block>(s, levels, codes + 16, scales + 32 / Block, x + 32);
  } else {
    for (int i = 0; i < 64; i += 16) add16(s, int8_values(codes + i), x + i);
  }
}

template <FormatSpec F>
inline auto table_of(Levels<F> const& levels) {
  if constexpr (bits_of<F> == 4) {
    return planes16<F, float>(levels, 1.f);
  } else {
    return 0;
  }
}

template <bool InOrder>
template <FormatSpec F, int Block, int M>
void ExactActivations<InOrder>::dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                                    float* totals) {
  auto const* x = reinterpret_cast<float const*>(packed);
  auto const table = table_of(levels);
  Sums<M> s[sets<M>];
  for (auto& one : s)
    for (int m = 0; m < M; ++m) one.of[m] = vdupq_n_f32(0.f);
  int64_t i = 0;
  for (; i + unit <= row.count; i += unit, x += M * unit) {
    prefetch_codes(row.codes + i * bits_of<F> / 8);
    float const* scales = row.scales;
    if constexpr (Block != 0) scales += i / Block;
    add_unit<F, Block>(s, table, row.codes + i * bits_of<F> / 8, scales, x);
  }
  if (i < row.count) {
    PaddedPart<F, Block, unit> const last(row, i);
    add_unit<F, Block>(s, table, last.codes, last.scales, x);
  }
  for (int m = 0; m < M; ++m) {
    float32x4_t all = s[0].of[m];
    for (int set = 1; set < sets<M>; ++set) all = vaddq_f32(all, s[set].of[m]);
    float const sum = vaddvq_f32(all);
    totals[m] += bits_of<F> == 4 ? sum : exact::mul(exact::mul(sum, row.scales[0]), 0x1.020408p-7f);
  }
}

}  // namespace qfmt::inline v0::host::simd::neon

#endif
