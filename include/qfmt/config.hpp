// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the compiler must be, and the few spellings that differ between a host compiler, nvcc and
// NVRTC. The only header that chooses between the standard library and libcu++.
#pragma once

#include "qfmt/version.hpp"

#if defined(QFMT_SINGLE_HEADER)  // which a single file defines after its headers
#error "qfmt: a single file holds the headers of include/qfmt: include one or the other."
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#error "qfmt does not support MSVC: compile with g++ 12, clang++ 14 or newer, or nvcc on one."
#endif

#if defined(__HIP__) || defined(__HIPCC__)
#error "qfmt does not support HIP: its kernels are CUDA; host headers take g++ or clang++."
#endif

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "qfmt needs C++20: compile with -std=c++20 or newer."
#endif

#if defined(__FAST_MATH__)
#error "qfmt is exact to the bit and cannot be under -ffast-math: compile this file without it."
#endif

#if defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "qfmt is exact to the bit and cannot be under -fassociative-math or -freciprocal-math."
#endif

#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ == 2
#error "qfmt needs float arithmetic in float: x87 evaluation (-mfpmath=387) rounds differently."
#endif

#if defined(__CUDACC_VER_MAJOR__) && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ < 1203
#error "qfmt needs the CUDA Toolkit 12.3 or newer: older ones have no __builtin_bit_cast."
#endif

#if defined(__CUDACC_RTC__)
#include <cuda/std/concepts>
#include <cuda/std/cstdint>
#include <cuda/std/type_traits>
#include <cuda/std/utility>
#else
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>
#endif

/// Marks a function that host and device share. Empty for a plain host compiler.
#if defined(__CUDACC__)
#define QFMT_HD __host__ __device__
#else
#define QFMT_HD
#endif

/// Marks a namespace of kernels: two libraries that instantiate the same kernel template do not
/// share one another's host stub at run time.
#if defined(__GNUC__) && !defined(__CUDACC_RTC__)
#define QFMT_HIDDEN __attribute__((visibility("hidden")))
#else
#define QFMT_HIDDEN
#endif

// The inline namespace names the ABI: it changes whenever a view's layout or the meaning of a byte
// does, so that two engines which vendored two versions can share one process.
namespace qfmt::inline v0 {

#if defined(__CUDACC_RTC__)
namespace stl = ::cuda::std;
#else
namespace stl = ::std;
#endif

using stl::int16_t;
using stl::int32_t;
using stl::int64_t;
using stl::int8_t;
using stl::uint16_t;
using stl::uint32_t;
using stl::uint64_t;
using stl::uint8_t;
using stl::uintptr_t;

}  // namespace qfmt::inline v0
