// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: qfmt does not support MSVC: compile with g++ 12
// expect-nvcc: qfmt does not support MSVC: compile with g++ 12
// expect-clang: qfmt does not support HIP: its kernels are CUDA
#if !defined(GOOD)
#define __HIP__ 1
#endif
#if !defined(GOOD) && !defined(__clang__)
#define _MSC_VER 1940
#endif
#include <qfmt/config.hpp>
