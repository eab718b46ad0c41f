// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "cuda_runtime.h"
#include "gpu_free/device_buffer.hpp"
#include "scheduler.hpp"
#include "shadow.hpp"
#include "stack.hpp"

namespace {

constexpr int default_dynamic_bytes = 48 * 1024;
constexpr int most_dynamic_bytes = 227 * 1024;

cudaError_t last_error = cudaSuccess;
std::map<void const*, int> dynamic_limits;

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

}  // namespace

char const* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "an emulated CUDA error";
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = gpu_free::settings().stream_is_capturing ? cudaStreamCaptureStatusActive
                                                     : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  throw gpu_free::Fault("the library synchronises a stream");
}
cudaError_t cudaDeviceSynchronize() {
  throw gpu_free::Fault("the library synchronises the device");
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  gpu_free::shadow::set_defined(to, bytes, true);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  if (!gpu_free::shadow::is_defined(from, bytes))
    throw gpu_free::Fault("cudaMemcpyAsync copies what nobody has written");
  std::memcpy(to, from, bytes);
  gpu_free::shadow::set_defined(to, bytes, true);
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = default_dynamic_bytes; break;
    case cudaDevAttrMultiProcessorCount: *value = gpu_free::settings().sm_count; break;
    case cudaDevAttrComputeCapabilityMajor: *value = gpu_free::settings().compute_major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = gpu_free::settings().compute_minor; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 * 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = most_dynamic_bytes; break;
    case cudaDevAttrReservedSharedMemoryPerBlock: *value = 1024; break;
    default: return remember(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

namespace gpu_free {

namespace detail {

int compiled_for() {
  return 10 * gpu_free::settings().compute_major + gpu_free::settings().compute_minor;
}

cudaError_t set_function_attribute(void const* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || value > most_dynamic_bytes) return remember(cudaErrorInvalidValue);
    dynamic_limits[kernel] = value;
  }
  return cudaSuccess;
}

cudaError_t occupancy(int* blocks, int threads, std::size_t dynamic_bytes) {
  int const by_threads = 2048 / threads;
  int const by_memory = static_cast<int>(228 * 1024 / (dynamic_bytes + 1024));
  *blocks = std::min({32, by_threads, by_memory});
  return cudaSuccess;
}

cudaError_t launch(cudaLaunchConfig_t const& config, void const* kernel,
                   std::function<void()> const& thread_body) {
  Shape shape{config.gridDim, config.blockDim, {}, config.dynamicSmemBytes};
  for (unsigned i = 0; i < config.numAttrs; ++i)
    if (config.attrs[i].id == cudaLaunchAttributeClusterDimension) {
      auto const c = config.attrs[i].val.clusterDim;
      shape.cluster = dim3(c.x, c.y, c.z);
    }
  dim3 const g = shape.grid, b = shape.block, c = shape.cluster;
  std::uint64_t const threads = std::uint64_t{b.x} * b.y * b.z;
  auto const limit = dynamic_limits.find(kernel);
  int const dynamic = limit == dynamic_limits.end() ? default_dynamic_bytes : limit->second;
  bool const valid = threads > 0 && threads <= 1024 && b.z <= 64 && g.x > 0 && g.y > 0 && g.z > 0 &&
                     g.x <= 0x7FFFFFFFu && g.y <= 65535 && g.z <= 65535 && c.x > 0 && c.y > 0 &&
                     c.z > 0 && c.x * c.y * c.z <= 8 && g.x % c.x == 0 && g.y % c.y == 0 &&
                     g.z % c.z == 0;
  if (!valid) return remember(cudaErrorInvalidConfiguration);
  if (shape.dynamic_bytes > static_cast<std::size_t>(dynamic))
    return remember(cudaErrorInvalidValue);
  run_grid(shape, thread_body);
  return cudaSuccess;
}

}  // namespace detail

DeviceMemory::DeviceMemory(std::size_t bytes, std::size_t misalignment, bool sparse)
    : memory_(new GuardedMemory(bytes, misalignment, sparse)), bytes_(bytes) {
  shadow::add_buffer(memory_->data(), bytes);
  if (!sparse) poison();
}

DeviceMemory::~DeviceMemory() {
  if (memory_ == nullptr) return;
  shadow::remove_buffer(memory_->data());
}

void DeviceMemory::poison() {
  std::uint64_t x = settings().poison * 0x9E3779B97F4A7C15u + 0xD1B54A32D192ED03u;
  std::byte* const p = memory_->data();
  for (std::size_t i = 0; i < bytes_; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    p[i] = static_cast<std::byte>(x >> 56);
  }
  shadow::set_defined(p, bytes_, false);
}

std::byte* DeviceMemory::data() const { return memory_->data(); }

void DeviceMemory::write(std::size_t offset, void const* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(data() + offset, from, bytes);
  shadow::set_defined(data() + offset, bytes, true);
}

void DeviceMemory::read(std::size_t offset, void* to, std::size_t bytes) const {
  if (bytes > 0) std::memcpy(to, data() + offset, bytes);
}

bool DeviceMemory::is_written(std::size_t offset, std::size_t bytes) const {
  return shadow::is_defined(data() + offset, bytes);
}

void check_read(void const* pointer, std::size_t bytes) {
  Outside const outside;
  shadow::access(pointer, bytes, shadow::Kind::read);
}
void check_write(void* pointer, std::size_t bytes) {
  Outside const outside;
  shadow::access(pointer, bytes, shadow::Kind::write);
}

void touch_atomic(void* p, std::size_t bytes, Site site) {
  Outside const outside;
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0) fail("an atomic is misaligned", site);
  shadow::access(p, bytes, shadow::Kind::atomic);
}

}  // namespace gpu_free

void __threadfence() {
  gpu_free::Outside const outside;
  gpu_free::shadow::fence();
}
void __threadfence_block() {}
void __threadfence_system() { __threadfence(); }
