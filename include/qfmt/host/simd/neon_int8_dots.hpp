// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Exact sums of products of 8-bit codes on NEON: two products of 8 bits fit a lane of 16, since
// x's codes are -127..127.
#pragma once

#include "qfmt/host/simd/neon.hpp"

#if defined(__aarch64__)

namespace qfmt::inline v0::host::simd::neon {

template <int N>
struct CodeVectors {
  int8x16_t of[N];
};
template <int N>
struct CodeSums {
  int32x4_t of[N];
};

template <int N, int... I>
[[gnu::always_inline]] inline CodeVectors<N> load_codes(uint8_t const* p, int64_t stride,
                                                        stl::integer_sequence<int, I...>) {
  return {{vreinterpretq_s8_u8(vld1q_u8(p + I * stride))...}};
}

/// sum += 16 products, summed by fours.
[[gnu::always_inline]] inline int32x4_t add_products(int32x4_t sum, int8x16_t w, int8x16_t x) {
  int16x8_t const low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
  return vpadalq_s16(sum, vmlal_high_s8(low, w, x));
}

template <int N, int M, int... I>
[[gnu::always_inline]] inline void add_codes(CodeSums<N * M>& sums, CodeVectors<N> const& w,
                                             CodeVectors<M> const& x,
                                             stl::integer_sequence<int, I...>) {
  ((sums.of[I] = add_products(sums.of[I], w.of[I / M], x.of[I % M])), ...);
}

struct Int8Dots {
  static constexpr int rows_of_x = 4;
  template <int M>
  static constexpr int rows_of_weights = 4;

  static int32_t prepare(uint8_t const*, int64_t) { return 0; }

  /// out[n * M + m]: sums of products of `count` codes, at most int8_sum_cols, of N rows of weights
  /// and M rows of x.
  template <int N, int M>
  static void dots(uint8_t const* w, int64_t w_stride, uint8_t const* x, int64_t x_stride,
                   int64_t count, int32_t const*, int32_t* out) {
    constexpr stl::make_integer_sequence<int, N> of_w{};
    constexpr stl::make_integer_sequence<int, M> of_x{};
    CodeSums<N * M> sums;
    for (auto& s : sums.of) s = vdupq_n_s32(0);
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
      add_codes<N, M>(sums, load_codes<N>(w + i, w_stride, of_w),
                      load_codes<M>(x + i, x_stride, of_x),
                      stl::make_integer_sequence<int, N * M>{});
    for (int j = 0; j < N * M; ++j) {
      int32_t sum = vaddvq_s32(sums.of[j]);
      uint8_t const* const a = w + j / M * w_stride;
      uint8_t const* const b = x + j % M * x_stride;
      for (int64_t k = i; k < count; ++k)
        sum += static_cast<int8_t>(a[k]) * static_cast<int8_t>(b[k]);
      out[j] = sum;
    }
  }

  /// add_outlier for 16 rows of x.
  static void add_outliers(float* sums, float const* x, float weight) {
    for (int i = 0; i < 16; i += 4) {
      float32x4_t product = vmulq_n_f32(vld1q_f32(x + i), weight);
      asm("" : "+w"(product));  // rounded before it is added to: no compiler fuses it
      vst1q_f32(sums + i, vaddq_f32(product, vld1q_f32(sums + i)));
    }
  }
};

}  // namespace qfmt::inline v0::host::simd::neon

#endif
