// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing whole tensors on the CPU: on one thread, over an executor, or in the ranges and steps
// of an engine's own thread pool. However the work is split, the bytes are the same.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/nested.hpp"
#include "qfmt/host/arguments.hpp"
#include "qfmt/host/executor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
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
    for (int c = 0; stored != nullptr && c < 1 << S::bits; ++c)
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
  std::atomic_ref(*options.non_finite_count).fetch_add(found, std::memory_order_relaxed);
}

/// Scales and codes of a range of blocks; the inputs have been checked.
template <class Encoder, MutableScheme S, Element T>
void encode_blocks(T const* values, QuantizedSpan<S> const& out, BlockRange range,
                   QuantizeOptions options) {
  using F = typename S::format;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    float const scale = Encoder::template scale<F>(values + first, n);
    if (!is_finite(scale)) count_non_finite(values + first, n, options);
    out.scales.absmax[b] = scale;
    Encoder::template encode<F>(values + first, n, scale, out.codes + first * S::bits / 8);
  }
}

/// The plain scales of a range of blocks, summed by the tree; stored where `absmax` is not null.
template <class Encoder, SchemeSpec S, Element T>
ScaleSum sum_scales(T const* values, QuantizedSpan<S> const& out, BlockRange range, float* absmax) {
  ScaleSumTree tree;
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = values_of(out, b);
    float const scale = Encoder::template scale<typename S::format>(values + first, n);
    if (absmax != nullptr) absmax[b] = scale;
    tree.append(ScaleSum::of(scale));
  }
  return tree.total();
}

/// Codes and quantized scales of a range of blocks that begins at a group of 256, given the offset.
/// `absmax` are the plain scales of all blocks; null: they are worked out again.
template <class Encoder, MutableScheme S, Element T>
void encode_nested_blocks(T const* values, float const* absmax, QuantizedSpan<S> const& out,
                          BlockRange range, QuantizeOptions options) {
  using F = typename S::format;
  constexpr int64_t group_size = AbsmaxScheme::block_size;
  for (int64_t group = range.first; group < range.last; group += group_size) {
    int64_t const end = std::min(range.last, group + group_size);
    float scales[group_size];
    for (int64_t b = group; b < end; ++b) {
      auto const [first, n] = values_of(out, b);
      float const scale =
          absmax != nullptr ? absmax[b] : Encoder::template scale<F>(values + first, n);
      if (!is_finite(scale)) count_non_finite(values + first, n, options);
      scales[b - group] = scale;
      Encoder::template encode<F>(values + first, n, scale, out.codes + first * S::bits / 8);
    }
    encode_scales(scales, group, end - group, *out.scales.offset, out.scales.absmax);
  }
}

/// Runs the search over all tasks; the lowest index wins whoever found it.
template <class Executor, SchemeSpec S, Element T>
Status search_non_finite(Executor& executor, T const* values, QuantizedSpan<S> const& out,
                         Split split) {
  std::array<int64_t, max_tasks> found;
  executor(split.tasks(), [&](int64_t task) {
    found[static_cast<size_t>(task)] = find_non_finite(values, out, split.range(task));
  });
  for (int64_t task = 0; task < split.tasks(); ++task)
    if (int64_t const i = found[static_cast<size_t>(task)]; i != none) return {Errc::non_finite, i};
  return {};
}

template <class Encoder, class Executor, MutableScheme S, Element T>
Status quantize_over(Executor& executor, std::span<T const> values, QuantizedSpan<S> const& out,
                     QuantizeOptions options, Workspace workspace) {
  if (Status const s = check_output(values, out); !s) return s;
  if (Status const s = check_workspace<S>(out.size, workspace); !s) return s;
  Split const split = Split::of(out);
  T const* const in = values.data();
  if (!options.propagate_non_finite)
    if (Status const s = search_non_finite(executor, in, out, split); !s) return s;

  if constexpr (!S::is_nested) {
    executor(split.tasks(),
             [&](int64_t task) { encode_blocks<Encoder>(in, out, split.range(task), options); });
  } else if (out.size > 0) {
    auto* const absmax = static_cast<float*>(workspace.data);
    std::array<ScaleSum, max_tasks> sums;
    executor(split.tasks(), [&](int64_t task) {
      sums[static_cast<size_t>(task)] = sum_scales<Encoder>(in, out, split.range(task), absmax);
    });
    ScaleSumTree tree;
    for (int64_t task = 0; task < split.tasks(); ++task)
      tree.append(sums[static_cast<size_t>(task)], split.height());
    *out.scales.offset = tree.total().mean();
    executor(split.tasks(), [&](int64_t task) {
      encode_nested_blocks<Encoder>(in, absmax, out, split.range(task), options);
    });
  }
  return {};
}

}  // namespace detail

