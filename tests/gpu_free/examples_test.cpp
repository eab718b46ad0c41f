// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The lessons of examples/kernels as they stand, main and all, on the CPU.
#include "qfmt/qfmt.cuh"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace lesson_runtime {

inline cudaError_t device_count(int* count) {
  *count = 1;
  return cudaSuccess;
}
template <class T>
cudaError_t allocate(T** p, std::size_t bytes) {
  *p = static_cast<T*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  if (*p == nullptr) return cudaErrorInvalidValue;
  std::memset(static_cast<void*>(*p), 0xFF, bytes);  // NaN: what a kernel leaves out shows
  return cudaSuccess;
}
inline cudaError_t release(void* p) {
  std::free(p);
  return cudaSuccess;
}
inline cudaError_t wait() { return cudaSuccess; }  // launches have run when they return

}  // namespace lesson_runtime

// A program's own calls, which the library never makes and the harness does not have.
#define cudaGetDeviceCount lesson_runtime::device_count
#define cudaMallocManaged lesson_runtime::allocate
#define cudaFree lesson_runtime::release
#define cudaDeviceSynchronize lesson_runtime::wait
#define main run

namespace lesson_1 {
#include "../../examples/kernels/01_fused_activation.cu"
}
namespace lesson_2 {
#include "../../examples/kernels/02_embedding_lookup.cu"
}
namespace lesson_3 {
#include "../../examples/kernels/03_matvec.cu"
}

#undef main

TEST_CASE("the example kernels give what the host codec gives") {
  CHECK(lesson_1::run() == 0);
  CHECK(lesson_2::run() == 0);
  CHECK(lesson_3::run() == 0);
}
