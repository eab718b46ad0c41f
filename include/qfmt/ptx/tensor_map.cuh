// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies of two-dimensional tiles of global memory into shared memory by the copy engine of sm_90.
// Below it a function of the device does nothing.
#pragma once

#include "qfmt/ptx/bulk.cuh"

#if !defined(__CUDACC_RTC__)
#include <cuda.h>
#include <cuda_runtime.h>
#endif

namespace qfmt::inline v0::ptx {

/// Where a matrix lies and which tiles are copied from it; a CUtensorMap's bytes. Kernels take it
/// as `TensorMap const __grid_constant__` and hand on its address.
struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

/// A tile lands as tile_rows rows of 128 bytes, swizzled as tile_descriptor (wgmma.cuh) expects it,
/// at a multiple of 1024 bytes. Elements outside of the matrix land as zeros and count as copied.
struct TensorMapShape {
  int64_t rows;
  int64_t cols;
  int64_t row_bytes;  ///< from one row to the next, a multiple of 16
  int element_bytes;  ///< 1 or 2
  int tile_rows;      ///< at most 256; a tile is 128 / element_bytes columns wide
};

#if !defined(__CUDACC_RTC__)
/// Fills `map` for the matrix at `data`, device memory aligned to 16 bytes. Host code; touches no
/// device memory. Errors: cudaErrorInvalidValue for a shape that the copy engine does not know.
inline cudaError_t make_tensor_map(TensorMap& map, void const* data, TensorMapShape shape) {
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap));
  using Encode =
      CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, cuuint64_t const*,
                   cuuint64_t const*, cuuint32_t const*, cuuint32_t const*, CUtensorMapInterleave,
                   CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
  cudaError_t const error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry,
                                                             12000, cudaEnableDefault, &found);
#else
  cudaError_t const error =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &entry, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess) return error;
  if (found != cudaDriverEntryPointSuccess) return cudaErrorNotSupported;
  cuuint64_t const sizes[2] = {static_cast<cuuint64_t>(shape.cols),
                               static_cast<cuuint64_t>(shape.rows)};
  cuuint64_t const strides[1] = {static_cast<cuuint64_t>(shape.row_bytes)};
  cuuint32_t const box[2] = {static_cast<cuuint32_t>(128 / shape.element_bytes),
                             static_cast<cuuint32_t>(shape.tile_rows)};
  cuuint32_t const steps[2] = {1, 1};
  CUresult const result = reinterpret_cast<Encode>(entry)(
      reinterpret_cast<CUtensorMap*>(&map),
      shape.element_bytes == 1 ? CU_TENSOR_MAP_DATA_TYPE_UINT8 : CU_TENSOR_MAP_DATA_TYPE_UINT16, 2,
      const_cast<void*>(data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}
#endif

/// Begins to copy the tile whose first element is (row, col); its tile_rows * 128 bytes count
/// towards the current phase of `barrier`. Either may be negative; col begins a multiple of 16
/// bytes, or an H200 stops the kernel with an illegal instruction. Called by one thread.
__device__ inline void copy_tile([[maybe_unused]] void* shared,
                                 [[maybe_unused]] TensorMap const* map, [[maybe_unused]] int row,
                                 [[maybe_unused]] int col, [[maybe_unused]] Barrier* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(shared)),
      "l"(map), "r"(col), "r"(row), "r"(shared_address(barrier))
      : "memory");
#endif
}

/// The same into every block of the cluster that `blocks` names, one bit a rank: to the place of
/// `shared`, counting on the barrier at the place of `barrier`, of each of them.
__device__ inline void copy_tile_multicast([[maybe_unused]] void* shared,
                                           [[maybe_unused]] TensorMap const* map,
                                           [[maybe_unused]] int row, [[maybe_unused]] int col,
                                           [[maybe_unused]] Barrier* barrier,
                                           [[maybe_unused]] uint16_t blocks) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(shared_address(shared)),
      "l"(map), "r"(col), "r"(row), "r"(shared_address(barrier)), "h"(blocks)
      : "memory");
#endif
}

/// Asks for the map itself, before its first copy. A hint.
__device__ inline void prefetch_map([[maybe_unused]] TensorMap const* map) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#endif
}

}  // namespace qfmt::inline v0::ptx
