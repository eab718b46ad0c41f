// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing whole tensors on the CPU, on one thread or over an executor. However the work is
// split, the bytes are the same.
#pragma once

#include "qfmt/host/executor.hpp"
#include "qfmt/host/nested_work.hpp"

#include <array>

namespace qfmt::inline v0::host {

namespace detail {

/// Where each task met its first NaN or infinity.
struct Found {
  std::array<int64_t, max_tasks> index;

  Found() { index.fill(none); }
  int64_t& operator[](int64_t task) { return index[static_cast<size_t>(task)]; }

  /// The lowest index, whoever was first.
  Status status() const {
    for (int64_t const i : index)
      if (i != none) return {Errc::non_finite, i};
    return {};
  }
};

/// The scale of the whole tensor, from the absmax of its blocks.
template <class Executor, MutableScheme S, Element T>
void write_tensor_scale(Executor& executor, T const* in, QuantizedSpan<S> const& out,
                        SimdLevel level) {
  Split const split = Split::of(out);
  std::array<float, max_tasks> most{};
  executor(split.tasks(), [&](int64_t task) {
    most[static_cast<size_t>(task)] = finite_absmax(in, out, split.range(task), level);
  });
  float absmax = 0.f;
  for (float const one : most) absmax = std::max(absmax, one);
  *out.scales.tensor_scale = tensor_scale_of<S>(absmax);
}

/// Plain scales: where nothing may be written before all values are known to be finite, they are
/// searched first, and encoded from the end on, of which the caches still hold a part.
template <class Encoder, class Executor, MutableScheme S, Element T>
Status quantize_plain(Executor& executor, Encoder const& encoder, T const* in,
                      QuantizedSpan<S> const& out, QuantizeOptions options) {
  Split const split = Split::of(out);
  SimdLevel const level = simd_level(options.simd);
  Found found;
  if (!options.writes_at_once()) {
    executor(split.tasks(), [&](int64_t task) {
      found[task] = find_non_finite(in, out, split.range(task), level);
    });
    if (Status const s = found.status(); !s) return s;
  }
  if constexpr (S::has_tensor_scale) write_tensor_scale(executor, in, out, level);
  executor(split.tasks(), [&](int64_t i) {
    int64_t const task = options.writes_at_once() ? i : split.tasks() - 1 - i;
    found[task] = encode_blocks(encoder, in, out, split.range(task), options);
  });
  return options.propagate_non_finite ? Status{} : found.status();
}

/// Nested scales: one pass over the values for the plain scales and their sum, and one for the
/// codes, unless there is room for the scales and both may be one.
template <class Encoder, class Executor, MutableScheme S, Element T>
Status quantize_nested(Executor& executor, Encoder const& encoder, T const* in,
                       QuantizedSpan<S> const& out, QuantizeOptions options, float* absmax) {
  Split const split = Split::of(out);
  SimdLevel const level = simd_level(options.simd);
  std::array<float, 2048> few;
  if (absmax == nullptr && split.blocks <= static_cast<int64_t>(few.size())) absmax = few.data();
  bool const one_pass =
      absmax != nullptr && options.writes_at_once() && !StoredScaleEncoder<Encoder>;
  std::array<ScaleSum, max_tasks> sums;
  Found found;
  executor(split.tasks(), [&](int64_t task) {
    NestedPass const pass =
        one_pass ? sum_scales<true>(encoder, in, out, split.range(task), absmax, options)
                 : sum_scales<false>(encoder, in, out, split.range(task), absmax, options);
    sums[static_cast<size_t>(task)] = pass.sum;
    found[task] = pass.found;
  });
  if (!options.propagate_non_finite)
    if (Status const s = found.status(); !s) return s;
  ScaleSumTree tree;
  for (int64_t task = 0; task < split.tasks(); ++task)
    tree.append(sums[static_cast<size_t>(task)], split.height());
  *out.scales.offset = tree.total().mean();
  executor(split.tasks(), [&](int64_t i) {
    int64_t const task = split.tasks() - 1 - i;  // from the end on, as above
    if (one_pass) {
      encode_scale_groups(absmax, out, split.range(task), level);
    } else {
      encode_nested_blocks(encoder, in, absmax, out, split.range(task), options);
    }
  });
  return {};
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
  if (out.size == 0) return {};
  if (Status const s = check_encoder(encoder); !s) return s;
  if constexpr (S::is_nested) {
    return quantize_nested(executor, encoder, values.data(), out, options,
                           static_cast<float*>(workspace.data));
  } else {
    return quantize_plain(executor, encoder, values.data(), out, options);
  }
}

}  // namespace detail

/// Quantizes a whole tensor on the calling thread.
///
/// values: (out.size), row-major. out: memory for the result; after an error it is valid memory of
/// unspecified content, except that nothing was written when the error is non_finite and
/// options.single_pass was not asked for.
/// Numerics: the encoder's; see Nearest. The bytes do not depend on compiler, flags or threads.
/// Workspace: with quantize_workspace_bytes<S>(size) nested schemes work each absmax out only once,
/// and read the values once where options propagate or ask for a single pass.
/// Errors: null_pointer, misaligned, size_mismatch, workspace_too_small; unsupported_shape, also of
/// an encoder whose settings cannot be used;
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

/// quantize over an executor (Threads{}, or an engine's own); done when it returns.
/// values: (out.size), row-major. Numerics, workspace and errors: those of quantize, to the byte
/// and the index.
template <class Executor, ElementRange R, MutableScheme S, class Encoder = Nearest>
Status quantize_parallel(Executor&& executor, R&& values, QuantizedSpan<S> out,
                         Encoder encoder = {}, QuantizeOptions options = {},
                         Workspace workspace = {}) {
  using T = std::ranges::range_value_t<R>;
  return detail::quantize_over(executor, encoder, std::span<T const>(as_span(values)), out, options,
                               workspace);
}

}  // namespace qfmt::inline v0::host
