// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the choice of a kernel depends on, asked of the CUDA runtime.
#pragma once

#include "qfmt/device/launch.cuh"
#include "qfmt/ops/tuning.hpp"

namespace qfmt::inline v0::device::detail {

/// What the dispatcher asks about the current device; no device memory is touched.
inline Status device_limits(DeviceLimits& limits) {
  int device = 0;
  int major = 0;
  int minor = 0;
  cudaError_t e = cudaGetDevice(&device);
  auto const ask = [&](int& value, cudaDeviceAttr attribute) {
    if (e == cudaSuccess) e = cudaDeviceGetAttribute(&value, attribute, device);
  };
  ask(major, cudaDevAttrComputeCapabilityMajor);
  ask(minor, cudaDevAttrComputeCapabilityMinor);
  ask(limits.multiprocessors, cudaDevAttrMultiProcessorCount);
  ask(limits.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  ask(limits.reserved_shared_bytes, cudaDevAttrReservedSharedMemoryPerBlock);
  limits.sm = 10 * major + minor;
  return to_status(e);
}

}  // namespace qfmt::inline v0::device::detail