/// Quantizes a whole tensor on the calling thread.
///
/// values: (out.size), row-major. out: memory for the result; after an error it is valid memory of
/// unspecified content, except that nothing was written when the error is non_finite.
/// Numerics: the encoder's; see Nearest. The bytes do not depend on compiler, flags or threads.
/// Workspace: nested schemes read the values once less with quantize_workspace_bytes<S>(size).
/// Errors: null_pointer, misaligned, size_mismatch, unsupported_shape, workspace_too_small;
/// map_mismatch where `out` carries a stored map that is not the format's own; non_finite with the
/// index of the first NaN or infinity, unless options propagate it. Neither allocates nor throws.
template <MutableScheme S, Element T, class Encoder = Nearest>
Status quantize(std::span<T const> values, QuantizedSpan<S> out, Encoder = {},
                QuantizeOptions options = {}, Workspace workspace = {}) {
  Serial serial;
  return detail::quantize_over<Encoder>(serial, values, out, options, workspace);
}

/// The same for vectors, arrays and spans of any extent.
template <MutableScheme S, ElementRange R, class Encoder = Nearest>
Status quantize(R&& values, QuantizedSpan<S> out, Encoder encoder = {},
                QuantizeOptions options = {}, Workspace workspace = {}) {
  using T = std::ranges::range_value_t<R>;
  return quantize<S, T>(std::span<T const>(as_span(values)), out, encoder, options, workspace);
}

/// The same over an executor (Threads{}, or an engine's own): equal bytes, equal errors.
template <class Executor, ElementRange R, MutableScheme S, class Encoder = Nearest>
Status quantize_parallel(Executor&& executor, R&& values, QuantizedSpan<S> out, Encoder = {},
                         QuantizeOptions options = {}, Workspace workspace = {}) {
  using T = std::ranges::range_value_t<R>;
  return detail::quantize_over<Encoder>(executor, std::span<T const>(as_span(values)), out, options,
                                        workspace);
}

/// Quantizes the blocks of `range`; views and values are those of the whole tensor. For plain and
/// row-wise schemes. A non-finite value of the range is reported, with its index in the whole
/// tensor, before anything of the range is written.
template <MutableScheme S, ElementRange R, class Encoder = Nearest>
  requires(!S::is_nested)
Status quantize_range(R&& values, QuantizedSpan<S> out, BlockRange range, Encoder = {},
                      QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_output(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  if (!options.propagate_non_finite)
    if (int64_t const i = detail::find_non_finite(in.data(), out, range); i != detail::none)
      return {Errc::non_finite, i};
  detail::encode_blocks<Encoder>(in.data(), out, range, options);
  return {};
}

/// Nested quantization, step 1 of 3: the plain scales of the blocks of `range` into `absmax`, which
/// has room for every block of the tensor. Ranges may run at the same time. `out` gives the size.
template <SchemeSpec S, ElementRange R, class Encoder = Nearest>
  requires(S::is_nested)
Status absmax_range(R&& values, std::span<float> absmax, QuantizedSpan<S> out, BlockRange range,
                    Encoder = {}, QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_call(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  if (static_cast<int64_t>(absmax.size()) != block_count_of(out)) return {Errc::size_mismatch};
  if (!options.propagate_non_finite)
    if (int64_t const i = detail::find_non_finite(in.data(), out, range); i != detail::none)
      return {Errc::non_finite, i};
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = detail::values_of(out, b);
    absmax[static_cast<size_t>(b)] =
        Encoder::template scale<typename S::format>(in.data() + first, n);
  }
  return {};
}

/// Nested quantization, step 2 of 3, once: writes the offset, the mean of all finite scales.
template <MutableScheme S>
  requires(S::is_nested)
Status nested_offset(std::span<float const> absmax, QuantizedSpan<S> out) {
  if (Errc const e = check(out); e != Errc::ok) return {e};
  if (static_cast<int64_t>(absmax.size()) != block_count_of(out)) return {Errc::size_mismatch};
  if (out.size == 0) return {};
  ScaleSumTree tree;
  for (float const scale : absmax) tree.append(ScaleSum::of(scale));
  *out.scales.offset = tree.total().mean();
  return {};
}

/// Nested quantization, step 3 of 3: codes and quantized scales of the blocks of `range`, which
/// begins and ends at a multiple of 256 blocks or at the end of the tensor, so that ranges may run
/// at the same time; size_mismatch otherwise.
template <MutableScheme S, ElementRange R, class Encoder = Nearest>
  requires(S::is_nested)
Status encode_range(R&& values, std::span<float const> absmax, QuantizedSpan<S> out,
                    BlockRange range, Encoder = {}, QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_output(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  constexpr int64_t group = AbsmaxScheme::block_size;
  bool const on_groups =
      range.first % group == 0 && (range.last % group == 0 || range.last == block_count_of(out));
  if (!on_groups || static_cast<int64_t>(absmax.size()) != block_count_of(out))
    return {Errc::size_mismatch};
  detail::encode_nested_blocks<Encoder>(in.data(), absmax.data(), out, range, options);
  return {};
}

}  // namespace qfmt::inline v0::host
