// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// y[M,N] = x[M,K] * dequantize(w)[N,K]^T + bias[N] by the tensor cores of Hopper, from some ten
// rows of x on. Compile for sm_90a. A header of its own until its place in device::matmul has been
// measured.
#pragma once

#include "qfmt/ops/gemm/launch.cuh"
#include "qfmt/ops/matmul.cuh"

namespace qfmt::inline v0::device {

/// y = x * dequantize(w)^T + bias of merged weights, in one launch.
///     x: (m, w.cols())   y: (m, w.rows())   bias: (w.rows()) or null; row-major
///
/// float16 or bfloat16; 16-level formats and Int8, f32 or nested scales; codes and x aligned to 16
/// bytes; cols, row_stride and origin multiples of 64 (4-bit: of 32 where blocks are shorter).
/// Weights are read once for every 128 rows of x. Stream-ordered; allocates nothing; may be
/// captured into a graph. Of options.tuning `cluster`, `blocks` and `columns` are used; tiles of
/// 256 rows of x are for bfloat16 and 16-level formats.
///
/// Determinism: run_to_run; no atomics. Numerics: those of device::matmul's fast kernel; in tiles
/// of 256 rows of x each weight is multiplied by its scale and rounded once more to T. Errors:
/// those of check_matmul; unsupported_shape for anything else, another GPU, or code that was not
/// compiled for sm_90a; device_error with the cudaError_t.
template <SchemeSpec S, int Max, Element T>
  requires(sizeof(T) == 2)
Status matmul_wgmma(MatrixParts<S, Max> const& w, T const* x, int64_t m, T* y,
                    std::type_identity_t<T> const* bias, cudaStream_t stream,
                    MatmulOptions options = {}) {
  using Scheme = stl::remove_const_t<S>;
  static_assert(gemm::serves_scheme<Scheme>, "qfmt: 16 built-in levels or Int8");
  if (Errc const e = check_matmul(w, x, m, y, bias); e != Errc::ok) return {e};
  if (m == 0 || w.rows() == 0) return {};
  MatrixParts<Scheme const, Max> const weights(w);
  auto const* const from = as_kernel_elements(x);
  auto* const to = as_kernel_elements(y);
  auto const* const add = as_kernel_elements(bias);
  DeviceLimits limits;
  if (Status const s = detail::device_limits(limits); !s) return s;
  if (!detail::streams(weights, from, limits)) return {Errc::unsupported_shape};
  int const columns = options.tuning.columns != 0 ? options.tuning.columns
                      : m <= 32                   ? 32
                      : m <= 64                   ? 64
                                                  : 128;
  auto const launch = [&](auto tuning) {
    return gemm::launch_matmul<decltype(tuning)>(weights, from, m, to, add, limits, options,
                                                 stream);
  };
  if (columns == 32) return launch(gemm::Tuning<32>{});
  if (columns == 64) return launch(gemm::Tuning<64>{});
  if (columns == 128) return launch(gemm::Tuning<128>{});
  if constexpr (Bfloat16Like<T> && !stl::same_as<typename Scheme::format, Int8>)
    if (columns == 256) return launch(gemm::Tuning<256, gemm::ScaleAt::weights>{});
  return {Errc::unsupported_shape};
}

/// The same for one matrix.
template <SchemeSpec S, Element T>
  requires(sizeof(T) == 2)
Status matmul_wgmma(QuantizedMatrix<S> w, T const* x, int64_t m, T* y,
                    std::type_identity_t<T> const* bias, cudaStream_t stream,
                    MatmulOptions options = {}) {
  MatrixParts<stl::remove_const_t<S> const, 1> parts;
  parts.part[0] = w;
  parts.count = 1;
  return device::matmul_wgmma(parts, x, m, y, bias, stream, options);
}

}  // namespace qfmt::inline v0::device
