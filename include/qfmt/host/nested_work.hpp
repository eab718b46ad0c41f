// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What nested scales add to quantizing a range of blocks: their mean, their own quantization, and
// the choice among those that can be stored.
#pragma once

#include "qfmt/codec/nested.hpp"
#include "qfmt/host/block_work.hpp"

namespace qfmt::inline v0::host {

namespace detail {

/// Appends n scales that begin at a multiple of `step`, a power of two up to 256: a whole step is
/// summed level by level, which is the tree's own order without its bookkeeping.
inline void append_scales(ScaleSumTree& tree, float const* scales, int64_t n, int64_t step) {
  if (n < step) {
    for (int64_t i = 0; i < n; ++i) tree.append(ScaleSum::of(scales[i]));
    return;
  }
  double sum[AbsmaxScheme::block_size];
  int64_t count = 0;
  for (int64_t i = 0; i < step; ++i) {
    ScaleSum const one = ScaleSum::of(scales[i]);
    sum[i] = one.sum;
    count += one.count;
  }
  for (int64_t left = step / 2; left > 0; left /= 2)
    for (int64_t i = 0; i < left; ++i) sum[i] = sum[2 * i] + sum[2 * i + 1];
  tree.append({sum[0], count}, std::countr_zero(static_cast<uint64_t>(step)));
}

/// What a pass over nested blocks leaves.
struct NestedPass {
  ScaleSum sum;
  int64_t found = none;  // the first NaN or infinity
};

/// The plain scales of a range of blocks that begins at a group of 256, summed by the tree; stored
/// where `absmax`, which is that of all blocks, is not null. Encodes: codes are written, too.
template <bool Encodes, class Encoder, SchemeSpec S, Element T>
NestedPass sum_scales(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                      BlockRange range, float* absmax, QuantizeOptions options) {
  SimdLevel const level = simd_level(options.simd);
  int64_t const step = blocks_at_once(out);
  ScaleSumTree tree;
  NestedPass pass;
  for (int64_t b = range.first; b < range.last; b += step) {
    BlockRange const part{b, std::min(range.last, b + step)};
    float own[AbsmaxScheme::block_size];
    float* const scales = absmax != nullptr ? absmax + b : own;
    scale_blocks(encoder, values, out, part, level, scales);
    append_scales(tree, scales, part.last - b, step);
    if (pass.found == none) pass.found = find_in_blocks(values, out, part, scales);
    if constexpr (Encodes) {
      if (pass.found != none && options.propagate_non_finite)
        count_in_blocks(values, out, part, scales, options);
      encode_scaled_blocks(encoder, values, out, part, level, scales);
    }
  }
  pass.sum = tree.total();
  return pass;
}

/// encode_scales of one group, or less at the end.
template <MutableScheme S>
void encode_scale_group(float const* absmax, int64_t first, int64_t count, SimdLevel level,
                        QuantizedSpan<S> const& out) {
  constexpr int64_t group_size = AbsmaxScheme::block_size;
  float centred[group_size]{};
  for (int64_t i = 0; i < count; ++i) centred[i] = exact::sub(absmax[i], *out.scales.offset);
  QuantizedSpan<AbsmaxScheme> const& inner = out.scales.absmax;
  float& absmax2 = inner.scales.absmax[first / group_size];
  absmax2 = simd::block_absmax(level, centred, count);
  simd::encode_blocks<Dynamic8, 0>(level, centred, count, group_size, &absmax2,
                                   inner.codes + first);
}

/// Quantized scales of a range of blocks that begins at a group of 256, given the offset and the
/// plain scales of all blocks.
template <MutableScheme S>
void encode_scale_groups(float const* absmax, QuantizedSpan<S> const& out, BlockRange range,
                         SimdLevel level) {
  constexpr int64_t group_size = AbsmaxScheme::block_size;
  for (int64_t group = range.first; group < range.last; group += group_size)
    encode_scale_group(absmax + group, group, std::min(group_size, range.last - group), level, out);
}

/// Nested scales of one group, as stored.
struct StoredScales {
  uint8_t* codes;
  float absmax2, offset;

  float operator[](int64_t i) const {
    return exact::mul_then_add(qfmt::level<AbsmaxScheme::format>(codes[i]), absmax2, offset);
  }
};

/// Chooses anew, for each block of a group whose quantized scales are written: of the scales that
/// its byte can stand for, the one of least error near the chosen one. `scales` becomes what the
/// group's decoders will read; of blocks of zeros, and in a group with NaN, it stays. values: the
/// group's n values, the first of which is value `first` of the tensor.
template <FormatSpec F, StoredScaleEncoder Encoder, Element T>
void fit_stored_scales(SimdLevel level, Encoder const& encoder, T const* values, int64_t first,
                       int64_t n, int64_t length, StoredScales const& stored, float* scales) {
  if (!is_finite(stored.absmax2)) return;
  simd::compiled_for(level, [=] {
    for (int64_t i = 0, at = 0; at < n; ++i, at += length) {
      if (is_zero(scales[i])) continue;
      auto const block_encoder = encoder_at(encoder, first + at);
      int const nearest = stored.codes[i];
      int best = nearest;
      double least = 0.0;
      for (int step = 0; step < 3; ++step) {
        int const code = step == 2 ? nearest - 1 : nearest + step;
        if (code < 0 || code > 255) continue;
        stored.codes[i] = static_cast<uint8_t>(code);
        float const scale = stored[i];
        double const error =
            block_encoder.template error<F>(values + at, std::min(length, n - at), scale);
        if (step != 0 && !(error < least)) continue;
        least = error;
        best = code;
        scales[i] = scale;
      }
      stored.codes[i] = static_cast<uint8_t>(best);
    }
  });
}

/// Codes and quantized scales of a range of blocks that begins at a group of 256, given the offset.
/// `absmax` are the plain scales of all blocks; null: they are worked out again.
template <class Encoder, MutableScheme S, Element T>
void encode_nested_blocks(Encoder const& encoder, T const* values, float const* absmax,
                          QuantizedSpan<S> const& out, BlockRange range, QuantizeOptions options) {
  constexpr int64_t group_size = AbsmaxScheme::block_size;
  SimdLevel const level = simd_level(options.simd);
  int64_t const step = blocks_at_once(out);
  for (int64_t group = range.first; group < range.last; group += group_size) {
    int64_t const end = std::min(range.last, group + group_size);
    float scales[group_size];
    if (absmax != nullptr) std::copy(absmax + group, absmax + end, scales);
    for (int64_t b = group; b < end; b += step) {
      BlockRange const part{b, std::min(end, b + step)};
      float* const own = scales + (b - group);
      if (absmax == nullptr) scale_blocks(encoder, values, out, part, level, own);
      count_in_blocks(values, out, part, own, options);
      if constexpr (!StoredScaleEncoder<Encoder>)
        encode_scaled_blocks(encoder, values, out, part, level, own);
    }
    encode_scale_group(scales, group, end - group, level, out);
    if constexpr (StoredScaleEncoder<Encoder>) {
      auto const& inner = out.scales.absmax;
      StoredScales const stored{inner.codes + group, inner.scales.absmax[group / group_size],
                                *out.scales.offset};
      int64_t const first = group * S::block_size;
      int64_t const n = std::min(out.size, end * S::block_size) - first;
      fit_stored_scales<typename S::format>(level, encoder, values + first, first, n, S::block_size,
                                            stored, scales);
      encode_scaled_blocks(encoder, values, out, {group, end}, level, scales);
    }
  }
}

}  // namespace detail
}  // namespace qfmt::inline v0::host
