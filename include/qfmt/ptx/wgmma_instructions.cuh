// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The wgmma.mma_async instructions behind wgmma.cuh, one set for each N. An asm statement takes
// literal text and a literal list of registers, and numbers its operands through: hence macros, all
// of them gone at the end of this file. Included by wgmma.cuh alone.
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0::ptx::detail {

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

// clang-format off
// The first n accumulators, as operand numbers and as operands that are read and written.
#define QFMT_REGS_4 "%0,%1,%2,%3"
#define QFMT_REGS_8 QFMT_REGS_4 \
  ",%4,%5,%6,%7"
#define QFMT_REGS_12 QFMT_REGS_8 \
  ",%8,%9,%10,%11"
#define QFMT_REGS_16 QFMT_REGS_12 \
  ",%12,%13,%14,%15"
#define QFMT_REGS_32 QFMT_REGS_16 \
  ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define QFMT_REGS_48 QFMT_REGS_32 \
  ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define QFMT_REGS_64 QFMT_REGS_48 \
  ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define QFMT_REGS_96 QFMT_REGS_64 \
  ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79" \
  ",%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define QFMT_REGS_128 QFMT_REGS_96 \
  ",%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111" \
  ",%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define QFMT_FOUR(c, i) c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3])
#define QFMT_OUT_4(c) QFMT_FOUR(c, 0)
#define QFMT_OUT_8(c) QFMT_OUT_4(c), \
  QFMT_FOUR(c, 4)
#define QFMT_OUT_12(c) QFMT_OUT_8(c), \
  QFMT_FOUR(c, 8)
#define QFMT_OUT_16(c) QFMT_OUT_12(c), \
  QFMT_FOUR(c, 12)
#define QFMT_OUT_32(c) QFMT_OUT_16(c), \
  QFMT_FOUR(c, 16), QFMT_FOUR(c, 20), QFMT_FOUR(c, 24), QFMT_FOUR(c, 28)
#define QFMT_OUT_48(c) QFMT_OUT_32(c), \
  QFMT_FOUR(c, 32), QFMT_FOUR(c, 36), QFMT_FOUR(c, 40), QFMT_FOUR(c, 44)
#define QFMT_OUT_64(c) QFMT_OUT_48(c), \
  QFMT_FOUR(c, 48), QFMT_FOUR(c, 52), QFMT_FOUR(c, 56), QFMT_FOUR(c, 60)
#define QFMT_OUT_96(c) QFMT_OUT_64(c), \
  QFMT_FOUR(c, 64), QFMT_FOUR(c, 68), QFMT_FOUR(c, 72), QFMT_FOUR(c, 76), \
  QFMT_FOUR(c, 80), QFMT_FOUR(c, 84), QFMT_FOUR(c, 88), QFMT_FOUR(c, 92)
#define QFMT_OUT_128(c) QFMT_OUT_96(c), \
  QFMT_FOUR(c, 96), QFMT_FOUR(c, 100), QFMT_FOUR(c, 104), QFMT_FOUR(c, 108), \
  QFMT_FOUR(c, 112), QFMT_FOUR(c, 116), QFMT_FOUR(c, 120), QFMT_FOUR(c, 124)

// i0.. are the numbers of the operands behind the accumulators. The predicate says whether d is
// added to; the ones that follow leave the operands' signs as they are and B not transposed.
#define QFMT_WGMMA_RS(shape, types, tail, regs, outputs, i0, i1, i2, i3, i4, i5)                \
  asm volatile("{ .reg .pred p; setp.ne.b32 p, " i5 ", 0; wgmma.mma_async.sync.aligned." shape  \
               types " {" regs "}, {" i0 "," i1 "," i2 "," i3 "}, " i4 ", p" tail "; }"         \
               : outputs                                                                        \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int{accumulate}))
#define QFMT_WGMMA_SS(shape, types, tail, regs, outputs, i0, i1, i2)                            \
  asm volatile("{ .reg .pred p; setp.ne.b32 p, " i2 ", 0; wgmma.mma_async.sync.aligned." shape  \
               types " {" regs "}, " i0 ", " i1 ", p" tail "; }"                                \
               : outputs : "l"(a), "l"(b), "r"(int{accumulate}))
#define QFMT_FLOAT(x) "+f"(x)
#define QFMT_INT(x) "+r"(x)

