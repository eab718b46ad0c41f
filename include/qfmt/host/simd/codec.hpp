// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The codec over runs of blocks at a level: walks the blocks and chooses the kernel. What no kernel
// does (blocks that are not ordinary, formats that none has), the scalar codec does.
#pragma once

#include "qfmt/host/arguments.hpp"
#include "qfmt/host/simd/instruction_sets.hpp"
#include "qfmt/host/simd/level.hpp"

#include <algorithm>

namespace qfmt::inline v0::host::simd {

/// Blocks of which a walk knows the scales, or the factors, before a kernel begins; they begin at
/// its multiples and so lie in one group of nested scales.
inline constexpr int64_t blocks_ahead = scales_ahead;

/// Decodes the blocks of `range`; out: the whole tensor's. Scales are read some blocks ahead: then
/// the loop over blocks is free of tests and waits for none of them.
template <class Set, bool Stream, SchemeSpec S, Element T>
void decode_range(QuantizedSpan<S> const& in, T* out, BlockRange range,
                  Levels<typename S::format> const& levels) {
  using F = typename S::format;
  int64_t const length = block_length_of(in);
  auto const inner = scale_levels(in.scales);
  for (int64_t b = range.first, end; b < range.last; b = end) {
    end = end_of_run(b, range.last);
    float own[blocks_ahead];
    float const* const scales = Set::scales_of(in.scales, inner, b, end, own);
    float most;  // NaN where one of them is not finite
    Set::template absmax<0>(scales, 1, end - b, &most);
    int64_t const whole = !is_finite(most) ? b : end * length <= in.size ? end : end - 1;
    Set::template decode<F, S::block_size, Stream>(in.codes + b * length * S::bits / 8, whole - b,
                                                   length, levels, scales, out + b * length);
    for (int64_t i = whole; i < end; ++i) {
      auto const [first, n] = host::detail::values_of(in, i);
      if (is_finite(scales[i - b])) {
        Set::template decode<F, 0, false>(in.codes + first * S::bits / 8, 1, n, levels,
                                          scales + (i - b), out + first);
      } else {
        decode_rare_block(in, i, first, n, out + first);
      }
    }
  }
  if constexpr (Stream) Set::finish_streaming();
}

/// decode_range, past the caches where that is asked for and possible.
template <class Set, SchemeSpec S, Element T>
void decode_range(QuantizedSpan<S> const& in, T* out, BlockRange range,
                  Levels<typename S::format> const& levels, bool stream) {
  if constexpr (Set::streams)
    if (stream) return decode_range<Set, true>(in, out, range, levels);
  decode_range<Set, false>(in, out, range, levels);
}

template <SchemeSpec S, Element T>
void decode_range_scalar(QuantizedSpan<S> const& in, T* out, BlockRange range) {
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = host::detail::values_of(in, b);
    decode_block(in, b, first, n, out + first);
  }
}

/// Decodes the blocks of `range` of a valid view; out: the whole tensor's.
template <SchemeSpec S, Element T>
void decode_blocks(QuantizedSpan<S> const& in, T* out, BlockRange range,
                   DequantizeOptions options) {
  using F = typename S::format;
  if constexpr (decodes<F>) {
    SimdLevel const level = simd_level(options.simd);
    Levels<F> const levels(in.scales);
    bool const stream = options.non_temporal && reinterpret_cast<uintptr_t>(out) % 16 == 0;
    bool const done = levels.usable() && with_set(level, [&]<class Set>(Set) {
                        decode_range<Set>(in, out, range, levels, stream);
                      });
    if (done) return;
  }
  decode_range_scalar(in, out, range);
}

/// block_absmax of n values.
template <Element T>
float block_absmax(SimdLevel level, T const* values, int64_t n) {
  float absmax = 0.f;
  if (with_set(level, [&]<class Set>(Set) { Set::template absmax<0>(values, 1, n, &absmax); }))
    return absmax;
  return qfmt::block_absmax(values, n);
}

/// block_absmax of runs of `length` values (Length, where that is not 0); the last may be short.
template <int Length, Element T>
void absmax_blocks(SimdLevel level, T const* values, int64_t n, int64_t length, float* absmax) {
  if constexpr (Length != 0) length = Length;
  int64_t const whole = n / length, rest = n - whole * length;
  bool const done = with_set(
      level, [&]<class Set>(Set) { Set::template absmax<Length>(values, whole, length, absmax); });
  for (int64_t b = 0; !done && b < whole; ++b)
    absmax[b] = qfmt::block_absmax(values + b * length, length);
  if (rest > 0) absmax[whole] = block_absmax(level, values + whole * length, rest);
}

/// encode_block of `count` blocks of `length` values with their absmax, at most blocks_ahead.
template <class Set, FormatSpec F, int Length, Element T>
void encode_some(T const* values, int64_t count, int64_t length, float const* absmax,
                 uint8_t* codes) {
  float factors[blocks_ahead];
  bool ordinary[blocks_ahead], all = true;
  for (int64_t b = 0; b < count; ++b) {
    BlockScaling const scaling = block_scaling<F>(absmax[b]);
    factors[b] = scaling.factor;
    ordinary[b] = is_ordinary(absmax[b], scaling);
    all = all && ordinary[b];
  }
  if (all) return Set::template encode<F, Length>(values, count, length, factors, codes);
  for (int64_t b = 0; b < count; ++b, values += length, codes += length * bits_of<F> / 8) {
    if (ordinary[b]) {
      Set::template encode<F, 0>(values, 1, length, factors + b, codes);
    } else {
      encode_rare_block<F>(values, length, absmax[b], codes);
    }
  }
}

/// encode_block of runs of `length` values (Length, where that is not 0) with their absmax; the
/// last may be short.
template <FormatSpec F, int Length, Element T>
void encode_blocks(SimdLevel level, T const* values, int64_t n, int64_t length, float const* absmax,
                   uint8_t* codes) {
  if constexpr (Length != 0) length = Length;
  int64_t const whole = n / length, rest = n - whole * length;
  auto const place = [&](int64_t block) { return codes + block * length * bits_of<F> / 8; };
  if constexpr (encodes<F>) {
    bool const done = with_set(level, [&]<class Set>(Set) {
      for (int64_t b = 0; b < whole; b += blocks_ahead)
        encode_some<Set, F, Length>(values + b * length, std::min(blocks_ahead, whole - b), length,
                                    absmax + b, place(b));
      if (rest > 0)
        encode_some<Set, F, 0>(values + whole * length, 1, rest, absmax + whole, place(whole));
    });
    if (done) return;
  }
  for (int64_t b = 0; b < whole; ++b)
    encode_rare_block<F>(values + b * length, length, absmax[b], place(b));
  if (rest > 0) encode_rare_block<F>(values + whole * length, rest, absmax[whole], place(whole));
}

}  // namespace qfmt::inline v0::host::simd
