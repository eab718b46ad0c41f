// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda_driver.hpp"

#include <cstddef>
#include <dlfcn.h>
#include <initializer_list>

namespace app {
namespace {

/// A library that is loaded while this lives.
class Library {
 public:
  explicit Library(std::initializer_list<char const*> names) {
    for (auto const* name : names)
      if (handle_ == nullptr) handle_ = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  }
  ~Library() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  Library(Library const&) = delete;
  Library& operator=(Library const&) = delete;

  /// The function's answer, 0 for success; 1 where there is no such function.
  template <class... Params, class... Args>
  int call(char const* name, int (*)(Params...), Args... args) const {
    void* const symbol = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (symbol == nullptr) return 1;
    return reinterpret_cast<int (*)(Params...)>(symbol)(args...);
  }

 private:
  void* handle_ = nullptr;
};

std::string version_text(int version) {  // 13000
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

template <class... Params>
constexpr int (*signature)(Params...) = nullptr;

}  // namespace

CudaDriver find_cuda_driver() {
  CudaDriver found;
  int version = 0;
  Library const runtime{"libcudart.so", "libcudart.so.13", "libcudart.so.12"};
  if (runtime.call("cudaRuntimeGetVersion", signature<int*>, &version) == 0)
    found.runtime = version_text(version);
  Library const driver{"libcuda.so.1"};
  if (driver.call("cuInit", signature<unsigned>, 0u) != 0) return found;
  if (driver.call("cuDriverGetVersion", signature<int*>, &version) == 0)
    found.driver = version_text(version);
  int count = 0;
  if (driver.call("cuDeviceGetCount", signature<int*>, &count) != 0) return found;
  for (int i = 0; i < count; ++i) {
    CudaDevice device;
    char name[256]{};
    int major = 0, minor = 0;
    std::size_t bytes = 0;
    constexpr int capability_major = 75, capability_minor = 76;  // of CUdevice_attribute
    driver.call("cuDeviceGetName", signature<char*, int, int>, name, 255, i);
    driver.call("cuDeviceGetAttribute", signature<int*, int, int>, &major, capability_major, i);
    driver.call("cuDeviceGetAttribute", signature<int*, int, int>, &minor, capability_minor, i);
    driver.call("cuDeviceTotalMem_v2", signature<std::size_t*, int>, &bytes, i);
    found.devices.push_back({name, 10 * major + minor, bytes});
  }
  return found;
}

}  // namespace app
