// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on the GPU: y[M,N] = x[M,K] * w[N,K]^T + bias[N] in 8-bit integers, with the columns
// of x that hold outliers in the type of x. Which columns those are stays on the device.
#pragma once

#include "qfmt/codec/check_int8_matmul.hpp"
#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/ops/device_limits.cuh"
#include "qfmt/ops/int8/launch.cuh"
#include "qfmt/ops/int8/quantize_kernel.cuh"

namespace qfmt::inline v0::device {

/// What a caller may ask of an int8 matmul: nothing yet.
struct Int8Options {};

namespace detail {

/// Rows x (rows, cols) into `out`; written: columns of codes, 0 behind x's.
template <Element T>
Status quantize_int8_rows(T const* x, int64_t rows, int64_t cols, int64_t written, float threshold,
                          QuantizedActivations<> const& out, cudaStream_t stream) {
  if (cols == 0) return {};
  int64_t const words = threshold > 0.f ? ceil_div(cols, outlier_word_bits) : 0;
  if (words > 0 && rows != 1) {
    int64_t const bytes = words * int64_t{sizeof(uint32_t)};
    cudaError_t const cleared =
        cudaMemsetAsync(out.outliers, 0, static_cast<size_t>(bytes), stream);
    if (cleared != cudaSuccess) return to_status(cleared);
  }
  if (rows == 0) return {};
  QuantizedMatrix<LlmInt8> const& a = out.values;
  int8::QuantizeTask<T> const task{
      .x = x,
      .cols = cols,
      .written = written,
      .whole_packs = is_aligned(x, 16) && cols * int64_t{sizeof(T)} % 16 == 0,
      .whole_words =
          is_aligned(a.values.codes + a.origin, 4) && a.row_stride % 4 == 0 && written % 4 == 0,
      .regular = largest_regular<T>(threshold),
      .cleared = rows == 1 ? words : 0};
  // Few rows: as many threads as may be on each; many: more blocks at a time.
  return rows <= 64 ? launch(int8::quantize_kernel<T, 1024>, {.blocks = rows, .threads = 1024},
                             stream, task, out)
                    : launch(int8::quantize_kernel<T, 256>, {.blocks = rows, .threads = 256},
                             stream, task, out);
}

/// The product by the kernel that is right everywhere.
template <Element T>
Status generic_int8_product(int8::Product<T> const& p, cudaStream_t stream) {
  constexpr int64_t most = int64_t{0xFFFF} * int8::generic_rows;  // a grid's blocks along y
  int64_t const m = p.a.values.rows;
  for (int64_t first = 0; first < m; first += most) {
    int8::Product<T> now = p;
    now.a.values.rows = m - first < most ? m - first : most;
    now.a.values.values.codes += first * p.a.values.row_stride;
    now.a.values.values.scales.absmax += first;
    now.x += first * p.w.cols;
    now.y += first * p.w.rows;
    LaunchShape const shape{.blocks = ceil_div(p.w.rows, int8::generic_warps),
                            .threads = int8::generic_warps * 32,
                            .blocks_y = ceil_div(now.a.values.rows, int8::generic_rows)};
    if (Status const s = launch(int8::matmul_kernel<T>, shape, stream, now); !s) return s;
  }
  return {};
}

/// The product of quantized activations: the place that chooses a kernel.
template <Element T>
Status int8_product(int8::Product<T> const& p, cudaStream_t stream) {
  DeviceLimits limits;
  if (Status const s = device_limits(limits); !s) return s;
  if (int8::serves(p, limits)) {
    Status const s = int8::launch_tiled(p, {}, limits, stream);
    if (s.code != Errc::unsupported_shape) return s;
  }
  return generic_int8_product(p, stream);
}

/// Of arguments that were checked, and kernels' element types.
template <Element T>
Status int8_matmul(QuantizedMatrix<LlmInt8 const> const& w, OutlierWeights<T> const& kept,
                   T const* x, int64_t m, T* y, T const* bias, float threshold, void* workspace,
                   cudaStream_t stream) {
  QuantizedActivations<> a = place_activations(workspace, m, w.cols);
  Status const s = quantize_int8_rows(x, m, w.cols, a.values.row_stride, threshold, a, stream);
  if (!s) return s;
  if (!(threshold > 0.f)) a.outliers = nullptr;
  return int8_product(int8::Product<T>{w, kept, a, x, y, bias}, stream);
}

template <Element T>
OutlierWeights<kernel_element_t<T>> as_kernel_elements(OutlierWeights<T> const& kept) {
  return {device::as_kernel_elements(kept.values), kept.columns, kept.count, kept.row_stride};
}

}  // namespace detail

/// Quantizes activations on the device: the bytes of host::quantize_activations, in at most three
/// nodes of a stream, without a synchronisation.     x: (out.values.rows, out.values.cols)
///
/// Stream-ordered: returns before the work is done, allocates nothing. Numerics: those of
/// host::quantize_activations. Errors: those of check_quantize_activations; device_error with the
/// cudaError_t.
template <Element T>
Status quantize_activations(T const* x, float threshold, QuantizedActivations<> out,
                            cudaStream_t stream) {
  if (Errc const e = check_quantize_activations(x, threshold, out); e != Errc::ok) return {e};
  QuantizedMatrix<LlmInt8> const& a = out.values;
  Status const s = detail::quantize_int8_rows(as_kernel_elements(x), a.rows, a.cols, a.cols,
                                              threshold, out, stream);
  if (!s || !(threshold > 0.f) || a.rows == 0 || a.cols == 0) return s;
  return launch(int8::clear_outliers_kernel<256>, {.blocks = a.rows, .threads = 256}, stream, out);
}

/// y = x * w^T + bias with the weights and all but the outlier columns of x in 8-bit integers.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major, on the device
///
/// The meaning is host::int8_matmul's, which says what an outlier is, what `kept` holds, and what
/// NaN and infinity come to. Any shape and alignment. Stream-ordered: returns before the work is
/// done, allocates nothing, waits for nothing, reads nothing back; the launches do not depend on
/// the data, so a captured graph stays right when other columns become outlier columns.
///
/// One kernel quantizes x (of several rows after a clearing of the bitmap, where there is a
/// threshold), one multiplies and adds the outlier columns. In code compiled for sm_90a that is the
/// tensor cores' kernel where rows of w and the workspace are aligned to 16 bytes (row_stride and
/// origin multiples of 16) and cols <= 2^17; else a kernel that is right everywhere and far from
/// fast.
///
/// Numerics: the products of codes are summed exactly. Without outlier columns, for f32, and from
/// the second kernel, the bits of host::int8_matmul; else the tensor cores add the products of
/// 16-bit outliers, exact, to the scaled sum in f32, in another order and without a rounding of
/// each. Determinism: gpu_to_gpu where the bits are the host's, else run_to_run.
///
/// Workspace: int8_matmul_workspace_bytes(m, w.cols) bytes of device memory, aligned to 4 (16 for
/// the faster kernel). Errors: those of check_int8_matmul; device_error with the cudaError_t.
template <Element T>
Status int8_matmul(QuantizedMatrix<LlmInt8 const> w, std::type_identity_t<OutlierWeights<T>> kept,
                   T const* x, int64_t m, T* y, std::type_identity_t<T> const* bias,
                   float threshold, Workspace workspace, cudaStream_t stream, Int8Options = {}) {
  if (Errc const e = check_int8_matmul(w, kept, x, m, y, bias, threshold, workspace); e != Errc::ok)
    return {e};
  if (m == 0 || w.rows == 0) return {};
  return detail::int8_matmul(w, detail::as_kernel_elements(kept), as_kernel_elements(x), m,
                             as_kernel_elements(y), as_kernel_elements(bias), threshold,
                             workspace.data, stream);
}

/// The same without kept weights.
template <Element T>
Status int8_matmul(QuantizedMatrix<LlmInt8 const> w, T const* x, int64_t m, T* y,
                   std::type_identity_t<T> const* bias, float threshold, Workspace workspace,
                   cudaStream_t stream, Int8Options options = {}) {
  return device::int8_matmul(w, OutlierWeights<T>{}, x, m, y, bias, threshold, workspace, stream,
                             options);
}

/// The same for weights (rows, cols) in T (bitsandbytes' has_fp16_weights): quantized by rows for
/// this call, and as they are for outlier columns. Workspace: int8_matmul_workspace_bytes(m, cols,
/// rows).
template <Element T>
Status int8_matmul(T const* w, int64_t rows, int64_t cols, std::type_identity_t<T> const* x,
                   int64_t m, std::type_identity_t<T>* y, std::type_identity_t<T> const* bias,
                   float threshold, Workspace workspace, cudaStream_t stream, Int8Options = {}) {
  if (Errc const e = check_int8_matmul(w, rows, cols, x, m, y, bias, threshold, workspace);
      e != Errc::ok)
    return {e};
  if (m == 0 || rows == 0) return {};
  int64_t const at = qfmt::detail::int8_placement(m, cols, rows).weights;
  auto const quantized = place<LlmInt8>(static_cast<uint8_t*>(workspace.data) + at, rows, cols);
  auto const* const weights = as_kernel_elements(w);
  if (Status const s =
          detail::quantize_int8_rows(weights, rows, cols, cols, 0.f, {quantized, nullptr}, stream);
      !s)
    return s;
  return detail::int8_matmul(QuantizedMatrix<LlmInt8 const>(quantized),
                             OutlierWeights<kernel_element_t<T>>{weights, nullptr, cols},
                             as_kernel_elements(x), m, as_kernel_elements(y),
                             as_kernel_elements(bias), threshold, workspace.data, stream);
}

}  // namespace qfmt::inline v0::device
