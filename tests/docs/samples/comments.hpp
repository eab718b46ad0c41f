// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Comments that lack what they must say. Read by Doxygen in reference.py --self-test, never
// compiled.
#pragma once

namespace qfmt::host {

/// Quantizes. in: (n). Numerics: the encoder's. Errors: null_pointer.
Status quantize(std::span<float const> in);

/// The same for vectors.
Status quantize(std::vector<float> in);

/// Decodes into out: (n). Numerics: one rounding.
// lacks: errors
Status dequantize(std::span<float> out);

/// Decodes part of it. Numerics: one rounding. Errors: size_mismatch.
// lacks: shapes
Status dequantize_range(std::span<float> out);

/// Multiplies. x: (k), y: (n). Errors: those of check_matmul.
// lacks: numerics
Status matmul(T const* x, T* y);

/// The same over an executor, but there is nothing before it that it could be the same as.
// lacks: errors shapes numerics
Status matmul_parallel(T const* x, T* y);

/// How many there are.
int count();

}  // namespace qfmt::host

namespace qfmt::device {

/// Decodes. out: (n), device memory. Numerics: those of the host. Errors: device_error.
// lacks: stream
Status dequantize(T* out, cudaStream_t stream);

/// Decodes. out: (n). Stream-ordered. Numerics: those of the host. Errors: device_error.
Status gather_rows(T* out, cudaStream_t stream);

}  // namespace qfmt::device

namespace qfmt::io {

/// Reads a file.
// lacks: errors
Result<int> read(char const* path);

/// Writes a file. Errors: file_error.
Error write(char const* path);

}  // namespace qfmt::io
