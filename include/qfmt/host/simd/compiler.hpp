// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What SIMD kernels ask of a compiler beyond the standard, each with what is done without it.
#pragma once

#include "qfmt/config.hpp"

#if defined(__x86_64__)
#include <cpuid.h>

/// What a kernel of a level may use, whatever the translation unit is compiled for. Without the
/// attribute there are no x86 kernels, and the scalar codec does all.
#define QFMT_AVX2 __attribute__((target("avx2,fma,f16c,bmi2")))
#define QFMT_AVX512                                                                    \
  __attribute__((                                                                      \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,fma,f16c," \
             "bmi2")))
#define QFMT_AVX512_BF16                                                            \
  __attribute__((                                                                   \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx512bf16," \
             "avx2,fma,f16c,bmi2")))
#endif

namespace qfmt::inline v0::host::simd {

/// Asks for the cache line of p, which need not exist, into the caches from Level on. A hint.
template <int Level = 1>
[[gnu::always_inline]] inline void prefetch([[maybe_unused]] void const* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 4 - Level);
#endif
}

/// The same of several rows, each from p + I * stride on.
template <int... I>
[[gnu::always_inline]] inline void prefetch_rows(uint8_t const* p, int64_t stride,
                                                 stl::integer_sequence<int, I...>) {
  (prefetch(p + I * stride), ...);
}

/// The x86 levels that this CPU and its operating system offer.
struct CpuFeatures {
  bool avx2 = false;
  bool avx512 = false;
  bool avx512_bf16 = false;
};
inline CpuFeatures cpu_features() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  bool const f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1u) != 0;
  CpuFeatures f;
  f.avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
  return f;
#else
  return {};
#endif
}

}  // namespace qfmt::inline v0::host::simd
