// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The values of a tensor in a file, typed.
#pragma once

#include <qfmt/dtype.hpp>
#include <qfmt/io/tensor_info.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace app {

/// A tensor of a mapped file.
struct Tensor {
  qfmt::io::TensorInfo const& info;
  std::span<std::byte const> bytes;
};

inline bool is_floating_point(qfmt::io::Dtype dtype) {
  using qfmt::io::Dtype;
  return dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16;
}

/// The same for a shape that a file's reader has checked: the product fits.
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

/// The same with T by the tensor's dtype, which is_floating_point.
template <class Fn>
auto with_values(Tensor const& tensor, Fn&& fn) {
  using qfmt::io::Dtype;
  switch (tensor.info.dtype) {
    case Dtype::F32: return with_values_of<float>(tensor.bytes, fn);
    case Dtype::F16: return with_values_of<qfmt::float16>(tensor.bytes, fn);
    case Dtype::BF16: return with_values_of<qfmt::bfloat16>(tensor.bytes, fn);
    default: throw std::logic_error("with_values: not a floating-point tensor");
  }
}

}  // namespace app
