// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The products through cuBLASLt of prepacked weights, which are unpacked as they are decoded.
#pragma once

#include "qfmt/ops/matmul_prepacked.cuh"
#include "qfmt/ops/matmul_transposed_cublaslt.cuh"

namespace qfmt::inline v0::device {

/// matmul_dequantized of prepacked weights: the same bits as of raw ones.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// Stream-ordered; numerics, workspace and errors: those of matmul_dequantized.
template <SchemeSpec S, Element T>
Status matmul_dequantized(cublasLtHandle_t handle, PrepackedMatrix<S> w, T const* x, int64_t m,
                          T* y, std::type_identity_t<T> const* bias, Workspace workspace,
                          cudaStream_t stream) {
  return matmul_dequantized(handle, detail::prepacked_parts<stl::remove_const_t<S>>(w), x, m, y,
                            bias, workspace, stream);
}

/// matmul_transposed_dequantized of prepacked weights: the same bits as of raw ones.
///     dy: (m, w.rows)   dx: (m, w.cols); row-major
///
/// Stream-ordered; numerics, workspace and errors: those of matmul_transposed_dequantized.
template <SchemeSpec S, Element T>
Status matmul_transposed_dequantized(cublasLtHandle_t handle, PrepackedMatrix<S> w, T const* dy,
                                     int64_t m, T* dx, Workspace workspace, cudaStream_t stream) {
  return matmul_transposed_dequantized(handle, detail::prepacked_parts<stl::remove_const_t<S>>(w),
                                       dy, m, dx, workspace, stream);
}

}  // namespace qfmt::inline v0::device
