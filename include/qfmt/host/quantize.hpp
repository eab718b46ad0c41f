// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing whole tensors on the CPU, on one thread or over an executor. However the work is
// split, the bytes are the same.
#pragma once

#include "qfmt/host/block_work.hpp"
#include "qfmt/host/executor.hpp"

#include <array>

namespace qfmt::inline v0::host {

namespace detail {

/// The lowest index that a task found, whoever was first.
inline Status lowest(std::array<int64_t, max_tasks> const& found, Split split) {
  for (int64_t task = 0; task < split.tasks(); ++task)
    if (int64_t const i = found[static_cast<size_t>(task)]; i != none) return {Errc::non_finite, i};
  return {};
}

/// Runs the search over all tasks.
template <class Executor, SchemeSpec S, Element T>
Status search_non_finite(Executor& executor, T const* values, QuantizedSpan<S> const& out,
                         Split split, SimdLevel level) {
  std::array<int64_t, max_tasks> found;
  found.fill(none);
  executor(split.tasks(), [&](int64_t task) {
    found[static_cast<size_t>(task)] = find_non_finite(values, out, split.range(task), level);
  });
  return lowest(found, split);
}

template <class Encoder, class Executor, MutableScheme S, Element T>
Status quantize_over(Executor& executor, Encoder const& encoder, std::span<T const> values,
                     QuantizedSpan<S> const& out, QuantizeOptions options, Workspace workspace) {
  static_assert(
      EncoderFor<Encoder, typename S::format, T>,
      "qfmt::host::quantize: the argument after the view is an encoder, such as Nearest{}; "
      "options follow it");
  if (Status const s = check_output(values, out); !s) return s;
  if (Status const s = check_workspace<S>(out.size, workspace); !s) return s;
  Split const split = Split::of(out);
  T const* const in = values.data();
  SimdLevel const level = simd_level(options.simd);

  if constexpr (!S::is_nested) {
    if (!options.propagate_non_finite)
      if (Status const s = search_non_finite(executor, in, out, split, level); !s) return s;
    executor(split.tasks(),
             [&](int64_t task) { encode_blocks(encoder, in, out, split.range(task), options); });
  } else if (out.size > 0) {
    auto* const absmax = static_cast<float*>(workspace.data);
    std::array<ScaleSum, max_tasks> sums;
    std::array<int64_t, max_tasks> found;
    found.fill(none);
    executor(split.tasks(), [&](int64_t task) {
      auto const t = static_cast<size_t>(task);
      sums[t] = sum_scales(encoder, in, out, split.range(task), level, absmax, found[t]);
    });
    if (!options.propagate_non_finite)
      if (Status const s = lowest(found, split); !s) return s;
    ScaleSumTree tree;
    for (int64_t task = 0; task < split.tasks(); ++task)
      tree.append(sums[static_cast<size_t>(task)], split.height());
    *out.scales.offset = tree.total().mean();
    executor(split.tasks(), [&](int64_t task) {
      encode_nested_blocks(encoder, in, absmax, out, split.range(task), options);
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
/// Workspace: with quantize_workspace_bytes<S>(size) nested schemes work each absmax out only once.
/// Errors: null_pointer, misaligned, size_mismatch, unsupported_shape, workspace_too_small;
/// map_mismatch where `out` carries a stored map that is not the format's own; non_finite with the
/// index of the first NaN or infinity, unless options propagate it. Neither allocates nor throws.
template <MutableScheme S, Element T, class Encoder = Nearest>
Status quantize(std::span<T const> values, QuantizedSpan<S> out, Encoder encoder = {},
                QuantizeOptions options = {}, Workspace workspace = {}) {
  Serial serial;
  return detail::quantize_over(serial, encoder, values, out, options, workspace);
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
Status quantize_parallel(Executor&& executor, R&& values, QuantizedSpan<S> out,
                         Encoder encoder = {}, QuantizeOptions options = {},
                         Workspace workspace = {}) {
  using T = std::ranges::range_value_t<R>;
  return detail::quantize_over(executor, encoder, std::span<T const>(as_span(values)), out, options,
                               workspace);
}

}  // namespace qfmt::inline v0::host
