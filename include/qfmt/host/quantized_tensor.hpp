// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/placement.hpp"
#include "qfmt/status.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace qfmt::inline v0 {

/// A quantized tensor in host memory, which it owns; move-only. Where the shape cannot be laid out
/// or memory is short it is empty, and status() says why: unsupported_shape or out_of_memory.
/// Fresh memory is zero.
template <MutableScheme S>
class QuantizedTensor {
 public:
  QuantizedTensor() = default;
  /// Zeroed memory for `size` values as one row. Allocates; status() says whether it could.
  explicit QuantizedTensor(int64_t size) : QuantizedTensor(1, size) {}

  /// Zeroed memory for a row-major matrix. Allocates; status() says whether it could.
  QuantizedTensor(int64_t rows, int64_t cols) : placement_(placement<S>(rows, cols)) {
    if (placement_.bytes < 0) {
      status_ = {Errc::unsupported_shape};
      return;
    }
    storage_.reset(allocate(placement_.bytes));
    if (storage_ == nullptr) {
      status_ = {Errc::out_of_memory};
      placement_ = {};
      return;
    }
    matrix_ = place<S>(storage_.get(), rows, cols);
  }

  /// Takes the memory over and leaves `other` empty.
  QuantizedTensor(QuantizedTensor&& other) noexcept { swap(other); }
  QuantizedTensor& operator=(QuantizedTensor&& other) noexcept {
    QuantizedTensor taken(std::move(other));  // leaves `other` empty
    swap(taken);
    return *this;
  }

  /// The values, to be written; valid while the tensor lives.
  QuantizedSpan<S> span() { return matrix_.values; }
  /// The values, to be read.
  QuantizedSpan<S const> span() const { return matrix_.values; }
  /// The matrix, to be written; valid while the tensor lives.
  QuantizedMatrix<S> matrix() { return matrix_; }
  /// The matrix, to be read.
  QuantizedMatrix<S const> matrix() const { return matrix_; }

  /// Bytes of memory held: `storage_bytes<S>(rows, cols)`; 0 if empty.
  int64_t bytes() const { return storage_ == nullptr ? 0 : placement_.bytes; }

  /// Bits of codes and scales per value, without padding; 0 if there are no values.
  double bits_per_value() const {
    if (matrix_.values.size == 0) return 0.0;
    return 8.0 * static_cast<double>(placement_.payload) / static_cast<double>(placement_.size);
  }

  /// ok, or why the tensor is empty: out_of_memory, unsupported_shape.
  Status status() const { return status_; }

 private:
  static constexpr std::align_val_t alignment{128};

  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, alignment); }
  };

  void swap(QuantizedTensor& other) noexcept {
    std::swap(placement_, other.placement_);
    std::swap(storage_, other.storage_);
    std::swap(matrix_, other.matrix_);
    std::swap(status_, other.status_);
  }

  static std::byte* allocate(int64_t bytes) {
    auto const size = static_cast<std::size_t>(bytes > 0 ? bytes : 1);
    void* const p = ::operator new(size, alignment, std::nothrow);
    return p == nullptr ? nullptr : static_cast<std::byte*>(std::memset(p, 0, size));
  }

  Placement placement_{};
  std::unique_ptr<std::byte, Free> storage_;
  QuantizedMatrix<S> matrix_{};
  Status status_{};
};

}  // namespace qfmt::inline v0
