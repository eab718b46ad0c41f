// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing under scales of a type of their own: right for every one of them, and far slower than
// the kernel for f32 scales. A thread takes a block of values.
#pragma once

#include "qfmt/codec/typed_scales.hpp"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

inline constexpr int typed_threads = 128;

/// The values of this thread's block: none beyond the tensor.
struct ThreadBlock {
  int64_t block, first, count;

  __device__ ThreadBlock(int64_t size, int block_size)
      : block(int64_t{blockIdx.x} * typed_threads + threadIdx.x), first(block * block_size) {
    int64_t const left = size - first;
    count = left < 0 ? 0 : left < block_size ? left : block_size;
  }
};

/// Scales and codes of a tensor.     values: (out.size), count: null, or of NaN and infinity
template <SchemeSpec S, Element T>
__launch_bounds__(typed_threads) __global__
    void quantize_typed_kernel(T const* values, QuantizedSpan<S> out, unsigned long long* count) {
  ThreadBlock const mine(out.size, S::block_size);
  if (mine.count == 0) return;
  T const* const from = values + mine.first;
  if (encode_typed_block(from, mine.count, out, mine.block) || count == nullptr) return;
  unsigned long long found = 0;
  for (int64_t i = 0; i < mine.count; ++i) found += magnitude_bits(from[i]) >= infinity_bits<T>();
  if (found != 0) atomicAdd(count, found);
}

/// *tensor_scale = 0, from which absmax_kernel begins.
template <SchemeSpec S>
__launch_bounds__(1) __global__ void clear_tensor_scale_kernel(float* tensor_scale) {
  *tensor_scale = 0.f;
}

/// *absmax = the largest absmax of a block without NaN and infinity, or what it was. By the bits,
/// which order as the magnitudes do.
template <SchemeSpec S, Element T>
__launch_bounds__(typed_threads) __global__
    void tensor_absmax_kernel(T const* values, int64_t size, float* absmax) {
  ThreadBlock const mine(size, S::block_size);
  float const own = mine.count == 0 ? 0.f : block_absmax(values + mine.first, mine.count);
  unsigned most = is_finite(own) ? float_bits(own) : 0u;
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    unsigned const other = __shfl_xor_sync(~0u, most, distance);
    most = other > most ? other : most;
  }
  if (threadIdx.x % 32 == 0 && most != 0) atomicMax(reinterpret_cast<unsigned*>(absmax), most);
}

/// The tensor's absmax becomes its scale.
template <SchemeSpec S>
__launch_bounds__(1) __global__ void finish_tensor_scale_kernel(float* tensor_scale) {
  *tensor_scale = tensor_scale_of<S>(*tensor_scale);
}

}  // namespace grid
}  // namespace qfmt::inline v0
