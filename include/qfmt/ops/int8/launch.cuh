// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the operands of an LLM.int8() product to a launch of the tiled kernel, or a plain no.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/ops/int8/tiled_kernel.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// True where the tiled kernel computes this product: rows of codes begin on 16 bytes, 32-bit sums
/// are exact, and coordinates have 32 bits.
template <Element T>
bool serves(Product<T> const& p, DeviceLimits const& device) {
  auto const fits = [](QuantizedMatrix<LlmInt8 const> const& v) {
    return device::is_aligned(v.values.codes + v.origin, 16) && v.row_stride % 16 == 0 &&
           v.rows <= 0x7FFFFF00 && v.row_stride < int64_t{1} << 39;
  };
  return device.sm == 90 && p.w.cols > 0 && p.w.cols <= int8_sum_cols && fits(p.w) &&
         fits(p.a.values);
}

/// Launches the kernel with tiles of so many rows of x. unsupported_shape where it was not compiled
/// for this device or does not fit it. `serves` holds; neither operand is empty.
template <int Columns, Element T>
Status launch_tiled(Product<T> const& p, Division const& division, DeviceLimits const& device,
                    cudaStream_t stream) {
  cudaFuncAttributes attributes{};
  cudaError_t e = cudaFuncGetAttributes(&attributes, tiled_kernel<T, Columns>);
  if (e != cudaSuccess) return device::to_status(e);
  if (attributes.maxThreadsPerBlock < gemm::threads) return {Errc::unsupported_shape};
  QuantizedMatrix<LlmInt8 const> const& a = p.a.values;
  TiledShape shape =
      divide(p.w.rows, p.w.cols, a.rows, p.a.outliers != nullptr, Columns, division, device);
  if (shape.grid == 0) return {Errc::unsupported_shape};
  shape.first_scale = p.w.origin / p.w.values.scales.row_length;
  shape.scale_step = p.w.row_stride / p.w.values.scales.row_length;

  TiledMaps maps{};
  auto const map = [&](ptx::TensorMap& to, QuantizedMatrix<LlmInt8 const> const& v, int rows) {
    ptx::TensorMapShape const tile{.rows = v.rows,
                                   .cols = p.w.cols,
                                   .row_bytes = v.row_stride,
                                   .element_bytes = 1,
                                   .tile_rows = rows};
    return ptx::make_tensor_map(to, v.values.codes + v.origin, tile);
  };
  if (e = map(maps.w, p.w, gemm::tile_rows); e != cudaSuccess) return device::to_status(e);
  if (e = map(maps.x, a, Columns); e != cudaSuccess) return device::to_status(e);
  return device::launch(tiled_kernel<T, Columns>,
                        {.blocks = shape.grid,
                         .threads = gemm::threads,
                         .shared_bytes = shape.shared_bytes,
                         .cluster = shape.cluster,
                         .begins_early = true},
                        stream, p, maps, shape);
}

/// The same with the tile that suits the product, or the one that `division` names.
template <Element T>
Status launch_tiled(Product<T> const& p, Division const& division, DeviceLimits const& device,
                    cudaStream_t stream) {
  constexpr bool wide = sizeof(T) == 2;  // else there are not registers enough
  int const columns = division.columns != 0 ? division.columns
                                            : tile_columns(p.w.rows, p.a.values.rows, wide, device);
  switch (columns) {
    case 16: return launch_tiled<16>(p, division, device, stream);
    case 32: return launch_tiled<32>(p, division, device, stream);
    case 64: return launch_tiled<64>(p, division, device, stream);
    case 128: return launch_tiled<128>(p, division, device, stream);
    default: break;
  }
  if constexpr (wide)
    if (columns == 256) return launch_tiled<256>(p, division, device, stream);
  return {Errc::unsupported_shape};
}

}  // namespace int8
}  // namespace qfmt::inline v0
