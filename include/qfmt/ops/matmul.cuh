// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] on the GPU. Needs no library; for large M see
// ops/matmul_cublaslt.cuh.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/layout/check_matmul.hpp"
#include "qfmt/ops/device_limits.cuh"
#include "qfmt/ops/gemm/dispatch.cuh"
#include "qfmt/ops/generic/kernel.cuh"
#include "qfmt/ops/stream/launch.cuh"
#include "qfmt/ops/tuning.hpp"

namespace qfmt::inline v0::device {

namespace detail {

/// True where the kernels for tensor cores compute this product.
template <SchemeSpec S, Element T, int Max>
constexpr bool is_fast(MatrixParts<S const, Max> const& w, T const* x, DeviceLimits const& device) {
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<S>) {
    if (device.sm < 80 || w.cols() == 0 || !is_aligned(x, 16)) return false;
    for (int p = 0; p < w.count; ++p)
      if (!stream::serves_matrix<S>(w.part[p])) return false;
    return true;
  } else {
    return false;
  }
}

/// The streaming kernel for m rows of x: the narrowest that takes them in one pass; beyond 16 rows,
/// 32 at a time by the cheaper of two kernels. Which tuning serves which m was measured on an H200.
template <SchemeSpec S, Element T, int Max>
Status stream_matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y, T const* bias,
                     DeviceLimits device, MatmulOptions const& options, cudaStream_t stream) {
  using stream::launch_matmul;
  using stream::Tuning;
  using stream::WidestTuning;
  if (Status const s =
          stream::limit_to_code(stream::matmul_kernel<S, T, WidestTuning, Max>, device);
      !s)
    return s;
  if (m <= 8) return launch_matmul<Tuning<1, 1, 2>>(w, x, m, y, bias, device, options, stream);
  if (m <= 16) return launch_matmul<Tuning<2, 1, 2>>(w, x, m, y, bias, device, options, stream);
  if (stream::takes_longer<S, T, WidestTuning, stream::WideTuning>(w, m, device, options))
    return launch_matmul<stream::WideTuning>(w, x, m, y, bias, device, options, stream);
  return launch_matmul<WidestTuning>(w, x, m, y, bias, device, options, stream);
}

/// Beyond so many rows of x Hopper's tiled kernel is ahead of the streaming one.
inline constexpr int64_t most_streamed_rows = 8;

/// The tiled kernel, where options or m speak for it; else, and where it does not serve,
/// unsupported_shape.
template <SchemeSpec S, Element T, int Max>
Status tiled_matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y, T const* bias,
                    DeviceLimits const& device, MatmulOptions const& options, Workspace workspace,
                    cudaStream_t stream) {
  MatmulTuning const& t = options.tuning;
  bool const is_streamed = m <= most_streamed_rows || t.row_warps + t.splits + t.cluster != 0;
  if (options.batch_invariant || (t.columns == 0 && is_streamed)) return {Errc::unsupported_shape};
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<S>)
    if (is_fast(w, x, device))
      return gemm::matmul<S>(w, x, m, y, bias, device, options, workspace, stream);
  return {Errc::unsupported_shape};
}

template <SchemeSpec S, Element T, int Max>
Status generic_matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y,
                      T const* bias, cudaStream_t stream) {
  int64_t const rows = w.rows();
  constexpr int64_t most = int64_t{0xFFFF} * generic::columns;  // a grid's blocks along y
  for (int64_t first = 0; first < m; first += most) {
    int64_t const now = m - first < most ? m - first : most;
    LaunchShape const shape{.blocks = ceil_div(rows, generic::warps),
                            .threads = generic::warps * 32,
                            .blocks_y = ceil_div(now, generic::columns)};
    if (Status const s = launch(generic::matmul_kernel<S, T, Max>, shape, stream, w,
                                x + first * w.cols(), now, y + first * rows, bias);
        !s)
      return s;
  }
  return {};
}

}  // namespace detail

/// Bytes of workspace, aligned to 16, with which matmul of m rows of x and (rows, cols) of weights
/// is fastest: on sm_90 blocks then share tiles where whole ones would leave some of the GPU idle.
/// It runs with less and with none. What is in it does not matter; two launches that may run at the
/// same time must not share it.
template <SchemeSpec S, Element T>
constexpr int64_t matmul_workspace_bytes(int64_t m, int64_t rows, [[maybe_unused]] int64_t cols) {
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<S>) {
    if (m > detail::most_streamed_rows) return gemm::workspace_bytes<S, T>(m, rows);
  }
  return 0;
}

/// y = x * dequantize(w)^T + bias of merged weights, in one launch; y has a column for each row of
/// every part.     x: (m, w.cols())   y: (m, w.rows())   bias: (w.rows()) or null; row-major
///
/// Any shape, m = 0 included; any alignment that the element types may have. Stream-ordered:
/// returns before the work is done, allocates nothing, may be captured into a graph.
///
/// Fastest: float16 or bfloat16 on sm_80 or newer; 16-level formats and Int8, f32 or nested scales;
/// codes and x aligned to 16 bytes; cols, row_stride and origin multiples of 64 (of 32 where
/// blocks are shorter). There the weights are read once for up to 32 rows of x at a time, compiled
/// for sm_90a and from 9 rows on for up to 256. Else a kernel that is right everywhere, and far
/// slower.
///
/// Workspace: optional, see matmul_workspace_bytes.
///
/// Determinism: run_to_run, and gpu_to_gpu between GPUs that divide the work alike; no atomics.
/// With options.batch_invariant a row of y has the same bits whatever m is. Numerics: sums in f32.
/// 16-bit types: a level is rounded once to T after a multiplication by the format's level_gain,
/// products with x are exact, the scale multiplies sums over at most 64 values in f32. float and
/// the slower kernel: weights are not rounded. bfloat16 on sm_90a, more than 128 rows of x:
/// a level times its scale is rounded once more to T. The bias is added in f32; one rounding to T.
/// Where |y| leaves T's range it becomes infinite: from 65520 on in float16. Errors: those of
/// check_matmul; device_error with the cudaError_t.
template <SchemeSpec S, int Max, Element T>
Status matmul(MatrixParts<S, Max> const& w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias, [[maybe_unused]] Workspace workspace,
              cudaStream_t stream, MatmulOptions options = {}) {
  using Scheme = stl::remove_const_t<S>;
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  if (m == 0 || w.rows() == 0) return {};
  MatrixParts<Scheme const, Max> const weights(w);
  auto const* const from = as_kernel_elements(x);
  auto* const to = as_kernel_elements(y);
  auto const* const add = as_kernel_elements(bias);
  DeviceLimits limits;
  if (Status const s = detail::device_limits(limits); !s) return s;
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<Scheme>) {
    if (detail::is_fast(weights, from, limits)) {
      Status s = detail::tiled_matmul<Scheme>(weights, from, m, to, add, limits, options, workspace,
                                              stream);
      if (s.code == Errc::unsupported_shape)
        s = detail::stream_matmul<Scheme>(weights, from, m, to, add, limits, options, stream);
      if (s.code != Errc::unsupported_shape) return s;
    }
  }
  return detail::generic_matmul<Scheme>(weights, from, m, to, add, stream);
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
Status matmul(QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
              std::type_identity_t<T> const* bias, Workspace workspace, cudaStream_t stream,
              MatmulOptions options = {}) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return device::matmul(parts, x, m, y, bias, workspace, stream, options);
}

}  // namespace qfmt::inline v0::device
