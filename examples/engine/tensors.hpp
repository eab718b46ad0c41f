// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A model's tensors on disk: safetensors, whole or in shards.
#pragma once

#include <qfmt/dtype.hpp>
#include <qfmt/io/checkpoint.hpp>

#include <cstring>
#include <filesystem>
#include <vector>

#include "failure.hpp"

namespace engine {

/// A matrix as the file holds it, or a vector with cols = 1.
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  qfmt::io::StoredTensor stored;

  qfmt::io::Dtype dtype() const { return stored.info->dtype; }
};

/// Calls fn(vector of T) with the values of a matrix in the file's own type.
template <class Fn>
auto with_values(Matrix const& matrix, Fn&& fn) {
  auto const copy = [&]<class T>(T*) {
    std::vector<T> values(static_cast<std::size_t>(matrix.rows * matrix.cols));
    std::memcpy(values.data(), matrix.stored.bytes.data(), matrix.stored.bytes.size());
    return fn(std::move(values));
  };
  switch (matrix.dtype()) {
    case qfmt::io::Dtype::F32: return copy(static_cast<float*>(nullptr));
    case qfmt::io::Dtype::F16: return copy(static_cast<qfmt::float16*>(nullptr));
    default: return copy(static_cast<qfmt::bfloat16*>(nullptr));
  }
}

/// Tensors by name, each checked against the shape that is asked for.
class Tensors {
 public:
  /// folder: with model.safetensors, or an index and shards
  explicit Tensors(std::filesystem::path const& folder);

  Matrix matrix(std::string const& name, std::int64_t rows, std::int64_t cols) const;
  std::vector<float> vector(std::string const& name, std::int64_t size) const;

 private:
  qfmt::io::Checkpoint checkpoint_;
};

/// Values [first, first + count) of a matrix as floats.   out: (count)
void read_floats(Matrix const& matrix, std::int64_t first, std::int64_t count, float* out);

}  // namespace engine
