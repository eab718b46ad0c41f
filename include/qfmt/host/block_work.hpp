// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What quantizing consists of, for a range of blocks whose arguments have been checked. What nested
// scales add is in nested_work.hpp.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/typed_scales.hpp"
#include "qfmt/host/simd/codec.hpp"
#include "qfmt/host/simd/compiled_for.hpp"

#include <algorithm>
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
  std::atomic_ref(*options.non_finite_count).fetch_add(found, std::memory_order_relaxed);
}

/// Encoders whose codes are those of encode_block, which the SIMD kernels write.
template <class E>
concept NearestRounding = requires {
  requires E::rounds_to_nearest;
};

/// Encoders that choose among the scales that nested rounding can store; see fit_stored_scales.
template <class E>
concept StoredScaleEncoder = requires {
  requires E::fits_stored_scales;
};

template <class Encoder>
constexpr Status check_encoder([[maybe_unused]] Encoder const& encoder) {
  if constexpr (requires { encoder.is_valid(); })
    if (!encoder.is_valid()) return {Errc::unsupported_shape};
  return {};
}

/// The encoder for the block that begins at value `first`.
template <class Encoder>
constexpr decltype(auto) encoder_at(Encoder const& encoder, [[maybe_unused]] int64_t first) {
  if constexpr (requires { encoder.at(first); }) {
    return encoder.at(first);
  } else {
    return (encoder);
  }
}

/// The scales that an encoder chooses for runs of `length` values, n in all; `first` is the index
/// of values[0] in the whole tensor. Not a template of the scheme: it is compiled for every level.
template <FormatSpec F, class Encoder, Element T>
void search_scales(SimdLevel level, Encoder const& encoder, T const* values, int64_t first,
                   int64_t n, int64_t length, float* scales) {
  auto const search = [=] {
    float* scale = scales;
    for (int64_t i = 0; i < n; i += length)
      *scale++ =
          encoder_at(encoder, first + i).template scale<F>(values + i, std::min(length, n - i));
  };
  if constexpr (NearestRounding<Encoder>) {
    simd::compiled_for(level, search);
  } else {
    search();
  }
}

/// The plain scales of a range of blocks; scales[0] is the first one's.
template <class Encoder, SchemeSpec S, Element T>
void scale_blocks(Encoder const& encoder, T const* values, QuantizedSpan<S> const& out,
                  BlockRange range, SimdLevel level, float* scales) {
  int64_t const length = block_length_of(out), first = range.first * length;
  int64_t const n = std::min(out.size - first, (range.last - range.first) * length);
  if constexpr (std::same_as<Encoder, Nearest>) {
    simd::absmax_blocks<S::block_size>(level, values + first, n, length, scales);
    if constexpr (ElementFormat<typename S::format>)
      for (int64_t b = 0; b < range.last - range.first; ++b)
        scales[b] = scale_of_absmax<typename S::format>(scales[b]);
  } else {
    search_scales<typename S::format>(level, encoder, values + first, first, n, length, scales);
  }
}

/// Whether every decision point lies within [-1, 1]: what lies beyond may be cut off there.
template <FormatSpec F>
constexpr bool decides_within_one() {
  if constexpr (CodebookFormat<F>) {
    auto const& points = qfmt::detail::host_points<F>;
    for (int i = 0; i + 1 < points.count; ++i)
      if (!(points.below[i] >= -1.f && points.below[i] <= 1.f)) return false;
  }
  return true;
}

/// encode_block by the SIMD kernels, which take values up to the scale: cut off there, values keep
/// their codes.
template <FormatSpec F, Element T>
void encode_clipped_block(SimdLevel level, T const* values, int64_t n, float scale,
                          uint8_t* codes) {
  constexpr int64_t run = 1024;
  float const most = float_from_bits(float_bits(scale) & 0x7FFFFFFFu);
  float clipped[run];
  for (int64_t first = 0; first < n; first += run) {
    int64_t const count = std::min(run, n - first);
    for (int64_t i = 0; i < count; ++i) {
      float const x = to_float(values[first + i]);
      float const low = x > most ? most : x;
      clipped[i] = low < -most ? -most : low;
    }
    simd::encode_blocks<F, 0>(level, clipped, count, count, &scale, codes + first * bits_of<F> / 8);
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
    for (int64_t b = range.first; b < range.last; ++b, ++scales) {
      auto const [first, n] = values_of(out, b);
      uint8_t* const codes = out.codes + first * S::bits / 8;
      if constexpr (NearestRounding<Encoder> && simd::encodes<F> && decides_within_one<F>()) {
        encode_clipped_block<F>(level, values + first, n, *scales, codes);
      } else {
        encoder_at(encoder, first).template encode<F>(values + first, n, *scales, codes);
      }
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

}  // namespace detail
}  // namespace qfmt::inline v0::host
