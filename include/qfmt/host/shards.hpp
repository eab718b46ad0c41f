// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Slices of matrices on the CPU: decoded, copied for one rank, quantized anew; and flat shards.
#pragma once

#include "qfmt/checked.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/layout/shards.hpp"

#include <cmath>
#include <cstddef>
#include <cstring>

namespace qfmt::inline v0::host {

/// Decodes a matrix or a slice of one. out: (in.rows, in.cols), row-major. Numerics are those of
/// dequantize on spans: the bits that the same values have there.
/// Errors: those of the view; size_mismatch where the slice or `out` does not fit. Neither
/// allocates nor throws.
template <SchemeSpec S, Element T>
Status dequantize(QuantizedMatrix<S const> in, std::span<T> out) {
  if (Errc const e = check(in.values); e != Errc::ok) return {e};
  if (Errc const e = check_bounds(in); e != Errc::ok) return {e};
  int64_t count = 0;
  if (multiply_overflows(in.rows, in.cols, &count) || count != static_cast<int64_t>(out.size()))
    return {Errc::size_mismatch};
  if (count == 0) return {};
  if (Errc const e = check_pointer(out.data()); e != Errc::ok) return {e};
  int64_t const length = block_length_of(in.values);
  T* to = out.data();
  for (int64_t r = 0; r < in.rows; ++r) {
    int64_t const first = in.origin + r * in.row_stride, last = first + in.cols;
    for (int64_t i = first; i < last;) {
      int64_t const block = block_of(in.values, i);
      int64_t const end = std::min(last, (block + 1) * length);
      float const scale = scale_at(in.values.scales, block);
      for (; i < end; ++i)
        *to++ = from_float<T>(decode<typename S::format>(
            in.values.scales, code_at<S::bits>(in.values.codes, i), scale));
    }
  }
  return {};
}
/// The same for ranges, the type taken from `out`.
template <SchemeSpec S, OutputElementRange R>
Status dequantize(QuantizedMatrix<S> in, R&& out) {
  using T = std::ranges::range_value_t<R>;
  return dequantize<std::remove_const_t<S>, T>(QuantizedMatrix<std::remove_const_t<S> const>(in),
                                               std::span<T>(as_span(out)));
}

namespace detail {

/// Blocks [from, from + count) of one view to [to, to + count) of another; codes as bytes, f32
/// scales as bytes too, so that no NaN changes.
template <SchemeSpec S, MutableScheme P>
void copy_blocks(QuantizedSpan<S> const& in, int64_t from, QuantizedSpan<P> const& out, int64_t to,
                 int64_t count) {
  int64_t const length = S::block_size;
  int64_t const values =
      std::min({count * length, in.size - from * length, out.size - to * length});
  std::memcpy(out.codes + codes_bytes<S>(to * length), in.codes + codes_bytes<S>(from * length),
              static_cast<size_t>(codes_bytes<S>(values)));
  int64_t const blocks = block_count<S>(values);
  if constexpr (S::is_typed) {
    auto const* const scales = in.scales.scale + from;
    std::memcpy(out.scales.scale + to, scales, static_cast<size_t>(blocks) * sizeof *scales);
    if constexpr (S::has_zero_point)
      std::memcpy(out.scales.zero_point + to, in.scales.zero_point + from,
                  static_cast<size_t>(blocks));
  } else if constexpr (P::is_nested) {
    auto const& from_scales = in.scales.absmax;
    auto const& to_scales = out.scales.absmax;
    std::memcpy(to_scales.codes + to, from_scales.codes + from, static_cast<size_t>(blocks));
    constexpr int64_t group = AbsmaxScheme::block_size;
    std::memcpy(to_scales.scales.absmax + to / group, from_scales.scales.absmax + from / group,
                static_cast<size_t>(ceil_div(blocks, group)) * sizeof(float));
  } else if constexpr (S::is_nested) {
    for (int64_t b = 0; b < blocks; ++b) out.scales.absmax[to + b] = scale_at(in.scales, from + b);
  } else {
    std::memcpy(out.scales.absmax + to, in.scales.absmax + from,
                static_cast<size_t>(blocks) * sizeof(float));
  }
}

template <SchemeSpec S, MutableScheme P>
void pack_rows_of_blocks(QuantizedMatrix<S> const& in, PackedLayout const& layout,
                         QuantizedSpan<P> const& out) {
  constexpr int64_t length = S::block_size;
  for (int64_t r = 0; r < in.rows; ++r) {
    bool const is_run = layout.row_stride == in.row_stride || in.rows == 1;
    int64_t const from = in.origin + r * in.row_stride;
    int64_t const last = is_run ? from + (in.rows - 1) * in.row_stride + in.cols : from + in.cols;
    int64_t const lead = r == 0 ? layout.origin : from % length;  // what is before it in the copy
    int64_t const first_block = (from - lead) / length;
    int64_t const to_block = (layout.origin + r * layout.row_stride - lead) / length;
    copy_blocks(in.values, first_block, out, to_block, ceil_div(last, length) - first_block);
    if (is_run) return;
  }
}

template <SchemeSpec S, MutableScheme P>
void pack_whole_rows(QuantizedMatrix<S> const& in, QuantizedSpan<P> const& out) {
  for (int64_t r = 0; r < in.rows; ++r) {
    int64_t const from = in.origin + r * in.row_stride;
    std::memcpy(out.codes + r * in.cols, in.values.codes + from, static_cast<size_t>(in.cols));
    std::memcpy(out.scales.absmax + r, in.values.scales.absmax + block_of(in.values, from),
                sizeof(float));
  }
}

}  // namespace detail

/// A rank's own copy of a slice: the covering blocks and their scales, nothing computed but f32
/// scales in place of nested ones where P is `PlainOf<S>`. `out.values` is memory for
/// packed_layout(in, P::is_nested).size values; `out` becomes the matrix over it and decodes to
/// exactly the slice. Gaps between rows are zero bytes. Row-wise schemes: a slice does not reach
/// over the end of a row. Neither allocates nor throws.
/// Errors: those of the views; unsupported_shape where there is no such copy; size_mismatch.
template <SchemeSpec S, MutableScheme P>
Status pack(QuantizedMatrix<S> in, QuantizedMatrix<P>& out) {
  using M = std::remove_const_t<S>;
  static_assert(std::same_as<P, M> || std::same_as<P, PlainOf<M>>,
                "qfmt::host::pack: the copy has the slice's scheme, or that with plain scales");
  if (Errc const e = check(in.values); e != Errc::ok) return {e};
  if (Errc const e = check_bounds(in); e != Errc::ok) return {e};
  PackedLayout const layout = packed_layout(in, P::is_nested);
  if (layout.size < 0) return {Errc::unsupported_shape};
  if (out.values.size != layout.size) return {Errc::size_mismatch};
  if constexpr (S::is_row_wise) {
    int64_t const length = in.values.scales.row_length;
    if (layout.size > 0 && (in.row_stride != length || in.origin % length + in.cols > length))
      return {Errc::unsupported_shape};
    out.values.scales.row_length = in.cols;
  }
  if (Errc const e = check(out.values); e != Errc::ok) return {e};
  out = {out.values, in.rows, in.cols, layout.row_stride, layout.origin};
  if (layout.size == 0) return {};
  if constexpr (S::is_row_wise) {
    detail::pack_whole_rows(in, out.values);
  } else {
    std::memset(out.values.codes, 0, static_cast<size_t>(codes_bytes<P>(layout.size)));
    if constexpr (P::is_typed) {
      auto const blocks = static_cast<size_t>(block_count<P>(layout.size));
      std::memset(static_cast<void*>(out.values.scales.scale), 0,
                  blocks * sizeof *out.values.scales.scale);
      if constexpr (P::has_zero_point) std::memset(out.values.scales.zero_point, 0, blocks);
      if constexpr (P::has_tensor_scale)
        *out.values.scales.tensor_scale = *in.values.scales.tensor_scale;
    } else if constexpr (P::is_nested) {
      out.values.scales.absmax.scales.levels = in.values.scales.absmax.scales.levels;
      std::memcpy(out.values.scales.offset, in.values.scales.offset, sizeof(float));
    } else {
      std::memset(out.values.scales.absmax, 0,
                  static_cast<size_t>(block_count<P>(layout.size)) * sizeof(float));
    }
    detail::pack_rows_of_blocks(in, layout, out.values);
    if (P::bits == 4 && layout.size % 2 != 0) {  // the nibble after the last value
      uint8_t& last = out.values.codes[layout.size / 2];
      last = static_cast<uint8_t>((last & 0xF0) | (zero_code<typename P::format> & 15));
    }
  }
  return {};
}

/// What quantizing a slice anew adds to the error that its codes have already.
struct Requantized {
  Status status;          ///< what requantize came to
  double max_error = 0.;  ///< largest |new - old| of the decoded values
  double rms_error = 0.;  ///< root mean square of what the second quantization changed
};

/// A slice in blocks of its own, as bitsandbytes lays out a matrix of its shape: the only such copy
/// that a cut inside a block allows, and one that loses accuracy. Decodes, quantizes, and measures
/// what that added. scratch, again: (rows * cols) each. out: (rows * cols) values. Numerics: those
/// of dequantize and of the encoder; the errors are taken in f64. Errors, as `status`: those of
/// dequantize and quantize. Neither allocates nor throws.
template <MutableScheme D, SchemeSpec S, class Encoder = Nearest>
Requantized requantize(QuantizedMatrix<S> in, QuantizedSpan<D> out, std::span<float> scratch,
                       std::span<float> again, Encoder encoder = {}) {
  Requantized result;
  if (result.status = dequantize(in, scratch); !result.status) return result;
  if (result.status = quantize(scratch, out, encoder); !result.status) return result;
  if (result.status = dequantize(out, again); !result.status) return result;
  double squares = 0.;
  for (size_t i = 0; i < scratch.size(); ++i) {
    double const error = std::fabs(static_cast<double>(again[i]) - scratch[i]);
    result.max_error = std::max(result.max_error, error);
    squares += error * error;
  }
  if (!scratch.empty()) result.rms_error = std::sqrt(squares / static_cast<double>(scratch.size()));
  return result;
}

/// One rank's flat shard of any bytes, padded with zeros. whole: (bytes), shard:
/// (flat_shard_bytes). Bytes are copied as bytes whatever they mean: no NaN is ever rewritten.
/// Errors: size_mismatch where `shard` has another size, or rank, ranks or alignment is none.
/// Neither allocates nor throws.
inline Status scatter_flat(std::span<std::byte const> whole, int64_t ranks, int64_t rank,
                           std::span<std::byte> shard, int64_t alignment = 1) {
  auto const bytes = static_cast<int64_t>(whole.size());
  if (ranks < 1 || rank < 0 || rank >= ranks || alignment < 1 ||
      static_cast<int64_t>(shard.size()) != flat_shard_bytes(bytes, ranks, alignment))
    return {Errc::size_mismatch};
  Part const part = flat_part(bytes, ranks, rank, alignment);
  auto const count = static_cast<size_t>(part.count);
  if (count > 0) std::memcpy(shard.data(), whole.data() + part.first, count);
  if (count < shard.size()) std::memset(shard.data() + count, 0, shard.size() - count);
  return {};
}

/// Puts one rank's shard back into its place in the whole. shard: (flat_shard_bytes), whole:
/// (bytes). Errors: those of scatter_flat.
inline Status gather_flat(std::span<std::byte const> shard, int64_t ranks, int64_t rank,
                          std::span<std::byte> whole, int64_t alignment = 1) {
  auto const bytes = static_cast<int64_t>(whole.size());
  if (ranks < 1 || rank < 0 || rank >= ranks || alignment < 1 ||
      static_cast<int64_t>(shard.size()) != flat_shard_bytes(bytes, ranks, alignment))
    return {Errc::size_mismatch};
  Part const part = flat_part(bytes, ranks, rank, alignment);
  if (part.count > 0)
    std::memcpy(whole.data() + part.first, shard.data(), static_cast<size_t>(part.count));
  return {};
}

}  // namespace qfmt::inline v0::host
