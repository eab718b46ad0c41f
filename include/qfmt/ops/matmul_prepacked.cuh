// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] and the decoded weights themselves, of weights
// that device::prepack or host::prepack has permuted.
#pragma once

#include "qfmt/ops/dequantized/columns.cuh"
#include "qfmt/ops/matmul.cuh"
#include "qfmt/ops/prepacked/fragments.cuh"
#include "qfmt/ops/prepacked/weights.cuh"

namespace qfmt::inline v0::device {

namespace detail {
template <SchemeSpec S>
MatrixParts<qfmt::detail::PrepackedScheme<S> const, 1> prepacked_parts(
    PrepackedMatrix<S const> const& w) {
  MatrixParts<qfmt::detail::PrepackedScheme<S> const, 1> parts;
  parts.part[0] = qfmt::detail::as_quantized(w);
  parts.count = 1;
  return parts;
}
}  // namespace detail

/// device::matmul of prepacked weights.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// Fast where device::matmul is and, in addition, rows are a multiple of 16 and cols of 64; else
/// right, and slow. Stream-ordered, capturable. Numerics and determinism: those of device::matmul;
/// the order of a row's sums is another than with raw weights. Errors: those of check_matmul;
/// device_error with the cudaError_t.
template <SchemeSpec S, Element T>
Status matmul(PrepackedMatrix<S> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias, Workspace workspace, cudaStream_t stream,
              MatmulOptions options = {}) {
  return device::matmul(detail::prepacked_parts<stl::remove_const_t<S>>(w), x, m, y, bias,
                        workspace, stream, options);
}

/// out = the values of prepacked weights, each rounded once to T.     out: (w.rows, w.cols)
///
/// Stream-ordered: returns before the work is done; allocates nothing; may be captured into a
/// graph. Numerics: the bits of device::dequantize of the raw weights. Errors: those of check;
/// null_pointer; misaligned; device_error with the cudaError_t.
template <SchemeSpec S, Element T>
Status dequantize(PrepackedMatrix<S> w, T* out, cudaStream_t stream) {
  using Scheme = qfmt::detail::PrepackedScheme<stl::remove_const_t<S>>;
  if (Errc const e = check(w); e != Errc::ok) return {e};
  if (w.rows == 0 || w.cols == 0) return {};
  if (Errc const e = check_pointer(out); e != Errc::ok) return {e};
  return dequantized::decode_columns<Scheme>(qfmt::detail::as_quantized(w), {0, w.rows, 0, w.cols},
                                             as_kernel_elements(out), stream);
}

}  // namespace qfmt::inline v0::device
