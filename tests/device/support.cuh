// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the programs that need a GPU share: memory, inputs of every kind, reports.
#pragma once

#include "qfmt/qfmt.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace device_test {

using namespace qfmt;

inline int failures = 0;

/// One line: what was compared, how much of it, how much differs.
inline void report(std::string const& what, std::uint64_t count, std::uint64_t wrong) {
  std::printf("%-62s %14llu  %llu differ\n", what.c_str(), static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(wrong));
  failures += wrong != 0;
}

inline void require(cudaError_t error, char const* what) {
  if (error == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}
inline void require(Status status, char const* what) {
  if (status) return;
  std::printf("%s: %s (native %d)\n", what, message(status.code), status.native);
  std::exit(2);
}
inline void synchronize(char const* what) { require(cudaDeviceSynchronize(), what); }

/// Exits with ctest's code for a skipped test where there is no GPU.
inline void need_device() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) return;
  std::printf("skipped: no CUDA device here\n");
  std::exit(77);
}
inline int finish(char const* all_is_well) {
  if (failures == 0) {
    std::printf("%s\n", all_is_well);
  } else {
    std::printf("%d checks FAILED\n", failures);
  }
  return failures == 0 ? 0 : 1;
}

/// Device memory, poisoned, so that what a kernel does not write shows.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::int64_t n) : size_(n) {
    require(cudaMalloc(&data_, bytes() == 0 ? 1 : bytes()), "cudaMalloc");
    poison();
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(DeviceArray const&) = delete;

  T* data() const { return data_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  void poison(int byte = 0xCD) { require(cudaMemset(data_, byte, bytes()), "cudaMemset"); }
  void upload(T const* from) {
    require(cudaMemcpy(data_, from, bytes(), cudaMemcpyHostToDevice), "upload");
  }
  void download(T* to) const {
    require(cudaMemcpy(to, data_, bytes(), cudaMemcpyDeviceToHost), "download");
  }
  std::vector<T> download() const {
    std::vector<T> host(static_cast<std::size_t>(size_));
    download(host.data());
    return host;
  }

 private:
  T* data_ = nullptr;
  std::int64_t size_;
};

/// Page-locked host memory: copies run at the speed of the bus.
template <class T>
class PinnedArray {
 public:
  explicit PinnedArray(std::int64_t n) : size_(n) {
    require(cudaMallocHost(&data_, static_cast<std::size_t>(n) * sizeof(T)), "cudaMallocHost");
  }
  ~PinnedArray() { cudaFreeHost(data_); }
  PinnedArray(PinnedArray const&) = delete;
  T* data() const { return data_; }
  std::span<T> span() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  T* data_ = nullptr;
  std::int64_t size_;
};

/// Calls work(first, last) over [0, n) on every core.
template <class Work>
void on_all_cores(std::uint64_t n, Work work) {
  std::uint64_t const threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> pool;
  for (std::uint64_t t = 0; t < threads; ++t)
    pool.emplace_back([=] { work(n * t / threads, n * (t + 1) / threads); });
  for (auto& thread : pool) thread.join();
}

/// Bytes that differ, counted on every core.
inline std::uint64_t differing_bytes(void const* a, void const* b, std::uint64_t n) {
  std::vector<std::uint64_t> wrong(257);
  on_all_cores(256, [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t part = first; part < last; ++part) {
      auto const* p = static_cast<unsigned char const*>(a);
      auto const* q = static_cast<unsigned char const*>(b);
      std::uint64_t const begin = n * part / 256, end = n * (part + 1) / 256;
      if (std::memcmp(p + begin, q + begin, end - begin) == 0) continue;
      for (std::uint64_t i = begin; i < end; ++i) wrong[part] += p[i] != q[i];
    }
  });
  std::uint64_t total = 0;
  for (auto const w : wrong) total += w;
  return total;
}

QFMT_HD constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/// Value i: mostly near-Gaussian runs of many sizes, and runs of 256 zeros, of any finite bits and
/// of subnormals; with `specials`, NaN and infinities here and there.
template <Element T>
QFMT_HD constexpr T value_at(std::uint64_t seed, std::uint64_t i, bool specials = false) {
  std::uint64_t const r = mix(seed, i), run = mix(seed ^ 0x5DEECE66Du, i / 256);
  if (specials && r % 997 == 0)
    return from_float<T>(float_from_bits(r >> 20 & 1   ? 0x7FC00000u
                                         : r >> 21 & 1 ? 0x7F800000u
                                                       : 0xFF800000u));
  float x;
  if (run % 61 == 0) {
    x = 0.f;
  } else if (run % 61 == 1) {
    x = float_from_bits(static_cast<std::uint32_t>(r));
  } else if (run % 61 == 2) {
    x = float_from_bits(static_cast<std::uint32_t>(r) & 0x80FFFFFFu);
  } else {
    std::int64_t sum = -131070;
    for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(r >> 16 * k & 0xFFFF);
    x = static_cast<float>(sum) * 0x1p-16f;
    for (std::uint64_t k = 0; k < run / 61 % 9; ++k) x *= run >> 60 & 1 ? 0.25f : 4.f;
  }
  T const value = from_float<T>(x);
  return is_finite(to_float(value)) ? value : from_float<T>(1.5f);
}

template <Element T>
__global__ void fill_kernel(T* out, std::int64_t n, std::uint64_t seed, bool specials) {
  std::int64_t const stride = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride)
    out[i] = value_at<T>(seed, static_cast<std::uint64_t>(i), specials);
}
template <Element T>
void fill(T* out, std::int64_t n, std::uint64_t seed, bool specials = false) {
  fill_kernel<<<4096, 256>>>(out, n, seed, specials);
  require(cudaGetLastError(), "fill");
}

template <SchemeSpec S>
std::string name_of() {
  std::string name = S::format::name;
  name += S::is_row_wise ? "/row_wise" : "/" + std::to_string(S::block_size);
  return S::is_nested ? name + "/nested" : name;
}
template <Element T>
char const* dtype_name() {
  return sizeof(T) == 4 ? "fp32" : Float16Like<T> ? "fp16" : "bf16";
}

}  // namespace device_test