#define QFMT_WGMMA(N, C, i0, i1, i2, i3, i4, i5)                                                \
  template <Element T>                                                                          \
  __device__ inline void wgmma(float (&d)[C], uint32_t const (&a)[4], uint64_t b, bool accumulate) { \
    if constexpr (Float16Like<T>)                                                               \
      QFMT_WGMMA_RS("m64n" #N "k16", ".f32.f16.f16", ", 1, 1, 0", QFMT_REGS_##C,                \
                    QFMT_OUT_##C(QFMT_FLOAT), i0, i1, i2, i3, i4, i5);                          \
    else                                                                                        \
      QFMT_WGMMA_RS("m64n" #N "k16", ".f32.bf16.bf16", ", 1, 1, 0", QFMT_REGS_##C,              \
                    QFMT_OUT_##C(QFMT_FLOAT), i0, i1, i2, i3, i4, i5);                          \
  }                                                                                             \
  template <Element T>                                                                          \
  __device__ inline void wgmma(float (&d)[C], uint64_t a, uint64_t b, bool accumulate) {        \
    if constexpr (Float16Like<T>)                                                               \
      QFMT_WGMMA_SS("m64n" #N "k16", ".f32.f16.f16", ", 1, 1, 0, 0", QFMT_REGS_##C,             \
                    QFMT_OUT_##C(QFMT_FLOAT), i0, i1, i2);                                      \
    else                                                                                        \
      QFMT_WGMMA_SS("m64n" #N "k16", ".f32.bf16.bf16", ", 1, 1, 0, 0", QFMT_REGS_##C,           \
                    QFMT_OUT_##C(QFMT_FLOAT), i0, i1, i2);                                      \
  }                                                                                             \
  __device__ inline void wgmma_s8(int32_t (&d)[C], uint32_t const (&a)[4], uint64_t b,          \
                                  bool accumulate) {                                            \
    QFMT_WGMMA_RS("m64n" #N "k32", ".s32.s8.s8", "", QFMT_REGS_##C, QFMT_OUT_##C(QFMT_INT), i0, \
                  i1, i2, i3, i4, i5);                                                          \
  }                                                                                             \
  __device__ inline void wgmma_s8(int32_t (&d)[C], uint64_t a, uint64_t b, bool accumulate) {   \
    QFMT_WGMMA_SS("m64n" #N "k32", ".s32.s8.s8", "", QFMT_REGS_##C, QFMT_OUT_##C(QFMT_INT), i0, \
                  i1, i2);                                                                      \
  }

QFMT_WGMMA(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
QFMT_WGMMA(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
QFMT_WGMMA(24, 12, "%12", "%13", "%14", "%15", "%16", "%17")
QFMT_WGMMA(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
QFMT_WGMMA(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
QFMT_WGMMA(96, 48, "%48", "%49", "%50", "%51", "%52", "%53")
QFMT_WGMMA(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
QFMT_WGMMA(192, 96, "%96", "%97", "%98", "%99", "%100", "%101")
QFMT_WGMMA(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")

#undef QFMT_WGMMA
#undef QFMT_INT
#undef QFMT_FLOAT
#undef QFMT_WGMMA_SS
#undef QFMT_WGMMA_RS
#undef QFMT_OUT_128
#undef QFMT_OUT_96
#undef QFMT_OUT_64
#undef QFMT_OUT_48
#undef QFMT_OUT_32
#undef QFMT_OUT_16
#undef QFMT_OUT_12
#undef QFMT_OUT_8
#undef QFMT_OUT_4
#undef QFMT_FOUR
#undef QFMT_REGS_128
#undef QFMT_REGS_96
#undef QFMT_REGS_64
#undef QFMT_REGS_48
#undef QFMT_REGS_32
#undef QFMT_REGS_16
#undef QFMT_REGS_12
#undef QFMT_REGS_8
#undef QFMT_REGS_4
// clang-format on

#else

template <Element T, int C, class A>
__device__ inline void wgmma(float (&)[C], A const&, uint64_t, bool) {}
template <int C, class A>
__device__ inline void wgmma_s8(int32_t (&)[C], A const&, uint64_t, bool) {}

#endif

}  // namespace qfmt::inline v0::ptx::detail
