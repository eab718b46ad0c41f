// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// CUDA's vector types, with CUDA's sizes and alignments.
#pragma once

#define GPU_FREE_VECTOR(name, scalar, align2, align4)                               \
  struct name##1 {                                                                  \
    scalar x;                                                                       \
  };                                                                                \
  struct alignas(align2) name##2 {                                                  \
    scalar x, y;                                                                    \
  };                                                                                \
  struct name##3 {                                                                  \
    scalar x, y, z;                                                                 \
  };                                                                                \
  struct alignas(align4) name##4 {                                                  \
    scalar x, y, z, w;                                                              \
  };                                                                                \
  inline name##1 make_##name##1(scalar x) { return {x}; }                           \
  inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }              \
  inline name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; } \
  inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

GPU_FREE_VECTOR(char, signed char, 2, 4)
GPU_FREE_VECTOR(uchar, unsigned char, 2, 4)
GPU_FREE_VECTOR(short, short, 4, 8)
GPU_FREE_VECTOR(ushort, unsigned short, 4, 8)
GPU_FREE_VECTOR(int, int, 8, 16)
GPU_FREE_VECTOR(uint, unsigned, 8, 16)
GPU_FREE_VECTOR(longlong, long long, 16, 16)
GPU_FREE_VECTOR(ulonglong, unsigned long long, 16, 16)
GPU_FREE_VECTOR(float, float, 8, 16)
GPU_FREE_VECTOR(double, double, 16, 16)
#undef GPU_FREE_VECTOR

struct dim3 {
  unsigned x = 1, y = 1, z = 1;

  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
