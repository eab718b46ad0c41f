// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// dx[M,K] = dy[M,N] * dequantize(w)[N,K] on the GPU: what the backward pass of a layer with frozen
// weights asks for (QLoRA). Needs no library; for many rows of dy see
// ops/matmul_transposed_cublaslt.cuh.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/layout/check_matmul.hpp"
#include "qfmt/ops/generic/transposed_kernel.cuh"

namespace qfmt::inline v0::device {

namespace detail {

template <SchemeSpec S, Element T, int Max>
Status generic_matmul_transposed(MatrixParts<S const, Max> const& w, T const* dy, int64_t m, T* dx,
                                 cudaStream_t stream) {
  constexpr int64_t most = int64_t{0xFFFF} * generic::columns;  // a grid's blocks along y
  for (int64_t first = 0; first < m; first += most) {
    int64_t const now = m - first < most ? m - first : most;
    LaunchShape const shape{.blocks = ceil_div(w.cols(), generic::transposed_columns),
                            .threads = generic::warps * 32,
                            .blocks_y = ceil_div(now, generic::columns)};
    if (Status const s = launch(generic::matmul_transposed_kernel<S, T, Max>, shape, stream, w,
                                dy + first * w.rows(), now, dx + first * w.cols());
        !s)
      return s;
  }
  return {};
}

}  // namespace detail

/// dx = dy * dequantize(w) of merged weights, in one launch; dy has a column for each row of every
/// part. Weights without rows give zeros.     dy: (m, w.rows())   dx: (m, w.cols()); row-major
///
/// Any scheme, shape, element type and alignment, m = 0 included. Stream-ordered: returns before
/// the work is done, allocates nothing, may be captured into a graph. Reads the weights once for
/// every eight rows of dy: for more than a few rows matmul_transposed_dequantized is faster by far.
///
/// Determinism: run_to_run and gpu_to_gpu; no atomics; a row of dx has the same bits whatever m is.
/// Numerics: weights are not rounded; products and sums in f32; one rounding to T. Errors: those of
/// check_matmul_transposed; device_error with the cudaError_t.
template <SchemeSpec S, int Max, Element T>
Status matmul_transposed(MatrixParts<S, Max> const& w, T const* dy, int64_t m, T* dx, Workspace,
                         cudaStream_t stream) {
  using Scheme = stl::remove_const_t<S>;
  if (Errc const e = check_matmul_transposed(w, dy, m, dx); e != Errc::ok) return {e};
  if (m == 0 || w.cols() == 0) return {};
  return detail::generic_matmul_transposed<Scheme>(
      MatrixParts<Scheme const, Max>(w), as_kernel_elements(dy), m, as_kernel_elements(dx), stream);
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
Status matmul_transposed(QuantizedMatrix<S> w, T const* dy, int64_t m, T* dx, Workspace workspace,
                         cudaStream_t stream) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return device::matmul_transposed(parts, dy, m, dx, workspace, stream);
}

}  // namespace qfmt::inline v0::device
