// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// "Device" memory: inaccessible pages on both sides, any alignment, random bytes until something is
// written, and a memory of what was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace gpu_free {

class GuardedMemory;

/// Untyped. `sparse` memory may be larger than the machine's; it holds zeros.
class DeviceMemory {
 public:
  DeviceMemory(std::size_t bytes, std::size_t misalignment, bool sparse = false);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory const&) = delete;
  DeviceMemory& operator=(DeviceMemory const&) = delete;

  std::byte* data() const;
  void poison();
  void write(std::size_t offset, void const* from, std::size_t bytes);
  void read(std::size_t offset, void* to, std::size_t bytes) const;
  bool is_written(std::size_t offset, std::size_t bytes) const;  // true without the shadow

 private:
  std::unique_ptr<GuardedMemory> memory_;
  std::size_t bytes_;
};

/// `count` values of T that begin `misalignment` bytes behind a multiple of 16.
template <class T>
class DeviceBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit DeviceBuffer(std::int64_t count, std::size_t misalignment = 0, bool sparse = false)
      : memory_(
            new DeviceMemory(static_cast<std::size_t>(count) * sizeof(T), misalignment, sparse)),
        count_(count) {}
  explicit DeviceBuffer(std::span<T const> values, std::size_t misalignment = 0)
      : DeviceBuffer(static_cast<std::int64_t>(values.size()), misalignment) {
    write(values);
  }
  explicit DeviceBuffer(std::vector<T> const& values, std::size_t misalignment = 0)
      : DeviceBuffer(std::span<T const>(values), misalignment) {}

  T* data() const { return reinterpret_cast<T*>(memory_->data()); }
  std::int64_t size() const { return count_; }
  void write(std::span<T const> values, std::int64_t at = 0) {
    memory_->write(static_cast<std::size_t>(at) * sizeof(T), values.data(), values.size_bytes());
  }
  std::vector<T> host() const { return host(0, count_); }
  std::vector<T> host(std::int64_t first, std::int64_t count) const {
    std::vector<T> values(static_cast<std::size_t>(count));
    memory_->read(static_cast<std::size_t>(first) * sizeof(T), values.data(),
                  values.size() * sizeof(T));
    return values;
  }
  /// True if every byte of values [first, first + count) was written.
  bool is_written(std::int64_t first, std::int64_t count) const {
    return memory_->is_written(static_cast<std::size_t>(first) * sizeof(T),
                               static_cast<std::size_t>(count) * sizeof(T));
  }
  bool is_written() const { return is_written(0, count_); }
  /// Forgets what was written.
  void poison() { memory_->poison(); }

 private:
  std::unique_ptr<DeviceMemory> memory_;
  std::int64_t count_;
};

}  // namespace gpu_free
