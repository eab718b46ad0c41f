// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What quantizing consists of, for a range of blocks whose arguments have been checked.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/nested.hpp"
#include "qfmt/codec/typed_scales.hpp"
#include "qfmt/host/simd/codec.hpp"

#include <algorithm>
#include <bit>

namespace qfmt::inline v0::host {

namespace detail {

inline constexpr int64_t max_tasks = 256;
inline constexpr int64_t none = -1;

/// A tensor's blocks in at most max_tasks runs of a power of two of blocks: whole subtrees of the
/// tree that sums nested scales, and whole groups of 256 of them.
struct Split {
  int64_t blocks;
  int64_t run;  // blocks in a task, a power of two

  template <SchemeSpec S>
  static constexpr Split of(QuantizedSpan<S> const& view) {
    constexpr int64_t values_worth_a_task = 1 << 16;
    int64_t const blocks = block_count_of(view);
    int64_t const length = std::max<int64_t>(1, block_length_of(view));
    int64_t const least = S::is_nested ? AbsmaxScheme::block_size : 1;
    int64_t const run =
        std::max({least, values_worth_a_task / length, ceil_div(blocks, max_tasks)});
    return {blocks, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(run)))};
  }
  constexpr int64_t tasks() const { return ceil_div(blocks, run); }
  constexpr BlockRange range(int64_t task) const {
    return {task * run, std::min(blocks, (task + 1) * run)};
  }
  constexpr int height() const { return std::countr_zero(static_cast<uint64_t>(run)); }
};

/// An encoder writes codes of the format's own map: a view with another one is refused.
template <SchemeSpec S>
constexpr bool has_own_map(QuantizedSpan<S> const& view) {
  using F = typename S::format;
  if constexpr (S::is_nested) {
    return has_own_map(view.scales.absmax);
  } else if constexpr (StoresLevels<F>) {
    float const* const stored = stored_levels(view.scales);
    for (int c = 0; stored != nullptr && c < F::codebook.count; ++c)
      if (stored[c] != level<F>(static_cast<uint8_t>(c))) return false;
  }
  return true;
}

template <MutableScheme S, class T>
constexpr Status check_output(std::span<T> values, QuantizedSpan<S> const& out) {
  if (Status const s = check_call(values, out); !s) return s;
  return {out.size == 0 || has_own_map(out) ? Errc::ok : Errc::map_mismatch};
}

/// First NaN or infinity among the values of a range of blocks, or `none`.
template <SchemeSpec S, Element T>
int64_t find_non_finite(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                        SimdLevel level) {
  constexpr int64_t stride = 4096;  // a maximum over a run is quicker than a test of each value
  int64_t const last = std::min(out.size, range.last * block_length_of(out));
  for (int64_t i = range.first * block_length_of(out); i < last; i += stride) {
    int64_t const n = std::min(stride, last - i);
    if (!is_finite(simd::block_absmax(level, values + i, n)))
      return i + first_non_finite(values + i, n);
  }
  return none;
}

template <Element T>
void count_non_finite(T const* values, int64_t n, QuantizeOptions options) {
  if (options.non_finite_count == nullptr) return;
  unsigned long long found = 0;
  for (int64_t i = 0; i < n; ++i) found += magnitude_bits(values[i]) >= infinity_bits<T>();
  __atomic_fetch_add(options.non_finite_count, found, __ATOMIC_RELAXED);
}

/// The plain scales of a range of blocks; scales[0] is the first one's.
template <class Encoder, SchemeSpec S, Element T>
void scale_blocks(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                  BlockRange range, SimdLevel level, float* scales) {
  if constexpr (std::same_as<Encoder, Nearest>) {
    int64_t const length = block_length_of(out), first = range.first * length;
    int64_t const n = std::min(out.size - first, (range.last - range.first) * length);
    simd::absmax_blocks<S::block_size>(level, values + first, n, length, scales);
    if constexpr (ElementFormat<typename S::format>)
      for (int64_t b = 0; b < range.last - range.first; ++b)
        scales[b] = scale_of_absmax<typename S::format>(scales[b]);
  } else {
    for (int64_t b = range.first; b < range.last; ++b) {
      auto const [first, n] = values_of(out, b);
      *scales++ = encoder.template scale<typename S::format>(values + first, n);
    }
  }
}

