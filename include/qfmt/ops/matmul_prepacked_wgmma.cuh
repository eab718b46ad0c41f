// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// matmul_wgmma of prepacked weights: a fourth of the shared-memory accesses to codes. Compile for
// sm_90a.
#pragma once

#include "qfmt/ops/matmul_prepacked.cuh"
#include "qfmt/ops/matmul_wgmma.cuh"
#include "qfmt/ops/prepacked/weights.cuh"

namespace qfmt::inline v0::device {

/// y = x * dequantize(w)^T + bias of prepacked weights, in one launch; the bits are those of the
/// raw weights.     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// What matmul_wgmma asks for, and rows a multiple of 16, cols of 64. Stream-ordered, capturable.
/// Numerics and workspace: those of matmul_wgmma. Errors: its errors; unsupported_shape for other
/// rows and cols.
template <SchemeSpec S, Element T>
  requires(sizeof(T) == 2)
Status matmul_wgmma(PrepackedMatrix<S> w, T const* x, int64_t m, T* y,
                    std::type_identity_t<T> const* bias, Workspace, cudaStream_t stream,
                    MatmulOptions options = {}) {
  return device::matmul_wgmma(detail::prepacked_parts<stl::remove_const_t<S>>(w), x, m, y, bias,
                              stream, options);
}

}  // namespace qfmt::inline v0::device
