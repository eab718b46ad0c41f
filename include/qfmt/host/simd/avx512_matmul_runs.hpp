// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// 512 weights of 4 bits as 16 runs of 32, each of which one lane takes whole: a lane's sum is then
// multiplied by its scale once a run. The codes are transposed for it, in registers; as they lie, a
// lane has only eight values of a run.
#pragma once

#include "qfmt/host/simd/avx512_matmul.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

inline constexpr int values_in_runs = 512;

/// The lane to which transposed4 brings run r.
constexpr int lane_of_run(int r) { return r % 4 * 4 + r / 4; }

/// Four vectors of 4 x 4 dwords to each of their 128-bit lanes, transposed there.
struct Transposed {
  __m512i of[4];
};
[[gnu::always_inline]] QFMT_AVX512 inline Transposed transposed4(uint8_t const* p) {
  __m512i const a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
  __m512i const c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);
  __m512i const ab = _mm512_unpacklo_epi32(a, b), ab2 = _mm512_unpackhi_epi32(a, b);
  __m512i const cd = _mm512_unpacklo_epi32(c, d), cd2 = _mm512_unpackhi_epi32(c, d);
  return {{_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd),
           _mm512_unpacklo_epi64(ab2, cd2), _mm512_unpackhi_epi64(ab2, cd2)}};
}

/// The scales of 512 weights for each lane.
template <int Block>
[[gnu::always_inline]] QFMT_AVX512 inline __m512 run_scales(float const* scales) {
  static_assert(Block >= 32);
  if constexpr (Block >= 512) {
    return _mm512_set1_ps(scales[0]);
  } else {
    constexpr int count = 512 / Block;
    auto const mask = static_cast<__mmask16>((1 << count) - 1);
    __m512i const run = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    constexpr int shift = Block == 32 ? 0 : Block == 64 ? 1 : Block == 128 ? 2 : 3;
    return _mm512_permutexvar_ps(_mm512_srli_epi32(run, shift),
                                 _mm512_maskz_loadu_ps(mask, scales));
  }
}

/// Fetches what lies ahead of 256 bytes of codes.
[[gnu::always_inline]] inline void prefetch_run(uint8_t const* p) {
  prefetch_codes(p);
  prefetch_codes(p + 64);
  prefetch_codes(p + 128);
  prefetch_codes(p + 192);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
