// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The one place that launches kernels and turns the runtime's answers into a Status.
#pragma once

#include "qfmt/status.hpp"

#include <cuda_runtime.h>

namespace qfmt::inline v0::device {

/// How a kernel is launched: one-dimensional blocks on a grid of up to two dimensions.
struct LaunchShape {
  int64_t blocks = 1;         ///< at most 2^31 - 1
  int threads = 1;            ///< of a block
  int shared_bytes = 0;       ///< of dynamic shared memory
  int64_t blocks_y = 1;       ///< at most 65535
  int cluster = 1;            ///< blocks in a cluster, sm_90 and up
  bool begins_early = false;  ///< may begin before the previous kernel of the stream has ended; the
                              ///< kernel then calls ptx::wait_for_dependencies()
};

/// What the CUDA runtime answered, as a Status: ok, or device_error with the cudaError_t.
inline Status to_status(cudaError_t error) {
  return error == cudaSuccess ? Status{} : Status{Errc::device_error, -1, static_cast<int>(error)};
}

/// Launches `kernel` on `stream`. Stream-ordered: neither waits nor allocates. An empty grid
/// launches nothing. Errors: unsupported_shape where the grid is larger than a GPU's; device_error
/// with the cudaError_t.
template <class... Params, class... Args>
Status launch(void (*kernel)(Params...), LaunchShape shape, cudaStream_t stream, Args... args) {
  if (shape.blocks == 0 || shape.blocks_y == 0) return {};
  if (shape.blocks > 0x7FFFFFFF || shape.blocks_y > 0xFFFF) return {Errc::unsupported_shape};
  if (shape.shared_bytes > 48 * 1024) {
    cudaError_t const raised = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes);
    if (raised != cudaSuccess) return to_status(raised);
  }
  cudaLaunchAttribute attributes[2];
  unsigned count = 0;
  if (shape.cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim = {static_cast<unsigned>(shape.cluster), 1, 1};
    ++count;
  }
  if (shape.begins_early) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count].val.programmaticStreamSerializationAllowed = 1;
    ++count;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.blocks_y));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = static_cast<size_t>(shape.shared_bytes);
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = count;
  return to_status(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...));
}

}  // namespace qfmt::inline v0::device
