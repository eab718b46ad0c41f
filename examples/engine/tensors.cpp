// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "tensors.hpp"

namespace engine {

Tensors::Tensors(std::filesystem::path const& folder)
    : checkpoint_(value_or_fail(qfmt::io::Checkpoint::open(folder))) {}

Matrix Tensors::matrix(std::string const& name, std::int64_t rows, std::int64_t cols) const {
  auto const stored = checkpoint_.locate(name);
  require(stored.has_value(), name + ": the checkpoint lacks it");
  auto const dtype = stored->info->dtype;
  using qfmt::io::Dtype;
  require(dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16,
          stored->subject() + ": neither F32, F16 nor BF16");
  auto const& shape = stored->info->shape;
  bool const fits = cols == 1 ? shape == std::vector{rows} : shape == std::vector{rows, cols};
  require(fits, stored->subject() + ": its shape is not what config.json implies");
  return {rows, cols, *stored};
}

std::vector<float> Tensors::vector(std::string const& name, std::int64_t size) const {
  std::vector<float> values(static_cast<std::size_t>(size));
  read_floats(matrix(name, size, 1), 0, size, values.data());
  return values;
}

void read_floats(Matrix const& matrix, std::int64_t first, std::int64_t count, float* out) {
  auto const convert = [&]<class T>(T value) {
    auto const* const from = matrix.stored.bytes.data() + first * std::int64_t{sizeof(T)};
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(&value, from + i * std::int64_t{sizeof(T)}, sizeof(T));  // at any address
      out[i] = qfmt::to_float(value);
    }
  };
  switch (matrix.dtype()) {
    case qfmt::io::Dtype::F32: return convert(0.f);
    case qfmt::io::Dtype::F16: return convert(qfmt::float16(0.f));
    default: return convert(qfmt::bfloat16(0.f));
  }
}

}  // namespace engine
