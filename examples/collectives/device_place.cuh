// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A GPU as a place: device memory, and work on one stream. See host_place.hpp.
#pragma once

#include <qfmt/device/grid/dequantize.cuh>
#include <qfmt/ops/matmul.cuh>

#include <cstdio>
#include <span>
#include <utility>
#include <vector>

namespace examples {

class DevicePlace {
 public:
  explicit DevicePlace(cudaStream_t stream) : stream_(stream) {}

  /// Device memory; null where there was not enough, which the next call on it reports.
  template <class T>
  class Buffer {
   public:
    explicit Buffer(std::int64_t count) : size_(static_cast<std::size_t>(count)) {
      void* memory = nullptr;
      if (size_ > 0 && cudaMalloc(&memory, size_ * sizeof(T)) == cudaSuccess)
        data_ = static_cast<T*>(memory);
    }
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() { cudaFree(data_); }

    T* data() { return data_; }
    T const* data() const { return data_; }
    std::size_t size() const { return size_; }

   private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
  };

  template <class T>
  Buffer<T> allocate(std::int64_t count) const {
    return Buffer<T>(count);
  }
  template <class T>
  Buffer<T> upload(std::span<T const> values) const {
    Buffer<T> buffer(static_cast<std::int64_t>(values.size()));
    cudaMemcpyAsync(buffer.data(), values.data(), values.size_bytes(), cudaMemcpyHostToDevice,
                    stream_);
    wait();  // the source may go
    return buffer;
  }
  template <class T>
  std::vector<T> download(Buffer<T> const& buffer) const {
    std::vector<T> values(buffer.size());
    cudaMemcpyAsync(values.data(), buffer.data(), buffer.size() * sizeof(T), cudaMemcpyDeviceToHost,
                    stream_);
    wait();
    return values;
  }

  template <qfmt::SchemeSpec S, class T>
  bool matmul(qfmt::QuantizedMatrix<S const> w, T const* x, std::int64_t m, T* y) const {
    return static_cast<bool>(qfmt::device::matmul(w, x, m, y, nullptr, {}, stream_));
  }
  template <qfmt::SchemeSpec S, class T>
  bool dequantize(qfmt::QuantizedSpan<S const> in, T* out) const {
    return static_cast<bool>(qfmt::device::dequantize(in, out, stream_));
  }
  bool wait() const {
    cudaError_t const e = cudaStreamSynchronize(stream_);
    if (e != cudaSuccess) std::fprintf(stderr, "%s\n", cudaGetErrorString(e));
    return e == cudaSuccess;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace examples
