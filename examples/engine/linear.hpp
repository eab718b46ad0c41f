// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The linear layers of a model, behind one virtual call.
#pragma once

#include <cstdint>
#include <memory>

#include "format.hpp"
#include "tensors.hpp"

namespace engine {

class Linear {
 public:
  virtual ~Linear() = default;

  /// y = x * W^T. Many threads may call it at once, and each call may use several.
  ///     x: (m, cols)   y: (m, rows)
  virtual void apply(float const* x, std::int64_t m, float* y, int threads) const = 0;

  /// Bits of codes and scales, or of plain values.
  virtual std::int64_t bits() const = 0;
};

/// The layer in the format that was chosen. Throws a Failure that names the tensor where it cannot
/// be quantized so, or where this program was not built for the choice.
std::unique_ptr<Linear> make_linear(FormatChoice const& choice, Matrix const& matrix);

/// The layer in the file's own values.
std::unique_ptr<Linear> make_dense(Matrix const& matrix, Compute compute);

// One function for each format, in its own file, so that they compile side by side; each leaves
// `out` empty and returns unsupported_scheme where the choice is another.
using LinearPtr = std::unique_ptr<Linear>;
qfmt::Status make_nf4(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);
qfmt::Status make_nf4_double(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);
qfmt::Status make_fp4(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);
qfmt::Status make_int4(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);
qfmt::Status make_int8(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);

/// nf4 and nf4/64/double @bf16 by device::matmul; only where this program was built with
/// QFMT_ENGINE_CUDA.
qfmt::Status make_on_device(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out);

}  // namespace engine