/// The codes of the same blocks under these scales.
template <class Encoder, MutableScheme S, Element T>
void encode_scaled_blocks(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                          BlockRange range, SimdLevel level, float const* scales) {
  using F = typename S::format;
  if constexpr (std::same_as<Encoder, Nearest>) {
    int64_t const length = block_length_of(out), first = range.first * length;
    int64_t const n = std::min(out.size - first, (range.last - range.first) * length);
    simd::encode_blocks<F, S::block_size>(level, values + first, n, length, scales,
                                          out.codes + first * S::bits / 8);
  } else {
    for (int64_t b = range.first; b < range.last; ++b) {
      auto const [first, n] = values_of(out, b);
      encoder.template encode<F>(values + first, n, *scales++, out.codes + first * S::bits / 8);
    }
  }
}

/// Counts the values of blocks whose scale is not finite.
template <SchemeSpec S, Element T>
void count_in_blocks(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                     float const* scales, QuantizeOptions options) {
  for (int64_t b = range.first; b < range.last; ++b, ++scales) {
    if (is_finite(*scales)) continue;
    auto const [first, n] = values_of(out, b);
    count_non_finite(values + first, n, options);
  }
}

/// Blocks whose values stay in the first cache from the search for their scale to their encoding;
/// divides a group of 256. So few that memory never rests for long: 1024 values reach 0.98 of
/// memcpy from memory, 4096 reach 0.86 (NF4 from fp32, AVX-512).
template <SchemeSpec S>
constexpr int64_t blocks_at_once(QuantizedSpan<S> const& view) {
  constexpr int64_t values = 1024;
  if constexpr (S::is_row_wise) return std::max<int64_t>(1, values / view.scales.row_length);
  return std::max<int64_t>(1, std::min<int64_t>(256, values / std::max(1, S::block_size)));
}

/// The first NaN or infinity of blocks whose scales are known; `none` where all are finite.
template <SchemeSpec S, Element T>
int64_t find_in_blocks(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                       float const* scales) {
  for (int64_t b = range.first; b < range.last; ++b, ++scales) {
    if (is_finite(*scales)) continue;
    auto const [first, n] = values_of(out, b);
    return first + first_non_finite(values + first, n);
  }
  return none;
}

/// The largest absmax among blocks without NaN or infinity: of the tensor it makes its scale.
template <SchemeSpec S, Element T>
float finite_absmax(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                    SimdLevel level) {
  float most = 0.f;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    float const absmax = simd::block_absmax(level, values + first, n);
    if (is_finite(absmax)) most = std::max(most, absmax);
  }
  return most;
}

/// encode_blocks under scales of a type of their own.
template <MutableScheme S, Element T>
int64_t encode_typed_blocks(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                            QuantizeOptions options) {
  int64_t found = none;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    if (encode_typed_block(values + first, n, out, b)) continue;
    int64_t const i = first_non_finite(values + first, n);
    if (i >= 0 && found == none) found = first + i;
    if (options.propagate_non_finite) count_non_finite(values + first, n, options);
  }
  return found;
}

/// Scales and codes of a range of blocks; the inputs have been checked. Returns the first NaN or
/// infinity, or `none`.
template <class Encoder, MutableScheme S, Element T>
int64_t encode_blocks(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                      BlockRange range, QuantizeOptions options) {
  if constexpr (S::is_typed) {
    static_assert(std::same_as<Encoder, Nearest>,
                  "qfmt::host::quantize: scales with a type of their own take Nearest alone");
    return encode_typed_blocks(values, out, range, options);
  } else {
    SimdLevel const level = simd_level(options.simd);
    int64_t const step = blocks_at_once(out);
    int64_t found = none;
    for (int64_t b = range.first; b < range.last; b += step) {
      BlockRange const part{b, std::min(range.last, b + step)};
      float* const scales = out.scales.absmax + b;
      scale_blocks(encoder, values, out, part, level, scales);
      if (found == none) found = find_in_blocks(values, out, part, scales);
      if (found != none && options.propagate_non_finite)
        count_in_blocks(values, out, part, scales, options);
      encode_scaled_blocks(encoder, values, out, part, level, scales);
    }
    return found;
  }
}

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
      encode_scaled_blocks(encoder, values, out, part, level, own);
    }
    encode_scale_group(scales, group, end - group, level, out);
  }
}

}  // namespace detail
}  // namespace qfmt::inline v0::host
