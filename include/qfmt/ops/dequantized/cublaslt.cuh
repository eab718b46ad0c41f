// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// One dense product through cuBLASLt. Descriptors live on the stack; nothing is allocated.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/status.hpp"

#include <cublasLt.h>

namespace qfmt::inline v0::dequantized {

/// y[m, n] = x[m, k] * w[n, k]^T + bias[n], rows of y `y_stride` elements apart; where w lies
/// transposed, as w[k, n], y = x * w + bias.
template <Element T>
struct DenseProduct {
  T const* w = nullptr;
  T const* x = nullptr;
  T* y = nullptr;
  T const* bias = nullptr;  // or null
  int64_t n = 0, k = 0, m = 0, y_stride = 0;
  bool lies_transposed = false;  ///< w
  void* workspace = nullptr;     // of cuBLASLt
  int64_t workspace_bytes = 0;
};

template <Element T>
constexpr cudaDataType_t data_type() {
  if (Float16Like<T>) return CUDA_R_16F;
  return Bfloat16Like<T> ? CUDA_R_16BF : CUDA_R_32F;
}

/// Runs calls of cuBLASLt until one fails.
struct LtCalls {
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  template <class Call>
  LtCalls& operator()(Call call) {
    if (status == CUBLAS_STATUS_SUCCESS) status = call();
    return *this;
  }
  Status result() const {
    return status == CUBLAS_STATUS_SUCCESS
               ? Status{}
               : Status{Errc::device_error, -1, static_cast<int>(status)};
  }
};

/// What a pointer is a multiple of, up to 256 bytes.
inline uint32_t alignment_of(void const* p) {
  uint32_t bytes = 256;
  while (reinterpret_cast<uintptr_t>(p) % bytes != 0) bytes /= 2;
  return bytes;
}

/// Errors: device_error with the cublasStatus_t. Stream-ordered; sums in f32.
template <Element T>
Status multiply_dense(cublasLtHandle_t handle, DenseProduct<T> const& p, cudaStream_t stream) {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t w, x, y;
  cublasLtMatmulPreferenceOpaque_t preference;
  cublasLtMatmulHeuristicResult_t choice{};
  int found = 0;
  cublasOperation_t const turned = p.lies_transposed ? CUBLAS_OP_N : CUBLAS_OP_T;
  cublasLtEpilogue_t const add_bias = CUBLASLT_EPILOGUE_BIAS;
  auto const workspace_bytes = static_cast<size_t>(p.workspace_bytes);
  float const one = 1.f;
  float const zero = 0.f;
  auto const set = [&](cublasLtMatmulDescAttributes_t attribute, auto const& value) {
    return cublasLtMatmulDescSetAttribute(&operation, attribute, &value, sizeof(value));
  };
  auto const shape = [](auto& layout, int64_t rows, int64_t cols, int64_t stride) {
    return cublasLtMatrixLayoutInit(&layout, data_type<T>(), static_cast<uint64_t>(rows),
                                    static_cast<uint64_t>(cols), stride);
  };
  // cuBLASLt counts columns first: y^T[n, m] = w[n, k] * x^T[k, m].
  LtCalls calls;
  calls([&] { return cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F); });
  calls([&] { return set(CUBLASLT_MATMUL_DESC_TRANSA, turned); });
  if (p.bias != nullptr) {
    calls([&] { return set(CUBLASLT_MATMUL_DESC_EPILOGUE, add_bias); });
    calls([&] { return set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias); });
  }
  calls([&] { return p.lies_transposed ? shape(w, p.n, p.k, p.n) : shape(w, p.k, p.n, p.k); });
  calls([&] { return shape(x, p.k, p.m, p.k); });
  calls([&] { return shape(y, p.n, p.m, p.y_stride); });
  calls([&] { return cublasLtMatmulPreferenceInit(&preference); });
  auto const prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto const& value) {
    return cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value));
  };
  calls([&] { return prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes); });
  calls([&] { return prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.w)); });
  calls([&] { return prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.x)); });
  calls([&] { return prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.y)); });
  calls([&] { return prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.y)); });
  calls([&] {
    return cublasLtMatmulAlgoGetHeuristic(handle, &operation, &w, &x, &y, &y, &preference, 1,
                                          &choice, &found);
  });
  calls([&] {
    return cublasLtMatmul(handle, &operation, &one, p.w, &w, p.x, &x, &zero, p.y, &y, p.y, &y,
                          &choice.algo, p.workspace, workspace_bytes, stream);
  });
  return calls.result();
}

}  // namespace qfmt::inline v0::dequantized
