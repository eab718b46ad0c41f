// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The lessons of examples/kernels, and the one of examples/lessons with a kernel, as they stand,
// main and all, on the CPU.
#include "qfmt/qfmt.cuh"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "gpu_free/device_buffer.hpp"

namespace lesson_runtime {

inline cudaError_t device_count(int* count) {
  *count = 1;
  return cudaSuccess;
}
/// Managed memory: a device buffer that host code reads and writes in place.
inline std::map<void*, std::unique_ptr<gpu_free::DeviceMemory>> allocations;

template <class T>
cudaError_t allocate(T** p, std::size_t bytes) {
  auto memory = std::make_unique<gpu_free::DeviceMemory>(bytes, 0, false);
  std::vector<unsigned char> const nan(bytes, 0xFF);  // what a kernel leaves out shows
  memory->write(0, nan.data(), bytes);
  *p = reinterpret_cast<T*>(memory->data());
  allocations.emplace(*p, std::move(memory));
  return cudaSuccess;
}
inline cudaError_t release(void* p) {
  allocations.erase(p);
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
namespace newcomer {
#include "../../examples/lessons/02_decode_in_my_kernel.cu"
}

#undef main

TEST_CASE("the example kernels give what the host codec gives") {
  CHECK(lesson_1::run() == 0);
  CHECK(lesson_2::run() == 0);
  CHECK(lesson_3::run() == 0);
  CHECK(newcomer::run() == 0);
}
