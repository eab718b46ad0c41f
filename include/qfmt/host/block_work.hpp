// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What quantizing consists of, for a range of blocks whose arguments have been checked.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/nested.hpp"
#include "qfmt/host/arguments.hpp"

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
constexpr int64_t find_non_finite(T const* values, QuantizedSpan<S> const& out, BlockRange range) {
  constexpr int64_t stride = 4096;  // a maximum over a run is quicker than a test of each value
  int64_t const last = std::min(out.size, range.last * block_length_of(out));
  for (int64_t i = range.first * block_length_of(out); i < last; i += stride) {
    int64_t const n = std::min(stride, last - i);
    if (!is_finite(block_absmax(values + i, n))) return i + first_non_finite(values + i, n);
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

/// Scales and codes of a range of blocks; the inputs have been checked.
template <class Encoder, MutableScheme S, Element T>
void encode_blocks(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                   BlockRange range, QuantizeOptions options) {
  using F = typename S::format;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    float const scale = encoder.template scale<F>(values + first, n);
    if (!is_finite(scale)) count_non_finite(values + first, n, options);
    out.scales.absmax[b] = scale;
    encoder.template encode<F>(values + first, n, scale, out.codes + first * S::bits / 8);
  }
}

/// The plain scales of a range of blocks, summed by the tree; stored where `absmax` is not null.
template <class Encoder, SchemeSpec S, Element T>
ScaleSum sum_scales(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                    BlockRange range, float* absmax) {
  ScaleSumTree tree;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    float const scale = encoder.template scale<typename S::format>(values + first, n);
    if (absmax != nullptr) absmax[b] = scale;
    tree.append(ScaleSum::of(scale));
  }
  return tree.total();
}

/// Codes and quantized scales of a range of blocks that begins at a group of 256, given the offset.
/// `absmax` are the plain scales of all blocks; null: they are worked out again.
template <class Encoder, MutableScheme S, Element T>
void encode_nested_blocks(Encoder const& encoder, T const* values, float const* absmax,
                          QuantizedSpan<S> const& out, BlockRange range, QuantizeOptions options) {
  using F = typename S::format;
  constexpr int64_t group_size = AbsmaxScheme::block_size;
  for (int64_t group = range.first; group < range.last; group += group_size) {
    int64_t const end = std::min(range.last, group + group_size);
    float scales[group_size];
    for (int64_t b = group; b < end; ++b) {
      auto const [first, n] = values_of(out, b);
      float const scale =
          absmax != nullptr ? absmax[b] : encoder.template scale<F>(values + first, n);
      if (!is_finite(scale)) count_non_finite(values + first, n, options);
      scales[b - group] = scale;
      encoder.template encode<F>(values + first, n, scale, out.codes + first * S::bits / 8);
    }
    encode_scales(scales, group, end - group, *out.scales.offset, out.scales.absmax);
  }
}

}  // namespace detail
}  // namespace qfmt::inline v0::host
