// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The largest magnitude of a block, gathered by several threads.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/device/bnb_cuda.cuh"
#include "qfmt/device/thread/elements.cuh"

namespace qfmt::inline v0::thread {

/// A running maximum: `add` packs, `merge` what other threads gathered (`state`), read `absmax`.
/// Exact and free of order.
template <class Encoder, Element T>
struct BlockPeak;

/// Bits of magnitudes, which order as the magnitudes do with NaN above infinity; two at a time for
/// 16-bit types. The bits of block_absmax: NaN where a value is not finite.
template <Element T>
struct BlockPeak<Nearest, T> {
  uint32_t state = 0;  ///< bits of the largest magnitude so far

  /// Takes the values of a pack in.
  template <int N>
  __device__ void add(ElementPack<T, N> const& pack) {
#pragma unroll
    for (uint32_t const word : pack.word)
      merge(word & (sizeof(T) == 4 ? 0x7FFFFFFFu : 0x7FFF7FFFu));
  }
  /// Takes the state of another thread in.
  __device__ void merge(uint32_t other) {
    if constexpr (sizeof(T) == 4) {
      state = other > state ? other : state;
    } else {
      state = ptx::max_s16x2(state, other);
    }
  }
  /// The scale; NaN where a value was NaN or infinite.
  __device__ float absmax() const {
    uint32_t const low = state & 0xFFFFu, high = state >> 16;
    uint32_t const most = sizeof(T) == 4 ? state : low > high ? low : high;
    auto const bits = static_cast<decltype(magnitude_bits(T{}))>(most);
    return bits < infinity_bits<T>() ? magnitude<T>(bits) : float_from_bits(canonical_nan_bits);
  }
};

/// Floats with subnormals flushed and NaN left out, from a start that only whole blocks of NaN
/// keep.
template <Element T>
struct BlockPeak<BnbCuda, T> {
  float state = -0x1.fffffep127f;  ///< the largest magnitude so far, NaN left out

  /// Takes the values of a pack in.
  template <int N>
  __device__ void add(ElementPack<T, N> const& pack) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      uint32_t const bits = float_bits(pack[i]) & 0x7FFFFFFFu;
      merge(bits < 0x00800000u ? 0.f : float_from_bits(bits));
    }
  }
  /// Takes the state of another thread in.
  __device__ void merge(float other) { state = other > state ? other : state; }
  /// The scale as bitsandbytes' kernels have it.
  __device__ float absmax() const { return state; }
};

}  // namespace qfmt::inline v0::thread
