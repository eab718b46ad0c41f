// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoders: how values become codes. A scheme says what bytes mean, so an encoder is a policy of
// the call, and every encoder's output is read by the same decoders.
#pragma once

#include "qfmt/codec/block_codec.hpp"

namespace qfmt::inline v0 {

/// The scale is the block's absmax, or what the format makes of it; each value takes the nearest
/// code. The default.
///
/// Numerics: bitsandbytes' CUDA decision points and tie rules to the bit, with the IEEE reciprocal
/// in place of the GPU's approximate one; the same bits on host and device.
struct Nearest {
  /// The scale of a block of n values; NaN if one of them is NaN or infinite.
  template <FormatSpec F, Element T>
  QFMT_HD static constexpr float scale(T const* values, int64_t n) {
    return scale_of_absmax<F>(block_absmax(values, n));
  }

  /// The block's codes under the scale that `scale` chose.
  template <FormatSpec F, Element T>
  QFMT_HD static constexpr void encode(T const* values, int64_t n, float scale, uint8_t* codes) {
    encode_block<F>(values, n, scale, codes);
  }
};

/// What host::quantize asks of an encoder. An encoder may carry settings: its functions are called
/// on the object that was passed. `scale` must be NaN for a block that holds a NaN or an infinity,
/// and finite for all others; it is what is stored and what `encode` and the decoders are given.
///
/// It may have, besides: at(first), the encoder for the block that begins at value `first`, where
/// blocks are not all treated alike; is_valid(), false for settings that cannot be used;
/// rounds_to_nearest = true, which says that encode is encode_block, so that SIMD may do it; and
/// fits_stored_scales = true with error<F>(values, n, scale), which asks that nested scales be
/// chosen by error among those that can be stored, and that codes be made under these.
template <class E, class F, class T>
concept EncoderFor = requires(E const& e, T const* values, int64_t n, float s, uint8_t* codes) {
  { e.template scale<F>(values, n) } -> stl::same_as<float>;
  e.template encode<F>(values, n, s, codes);
};

}  // namespace qfmt::inline v0
