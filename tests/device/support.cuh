// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the programs that need a GPU share: memory, inputs of every kind, reports.
#pragma once

#include "qfmt/qfmt.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
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
  std::setvbuf(stdout, nullptr, _IOLBF, 4096);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) return;
  std::printf("skipped: no CUDA device here\n");
  std::exit(77);
}
/// A type as a value.
template <class T>
struct Tag {
  using type = T;
};
template <class Use>
void with_dtypes(Use use) {
  use(Tag<__nv_bfloat16>{});
  use(Tag<__half>{});
  use(Tag<float>{});
}

/// What the command line asks for: one part by its name or all, and a short form.
struct Arguments {
  std::string part = "all";
  bool quick = false;

  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
      if (std::string const a = argv[i]; a == "--quick") {
        quick = true;
      } else {
        part = a;
      }
  }
  bool runs(char const* name) const { return part == "all" || part == name; }
};

inline int finish(char const* all_is_well) {
  if (failures == 0) {
    std::printf("%s\n", all_is_well);
  } else {
    std::printf("%d checks FAILED\n", failures);
  }
  return failures == 0 ? 0 : 1;
}

/// One large allocation handed out from the bottom up and taken back in reverse, as automatic
/// objects come and go: thousands of small checks then cost no allocation.
class Arena {
 public:
  enum class Kind { device, pinned };
  explicit Arena(Kind kind)
      : kind_(kind),
        capacity_((kind == Kind::device ? std::int64_t{40} : std::int64_t{20}) << 30) {}

  /// Before the first use: less, for tools that watch every byte.
  void limit(std::int64_t bytes) { capacity_ = bytes; }

  std::int64_t reserve(std::int64_t bytes) {
    grow();
    std::int64_t const at = used_;
    used_ += (bytes + 511) / 256 * 256;
    if (used_ > capacity_) require(cudaErrorMemoryAllocation, "the arena is full");
    return at;
  }
  void release(std::int64_t at) { used_ = at; }
  std::uint8_t* at(std::int64_t offset) { return base_ + offset; }

 private:
  void grow() {
    if (base_ != nullptr) return;
    auto const bytes = static_cast<std::size_t>(capacity_);
    require(kind_ == Kind::device ? cudaMalloc(&base_, bytes)
                                  : cudaHostAlloc(reinterpret_cast<void**>(&base_), bytes, 0),
            "the arena");
  }

  Kind kind_;
  std::int64_t capacity_;
  std::uint8_t* base_ = nullptr;
  std::int64_t used_ = 0;
};
inline Arena device_arena{Arena::Kind::device};
inline Arena host_arena{Arena::Kind::pinned};

/// Device memory, poisoned, so that what a kernel does not write shows.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::int64_t n)
      : size_(n), offset_(device_arena.reserve(n * static_cast<std::int64_t>(sizeof(T)))) {
    poison();
  }
  ~DeviceArray() { device_arena.release(offset_); }
  DeviceArray(DeviceArray const&) = delete;

  T* data() const { return reinterpret_cast<T*>(device_arena.at(offset_)); }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  void poison(int byte = 0xCD) {
    if (size_ > 0) require(cudaMemsetAsync(data(), byte, bytes()), "cudaMemset");
  }
  void upload(T const* from) {
    require(cudaMemcpy(data(), from, bytes(), cudaMemcpyHostToDevice), "upload");
  }
  void download(T* to) const {
    require(cudaMemcpy(to, data(), bytes(), cudaMemcpyDeviceToHost), "download");
  }
  std::vector<T> download() const {
    std::vector<T> host(static_cast<std::size_t>(size_));
    download(host.data());
    return host;
  }

 private:
  std::int64_t size_;
  std::int64_t offset_;
};

/// Page-locked host memory: copies run at the speed of the bus.
template <class T>
class PinnedArray {
 public:
  explicit PinnedArray(std::int64_t n)
      : size_(n), offset_(host_arena.reserve(n * static_cast<std::int64_t>(sizeof(T)))) {}
  ~PinnedArray() { host_arena.release(offset_); }
  PinnedArray(PinnedArray const&) = delete;
  T* data() const { return reinterpret_cast<T*>(host_arena.at(offset_)); }
  std::span<T> span() const { return {data(), static_cast<std::size_t>(size_)}; }

 private:
  std::int64_t size_;
  std::int64_t offset_;
};

/// Calls work(first, last) over [0, n) on every core.
template <class Work>
void on_all_cores(std::uint64_t n, Work work) {
  std::uint64_t const cores = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t const threads = std::min<std::uint64_t>(cores, n / 65536 + 1);
  std::vector<std::thread> pool;
  for (std::uint64_t t = 0; t < threads; ++t)
    pool.emplace_back([=] { work(n * t / threads, n * (t + 1) / threads); });
  for (auto& thread : pool) thread.join();
}

/// How many of n elements test(i) is true for.
template <class Test>
std::uint64_t count_if(std::uint64_t n, Test test) {
  std::atomic<std::uint64_t> total{0};
  on_all_cores(n, [&](std::uint64_t first, std::uint64_t last) {
    std::uint64_t found = 0;
    for (std::uint64_t i = first; i < last; ++i) found += test(i);
    total += found;
  });
  return total;
}

/// Bytes that differ.
inline std::uint64_t differing_bytes(void const* a, void const* b, std::uint64_t n) {
  auto const* const p = static_cast<unsigned char const*>(a);
  auto const* const q = static_cast<unsigned char const*>(b);
  return count_if(n, [=](std::uint64_t i) { return p[i] != q[i]; });
}

/// The executor for n values: threads where they are worth starting.
inline auto executor_for(std::int64_t n) {
  return host::Threads{n < (std::int64_t{1} << 20) ? 1 : 0};
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
  auto const blocks = static_cast<unsigned>(std::min<std::int64_t>(4096, n / 256 + 1));
  fill_kernel<<<blocks, 256>>>(out, n, seed, specials);
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
