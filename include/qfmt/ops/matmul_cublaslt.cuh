// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] for large M: the weights are decoded into the
// workspace, some rows at a time, and multiplied by cuBLASLt. Whoever includes this header links
// cublasLt and brings its handle.
#pragma once

#include "qfmt/ops/dequantized/cublaslt.cuh"
#include "qfmt/ops/dequantized/rows.cuh"
#include "qfmt/ops/matmul.cuh"

namespace qfmt::inline v0::device {

namespace detail {

/// Beyond so many rows of x a decoded copy is ahead of the tiled kernel: of tiles of 128 rows, all
/// that float16 and Int8 have, and of those of 256. Measured on an H200.
inline constexpr int64_t most_narrow_rows = 512;
inline constexpr int64_t most_wide_rows = 1024;

inline constexpr int64_t cublaslt_bytes = int64_t{32} << 20;  ///< what cuBLASLt itself may use

/// Rows to decode at a time: 512 MB of them, and at least 256, in multiples of 256: these begin a
/// group of nested scales where cols is a multiple of 64. Slabs small enough to stay in
/// the L2 were slower on an H200: cuBLASLt multiplies few rows at a lower rate.
constexpr int64_t slab_rows(int64_t rows, int64_t cols, int64_t element_bytes) {
  int64_t const fit = (int64_t{512} << 20) / element_bytes / (cols > 0 ? cols : 1) / 256 * 256;
  int64_t const slab = fit > 256 ? fit : 256;
  return slab < rows ? slab : rows;
}

/// Bytes of a slab of decoded rows, padded so that what follows is aligned; -1: too many.
constexpr int64_t slab_bytes(int64_t slab, int64_t cols, int64_t element_bytes) {
  constexpr int64_t limit = int64_t{1} << 60;
  if (cols > 0 && slab > limit / element_bytes / cols) return -1;
  return ceil_div(slab * cols * element_bytes, 256) * 256;
}

}  // namespace detail

/// Bytes of workspace, aligned to 256, with which matmul_dequantized runs at its best; -1 where a
/// size is negative or too large. More is of no use; from one decoded row on it also runs with
/// less.
template <SchemeSpec S, Element T>
constexpr int64_t matmul_dequantized_workspace_bytes(int64_t rows, int64_t cols) {
  if (rows < 0 || cols < 0) return -1;
  int64_t const size = static_cast<int64_t>(sizeof(T));
  int64_t const slab = detail::slab_bytes(detail::slab_rows(rows, cols, size), cols, size);
  return slab < 0 ? -1 : slab + detail::cublaslt_bytes;
}

/// y = x * dequantize(w)^T + bias through a decoded copy of the weights, a slab at a time.
///     x: (m, w.cols())   y: (m, w.rows())   bias: (w.rows()) or null; row-major
///
/// Stream-ordered; allocates nothing itself; may be captured into a graph.
/// Numerics: weights are rounded once to T, sums in f32 in cuBLASLt's order, the bias is added
/// before the one rounding to T.
/// Errors: those of check_matmul; workspace_too_small; unsupported_shape where cuBLASLt does not
/// take the sizes; device_error with the cudaError_t or the cublasStatus_t.
template <SchemeSpec S, int Max, Element T>
Status matmul_dequantized(cublasLtHandle_t handle, MatrixParts<S, Max> const& w, T const* x,
                          int64_t m, T* y, std::type_identity_t<T> const* bias, Workspace workspace,
                          cudaStream_t stream) {
  using Scheme = stl::remove_const_t<S>;
  using E = kernel_element_t<T>;
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  int64_t const n = w.rows();
  int64_t const k = w.cols();
  if (m == 0 || n == 0) return {};
  if (handle == nullptr || workspace.data == nullptr) return {Errc::null_pointer};
  if (!is_aligned(workspace.data, 256)) return {Errc::misaligned};
  if (k == 0) return {Errc::unsupported_shape};

  int64_t slab = detail::slab_rows(n, k, sizeof(T));
  while (slab > 1 && detail::slab_bytes(slab, k, sizeof(T)) > workspace.bytes)
    slab = (slab + 1) / 2;
  int64_t const bytes = detail::slab_bytes(slab, k, sizeof(T));
  if (bytes < 0 || bytes > workspace.bytes) return {Errc::workspace_too_small};
  int64_t const left = workspace.bytes - bytes;
  auto* const decoded = static_cast<E*>(workspace.data);

  int64_t column = 0;
  for (int p = 0; p < w.count; ++p) {
    QuantizedMatrix<Scheme const> const part = w.part[p];
    for (int64_t row = 0; row < part.rows; row += slab) {
      int64_t const count = part.rows - row < slab ? part.rows - row : slab;
      if (Status const s = dequantized::decode_rows<Scheme>(part, row, count, decoded, stream); !s)
        return s;
      dequantized::DenseProduct<E> const product{
          .w = decoded,
          .x = as_kernel_elements(x),
          .y = as_kernel_elements(y) + column + row,
          .bias = bias == nullptr ? nullptr : as_kernel_elements(bias) + column + row,
          .n = count,
          .k = k,
          .m = m,
          .y_stride = n,
          .workspace = static_cast<uint8_t*>(workspace.data) + bytes,
          .workspace_bytes = left < detail::cublaslt_bytes ? left : detail::cublaslt_bytes};
      if (Status const s = dequantized::multiply_dense(handle, product, stream); !s) return s;
    }
    column += part.rows;
  }
  return {};
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
Status matmul_dequantized(cublasLtHandle_t handle, QuantizedMatrix<S> w, T const* x, int64_t m,
                          T* y, std::type_identity_t<T> const* bias, Workspace workspace,
                          cudaStream_t stream) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return matmul_dequantized(handle, parts, x, m, y, bias, workspace, stream);
}

/// device::matmul for every m, of one matrix or merged weights. Through a decoded copy go: float
/// with a workspace; of 16-bit x what Hopper's tiled kernel does not serve, from 33 rows on; what
/// it serves, from 1025 rows on, in float16 and of Int8 from 513 on. The rest, and whatever asks
/// for batch invariance or has no columns, goes to device::matmul. A workspace that is given has to
/// suffice for the copy.
///     x: (m, cols)   y: (m, rows)   bias: (rows) or null; row-major
///
/// Stream-ordered; allocates nothing itself; may be captured into a graph. Numerics and errors:
/// those of the function that is taken.
template <SchemeSpec S, int Max, Element T>
Status matmul(cublasLtHandle_t handle, MatrixParts<S, Max> const& w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias, Workspace workspace, cudaStream_t stream,
              MatmulOptions options = {}) {
  using Scheme = stl::remove_const_t<S>;
  bool const is_small = m <= 32 && (sizeof(T) == 2 || workspace.data == nullptr);
  if (is_small || w.cols() == 0 || options.batch_invariant)
    return device::matmul(w, x, m, y, bias, workspace, stream, options);
  if (m <=
      (gemm::Tilings<Scheme, T>::has_widest ? detail::most_wide_rows : detail::most_narrow_rows)) {
    if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
    if (w.rows() == 0) return {};
    DeviceLimits limits;
    if (Status const s = detail::device_limits(limits); !s) return s;
    Status const s = detail::tiled_matmul<Scheme>(
        MatrixParts<Scheme const, Max>(w), as_kernel_elements(x), m, as_kernel_elements(y),
        as_kernel_elements(bias), limits, options, workspace, stream);
    if (s.code != Errc::unsupported_shape) return s;
  }
  return matmul_dequantized(handle, w, x, m, y, bias, workspace, stream);
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
Status matmul(cublasLtHandle_t handle, QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias, Workspace workspace, cudaStream_t stream,
              MatmulOptions options = {}) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return device::matmul(handle, parts, x, m, y, bias, workspace, stream, options);
}

}  // namespace qfmt::inline v0::device
