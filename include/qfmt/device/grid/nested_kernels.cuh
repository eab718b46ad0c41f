// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From plain scales to nested ones: their mean by the tree, then their own codes.
#pragma once

#include "qfmt/device/block/scale_mean.cuh"
#include "qfmt/device/warp/block_encoder.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

/// sums[b] = the sum of the Summer::capacity nodes from b * Summer::capacity on.     nodes: (size)
template <class Summer>
__launch_bounds__(Summer::threads) __global__
    void sum_scales_kernel(ScaleSum const* nodes, int64_t size, ScaleSum* sums) {
  __shared__ typename Summer::TempStorage storage;
  ptx::launch_dependents();
  ptx::wait_for_dependencies();
  Summer summer(storage);
  ScaleSum const sum =
      summer(int64_t{blockIdx.x} * Summer::capacity, size, [&](int64_t i) { return nodes[i]; });
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// Nested scales, quantized by a warp for each group of 256.
struct NestedOutput {
  warp::Encoded inner;  // codes (blocks), absmax2 (groups)
  float* offset;        // (1)
};

/// The mean of the scales whose sums are `nodes`, at most 64, in every lane. Every lane calls it.
__device__ inline float mean_of(ScaleSum const* nodes, int64_t size) {
  ScaleSum x[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    int const mine = 2 * warp::lane() + i;
    x[i] = mine < size ? nodes[mine] : ScaleSum{};
  }
  return warp::sum(x[0] + x[1]).mean();
}

struct EncodeScalesTuning {
  static constexpr int warps = 8;
  static constexpr int packs = 8;  // 16-byte loads of a lane
  static constexpr int blocks_per_sm = 4;
};

/// Scales that a warp encodes in one round.
template <class Tuning = EncodeScalesTuning>
inline constexpr int encode_scales_tile =
    warp::BlockEncoder<AbsmaxScheme::format, AbsmaxScheme::block_size, float, Nearest,
                       Tuning::packs>::tile;

/// Codes and absmax2 of `blocks` plain scales, less their mean, which goes to *out.offset. `nodes`
/// are at most 64 sums of the scales; where it is null, *out.offset is given. Aligned: absmax to 16
/// bytes, out.inner.codes to 4, and `blocks` is whole tiles of a warp.
template <class Encoder, bool Aligned, class Tuning = EncodeScalesTuning>
__launch_bounds__(Tuning::warps* warp::size, Aligned ? Tuning::blocks_per_sm : 1) __global__
    void encode_scales_kernel(float const* absmax, int64_t blocks, ScaleSum const* nodes,
                              int64_t size, NestedOutput out) {
  using Blocks = warp::BlockEncoder<AbsmaxScheme::format, AbsmaxScheme::block_size, float, Encoder,
                                    Tuning::packs>;
  using Table = block::EncodeTable<AbsmaxScheme::format, Tuning::warps * warp::size>;
  __shared__ typename Table::TempStorage storage;
  Table table(storage);
  int64_t const tile = int64_t{blockIdx.x} * Tuning::warps + threadIdx.x / warp::size;
  int64_t const first = tile * Blocks::tile;
  if constexpr (Aligned) {  // the values, too, have long pushed the first scales out of the L2
    if (warp::lane() == 0 && first < blocks)
      ptx::prefetch_l2(absmax + first, Blocks::tile * sizeof(float));
  }
  table.fill();
  __syncthreads();
  ptx::wait_for_dependencies();
  if (first >= blocks) return;

  int const n = blocks - first < Blocks::tile ? static_cast<int>(blocks - first) : Blocks::tile;
  typename Blocks::Values centred[Blocks::packs];
  if constexpr (Aligned) {
#pragma unroll
    for (int p = 0; p < Blocks::packs; ++p) {  // written by a kernel that may just have ended
      uint4 const v = ptx::load_global(absmax + first + Blocks::value_of(p));
      centred[p] = {{v.x, v.y, v.z, v.w}};
    }
  } else {
    Blocks::template load<false>(absmax + first, n, centred);
  }
  float const offset = nodes == nullptr ? *out.offset : mean_of(nodes, size);
  if (nodes != nullptr && first == 0 && warp::lane() == 0) *out.offset = offset;
#pragma unroll
  for (int p = 0; p < Blocks::packs; ++p)
#pragma unroll
    for (int i = 0; i < Blocks::values_per_pack; ++i)
      if (Aligned || i < Blocks::valid(p, n))
        centred[p].word[i] = float_bits(exact::sub(float_from_bits(centred[p].word[i]), offset));
  Blocks::template encode<Aligned>(centred, first, n, table, out.inner);
}

}  // namespace grid
}  // namespace qfmt::inline v0
