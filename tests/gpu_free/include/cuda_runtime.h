// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Stands in for the CUDA Toolkit's header of this name, and comes first in every translation unit
// of a GPU-free test: the language's qualifiers, its built-ins, and as much of the runtime as the
// library calls. Streams run at once.
#pragma once

#include <cstddef>
#include <tuple>

#include "gpu_free/atomics.hpp"
#include "gpu_free/intrinsics.hpp"
#include "gpu_free/launch.hpp"
#include "gpu_free/warp.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
// One block runs at a time on one OS thread, so a static variable is its shared memory. It must lie
// where the harness finds all of them: clang++ puts it into a section; g++ forgets section
// attributes in templates, but its program has no other thread-local variables, so there they mark
// the place.
#if defined(__clang__)
#define __shared__ static __attribute__((section("qfmt_shared")))
#else
#define __shared__ static thread_local
#endif

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101
};
char const* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

struct CUstream_st;
using cudaStream_t = CUstream_st*;
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2
};
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream = nullptr);
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};
cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrReservedSharedMemoryPerBlock = 111
};
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
  cudaFuncAttributeNonPortableClusterSizeAllowed = 13
};

enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeClusterDimension = 4,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6
};
union cudaLaunchAttributeValue {
  struct {
    unsigned x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim;
  dim3 blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

namespace gpu_free::detail {
cudaError_t set_function_attribute(void const* kernel, cudaFuncAttribute attribute, int value);
int compiled_for();  // 10 * major + minor, as ptxVersion
cudaError_t launch(cudaLaunchConfig_t const& config, void const* kernel,
                   std::function<void()> const& thread_body);
/// Blocks of this kernel that fit one multiprocessor by threads and shared memory.
cudaError_t occupancy(int* blocks, int threads, std::size_t dynamic_bytes);
}  // namespace gpu_free::detail

struct cudaFuncAttributes {
  int ptxVersion = 0;
  int maxThreadsPerBlock = 1024;
};
template <class... Params>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*)(Params...)) {
  attributes->ptxVersion = ::gpu_free::detail::compiled_for();
  return cudaSuccess;
}
template <class... Params>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Params...), cudaFuncAttribute attribute,
                                 int value) {
  return ::gpu_free::detail::set_function_attribute(reinterpret_cast<void const*>(kernel),
                                                    attribute, value);
}

template <class... Params>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Params...),
                                                          int threads, std::size_t dynamic_bytes) {
  return ::gpu_free::detail::occupancy(blocks, threads, dynamic_bytes);
}

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(cudaLaunchConfig_t const* config, void (*kernel)(Params...),
                               Args&&... args) {
  std::tuple<Params...> const params(static_cast<Args&&>(args)...);
  auto const call = [kernel](Params... own) {  // every thread has its own copy
    auto* const run = kernel;
    ::gpu_free::enter_kernel();
    run(own...);
    ::gpu_free::leave_kernel();
  };
  return ::gpu_free::detail::launch(*config, reinterpret_cast<void const*>(kernel), [&] {
    ::gpu_free::leave_kernel();
    std::apply(call, params);
  });
}
