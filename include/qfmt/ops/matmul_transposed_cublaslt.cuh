// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// dx[M,K] = dy[M,N] * dequantize(w)[N,K] for many rows of dy: the weights are decoded into the
// workspace, some columns at a time, and multiplied by cuBLASLt. Whoever includes this header links
// cublasLt and brings its handle.
#pragma once

#include "qfmt/ops/dequantized/columns.cuh"
#include "qfmt/ops/matmul_cublaslt.cuh"
#include "qfmt/ops/matmul_transposed.cuh"

namespace qfmt::inline v0::device {

namespace detail {

template <SchemeSpec S>
constexpr int64_t rows_of(QuantizedMatrix<S> const& w) {
  return w.rows;
}
template <SchemeSpec S, int Max>
constexpr int64_t rows_of(MatrixParts<S, Max> const& w) {
  return w.rows();
}

/// Columns to decode at a time: all of them up to 512 MB; else a multiple of 64, at least 64.
constexpr int64_t slab_cols(int64_t rows, int64_t cols, int64_t element_bytes) {
  int64_t const fit = (int64_t{512} << 20) / element_bytes / (rows > 0 ? rows : 1);
  if (fit >= cols) return cols;
  int64_t const slab = fit / 64 * 64;
  return slab > 64 ? slab : 64 < cols ? 64 : cols;
}

/// Columns [first, first + count) of merged weights, one part below the other.
template <SchemeSpec S, int Max, Element T>
Status decode_slab(MatrixParts<S const, Max> const& w, int64_t first, int64_t count, T* out,
                   cudaStream_t stream) {
  for (int p = 0; p < w.count; ++p) {
    QuantizedMatrix<S const> const& part = w.part[p];
    if (part.rows == 0) continue;
    bool const is_whole = first == 0 && count == part.cols &&
                          dequantized::rows_as_span<S>(part, 0, part.rows).size > 0;
    Status const s =
        is_whole ? dequantized::decode_rows<S>(part, 0, part.rows, out, stream)
                 : dequantized::decode_columns<S>(part, {0, part.rows, first, count}, out, stream);
    if (!s) return s;
    out += part.rows * count;
  }
  return {};
}

}  // namespace detail

/// Bytes of workspace, aligned to 256, with which matmul_transposed_dequantized runs at its best;
/// -1 where a size is negative or too large. More is of no use; from one decoded column on it also
/// runs with less.
template <SchemeSpec S, Element T>
constexpr int64_t matmul_transposed_dequantized_workspace_bytes(int64_t rows, int64_t cols) {
  if (rows < 0 || cols < 0) return -1;
  int64_t const size = static_cast<int64_t>(sizeof(T));
  int64_t const slab = detail::slab_bytes(detail::slab_cols(rows, cols, size), rows, size);
  return slab < 0 ? -1 : slab + detail::cublaslt_bytes;
}

/// dx = dy * dequantize(w) through a decoded copy of the weights, a slab of columns at a time: each
/// writes its own columns of dx, so that nothing is added up in T.
///     dy: (m, w.rows())   dx: (m, w.cols()); row-major
///
/// Stream-ordered; allocates nothing itself; may be captured into a graph.
/// Numerics: weights are rounded once to T, sums in f32 in cuBLASLt's order, one rounding to T.
/// Errors: those of check_matmul_transposed; null_pointer for the handle or the workspace;
/// misaligned; workspace_too_small; unsupported_shape where cuBLASLt does not take the sizes or w
/// has no rows; device_error with the cudaError_t or the cublasStatus_t.
template <SchemeSpec S, int Max, Element T>
Status matmul_transposed_dequantized(cublasLtHandle_t handle, MatrixParts<S, Max> const& w,
                                     T const* dy, int64_t m, T* dx, Workspace workspace,
                                     cudaStream_t stream) {
  using Scheme = stl::remove_const_t<S>;
  using E = kernel_element_t<T>;
  if (Errc const e = check_matmul_transposed(w, dy, m, dx); e != Errc::ok) return {e};
  int64_t const n = w.rows();
  int64_t const k = w.cols();
  if (m == 0 || k == 0) return {};
  if (handle == nullptr || workspace.data == nullptr) return {Errc::null_pointer};
  if (!is_aligned(workspace.data, 256)) return {Errc::misaligned};
  if (n == 0) return {Errc::unsupported_shape};

  int64_t slab = detail::slab_cols(n, k, sizeof(T));
  while (slab > 1 && detail::slab_bytes(slab, n, sizeof(T)) > workspace.bytes)
    slab = slab > 128 ? ceil_div(slab / 2, 64) * 64 : (slab + 1) / 2;
  int64_t const bytes = detail::slab_bytes(slab, n, sizeof(T));
  if (bytes < 0 || bytes > workspace.bytes) return {Errc::workspace_too_small};
  int64_t const left = workspace.bytes - bytes;
  auto* const decoded = static_cast<E*>(workspace.data);

  MatrixParts<Scheme const, Max> const weights(w);
  for (int64_t column = 0; column < k; column += slab) {
    int64_t const count = k - column < slab ? k - column : slab;
    if (Status const s = detail::decode_slab<Scheme>(weights, column, count, decoded, stream); !s)
      return s;
    dequantized::DenseProduct<E> const product{
        .w = decoded,
        .x = as_kernel_elements(dy),
        .y = as_kernel_elements(dx) + column,
        .n = count,
        .k = n,
        .m = m,
        .y_stride = k,
        .lies_transposed = true,
        .workspace = static_cast<uint8_t*>(workspace.data) + bytes,
        .workspace_bytes = left < detail::cublaslt_bytes ? left : detail::cublaslt_bytes};
    if (Status const s = dequantized::multiply_dense(handle, product, stream); !s) return s;
  }
  return {};
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
Status matmul_transposed_dequantized(cublasLtHandle_t handle, QuantizedMatrix<S> w, T const* dy,
                                     int64_t m, T* dx, Workspace workspace, cudaStream_t stream) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return matmul_transposed_dequantized(handle, parts, dy, m, dx, workspace, stream);
}

/// device::matmul_transposed for every m, of one matrix or merged weights: with a workspace by
/// matmul_transposed_dequantized; without one, and weights without rows, by the kernel of
/// ops/matmul_transposed.cuh. A workspace that is given has to suffice.
///     dy: (m, rows of w)   dx: (m, columns of w); row-major
///
/// Stream-ordered; allocates nothing itself; may be captured into a graph. Numerics and errors:
/// those of the function that is taken.
template <class W, Element T>
Status matmul_transposed(cublasLtHandle_t handle, W const& w, T const* dy, int64_t m, T* dx,
                         Workspace workspace, cudaStream_t stream) {
  if (workspace.data == nullptr || detail::rows_of(w) == 0)
    return device::matmul_transposed(w, dy, m, dx, workspace, stream);
  return matmul_transposed_dequantized(handle, w, dy, m, dx, workspace, stream);
}

}  // namespace qfmt::inline v0::device
