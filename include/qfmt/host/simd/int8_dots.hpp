// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of an LLM.int8() product of each instruction set under the same names.
#pragma once

#include "qfmt/codec/int8_product.hpp"
#include "qfmt/host/simd/avx2_int8_dots.hpp"
#include "qfmt/host/simd/avx512_int8_dots.hpp"
#include "qfmt/host/simd/level.hpp"
#include "qfmt/host/simd/neon_int8_dots.hpp"

namespace qfmt::inline v0::host::simd {

/// The rule that every instruction set's kernels follow.
struct ScalarInt8Dots {
  static constexpr int rows_of_x = 1;
  template <int M>
  static constexpr int rows_of_weights = 1;

  static int32_t prepare(uint8_t const*, int64_t) { return 0; }

  template <int, int>
  static void dots(uint8_t const* w, int64_t, uint8_t const* x, int64_t, int64_t count,
                   int32_t const*, int32_t* out) {
    int32_t sum = 0;
    for (int64_t k = 0; k < count; ++k)
      sum += static_cast<int8_t>(w[k]) * static_cast<int8_t>(x[k]);
    *out = sum;
  }

  static void add_outliers(float* sums, float const* x, float weight) {
    for (int i = 0; i < 16; ++i) sums[i] = add_outlier(sums[i], x[i], weight);
  }
};

/// run with the kernels of a level.
template <class Run>
void with_int8_dots([[maybe_unused]] SimdLevel level, Run const& run) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx512) return run(avx512::Int8Dots{});
  if (level >= SimdLevel::avx2) return run(avx2::Int8Dots{});
#elif defined(__aarch64__)
  if (level == SimdLevel::neon) return run(neon::Int8Dots{});
#endif
  run(ScalarInt8Dots{});
}

}  // namespace qfmt::inline v0::host::simd
