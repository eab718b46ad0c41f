// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The values of a tensor in a file, typed.
#pragma once

#include <qfmt/dtype.hpp>
#include <qfmt/io/safetensors.hpp>
#include <qfmt/io/torch_dtype.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace app {

/// A tensor's values, of a mapped file or a copy.
struct Tensor {
  qfmt::io::TensorInfo const& info;
  std::span<std::byte const> bytes;
  qfmt::io::SafetensorsFile const* file = nullptr;  // to be told what has been read; may be null

  /// Says that these bytes have been read, for now.
  void read(std::span<std::byte const> part) const {
    if (file != nullptr) file->release(part);
  }
};

inline bool is_floating_point(qfmt::io::Dtype dtype) {
  using qfmt::io::Dtype;
  return dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16;
}

/// The count of a shape that a file's reader has checked: the product fits.
inline std::int64_t count_of(std::vector<std::int64_t> const& shape) {
  std::int64_t count = 1;
  for (std::int64_t const d : shape) count *= d;
  return count;
}

/// fn(span of T): in the file itself, or in a copy where the file puts them at an odd address.
template <qfmt::Element T, class Fn>
auto with_values_of(std::span<std::byte const> bytes, Fn&& fn) {
  std::size_t const count = bytes.size() / sizeof(T);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0)
    return fn(std::span(reinterpret_cast<T const*>(bytes.data()), count));
  std::vector<T> copy(count);
  std::memcpy(copy.data(), bytes.data(), count * sizeof(T));
  return fn(std::span<T const>(copy));
}

/// The same with T by dtype, which is_floating_point.
template <class Fn>
auto with_values(qfmt::io::Dtype dtype, std::span<std::byte const> bytes, Fn&& fn) {
  using qfmt::io::Dtype;
  switch (dtype) {
    case Dtype::F32: return with_values_of<float>(bytes, fn);
    case Dtype::F16: return with_values_of<qfmt::float16>(bytes, fn);
    case Dtype::BF16: return with_values_of<qfmt::bfloat16>(bytes, fn);
    default: throw std::logic_error("with_values: not a floating-point tensor");
  }
}

/// The transpose of a matrix of values of `size` bytes each.
inline std::vector<std::byte> transposed(std::span<std::byte const> bytes, std::int64_t rows,
                                         std::int64_t cols, std::int64_t size) {
  std::vector<std::byte> result(bytes.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      std::memcpy(result.data() + (c * rows + r) * size, bytes.data() + (r * cols + c) * size,
                  static_cast<std::size_t>(size));
  return result;
}

}  // namespace app
