// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing in the ranges and steps of an engine's own thread pool. Ranges that do not overlap may
// run at the same time, and together they give the bytes of host::quantize.
#pragma once

#include "qfmt/host/nested_work.hpp"

namespace qfmt::inline v0::host {

/// Quantizes the blocks of `range`; views and values are those of the whole tensor. For plain and
/// row-wise schemes. values: (out.size), row-major. Where the scheme has a TensorScale,
/// *out.scales.tensor_scale has been written: tensor_scale_of<S> of the largest absmax_of_range.
///
/// Numerics: the encoder's. Errors: those of quantize; size_mismatch where the range leaves the
/// tensor; non_finite with the index in the whole tensor, before anything of the range is written
/// (unless options.single_pass). Neither allocates nor throws.
template <MutableScheme S, ElementRange R, class Encoder = Nearest>
  requires(!S::is_nested)
Status quantize_range(R&& values, QuantizedSpan<S> out, BlockRange range, Encoder encoder = {},
                      QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_output(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  if (Status const s = detail::check_encoder(encoder); !s) return s;
  if (!options.writes_at_once())
    if (int64_t const i = detail::find_non_finite(in.data(), out, range, simd_level(options.simd));
        i != detail::none)
      return {Errc::non_finite, i};
  int64_t const found = detail::encode_blocks(encoder, in.data(), out, range, options);
  if (found == detail::none || options.propagate_non_finite) return {};
  return {Errc::non_finite, found};
}

/// The largest magnitude in the blocks of `range` that hold no NaN and no infinity: what a
/// TensorScale is made of. `out` gives the size. The call's arguments are valid.
template <SchemeSpec S, ElementRange R>
  requires(S::has_tensor_scale)
float absmax_of_range(R&& values, QuantizedSpan<S> out, BlockRange range) {
  return detail::finite_absmax(as_span(values).data(), out, range, simd_level(SimdLevel::best));
}

/// Nested quantization, step 1 of 3: the plain scales of the blocks of `range` into `absmax`, which
/// has room for every block of the tensor. Ranges may run at the same time. `out` gives the size.
/// values: (out.size), absmax: (blocks of the whole tensor).
///
/// Numerics: the encoder's scale. Errors: those of quantize_range. Neither allocates nor throws.
template <SchemeSpec S, ElementRange R, class Encoder = Nearest>
  requires(S::is_nested)
Status absmax_range(R&& values, std::span<float> absmax, QuantizedSpan<S> out, BlockRange range,
                    Encoder encoder = {}, QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_call(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  if (Status const s = detail::check_encoder(encoder); !s) return s;
  if (static_cast<int64_t>(absmax.size()) != block_count_of(out)) return {Errc::size_mismatch};
  if (!options.propagate_non_finite)
    if (int64_t const i = detail::find_non_finite(in.data(), out, range, simd_level(options.simd));
        i != detail::none)
      return {Errc::non_finite, i};
  detail::scale_blocks(encoder, in.data(), out, range, simd_level(options.simd),
                       absmax.data() + range.first);
  return {};
}

/// Nested quantization, step 2 of 3, once: writes the offset, the mean of all finite scales, summed
/// in the order that ScaleSumTree states. absmax: (blocks of the whole tensor).
///
/// Errors: those of the view; size_mismatch where absmax has another size. Neither allocates nor
/// throws.
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
/// at the same time. values: (out.size), absmax: (blocks of the whole tensor), from step 1.
///
/// Numerics: those of encode_scales. Errors: those of quantize but non_finite; size_mismatch for
/// such a range or another count of scales. Neither allocates nor throws.
template <MutableScheme S, ElementRange R, class Encoder = Nearest>
  requires(S::is_nested)
Status encode_range(R&& values, std::span<float const> absmax, QuantizedSpan<S> out,
                    BlockRange range, Encoder encoder = {}, QuantizeOptions options = {}) {
  auto const in = as_span(values);
  if (Status const s = detail::check_output(in, out); !s) return s;
  if (Status const s = detail::check_range(out, range); !s) return s;
  if (Status const s = detail::check_encoder(encoder); !s) return s;
  constexpr int64_t group = AbsmaxScheme::block_size;
  bool const on_groups =
      range.first % group == 0 && (range.last % group == 0 || range.last == block_count_of(out));
  if (!on_groups || static_cast<int64_t>(absmax.size()) != block_count_of(out))
    return {Errc::size_mismatch};
  detail::encode_nested_blocks(encoder, in.data(), absmax.data(), out, range, options);
  return {};
}

}  // namespace qfmt::inline v0::host
