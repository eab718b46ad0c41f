// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From bytes to values, one at a time. Every faster path, on the host or on a device, gives the
// bits that these functions give.
#pragma once

#include "qfmt/layout/quantized_span.hpp"

namespace qfmt::inline v0 {

#if defined(__CUDACC__)
namespace detail {
// A static constexpr member cannot be indexed in device code, and a local copy of 256 levels costs
// a kernel a 1 KiB stack frame; a __device__ constexpr template costs nothing.
template <CodebookFormat F>
static __device__ constexpr auto device_codebook = F::codebook;
}  // namespace detail
#endif

/// What code c of a codebook format stands for, relative to absmax.
template <CodebookFormat F>
QFMT_HD constexpr float level(uint8_t code) {
#if defined(__CUDA_ARCH__)
  return detail::device_codebook<F>.level[code];
#else
  return F::codebook.level[code];
#endif
}

/// The value of a code under a block's absmax. Codebooks: level * absmax in one rounding.
template <FormatSpec F>
QFMT_HD constexpr float decode(uint8_t code, float absmax) {
  if constexpr (CodebookFormat<F>) {
    return exact::mul(level<F>(code), absmax);
  } else {
    return F::decode(code, absmax);
  }
}

/// The map that a file stored with these scales; null where there is none.
template <class Scales>
QFMT_HD constexpr float const* stored_levels(Scales const& scales) {
  if constexpr (requires { scales.levels[0]; }) {
    return scales.levels;
  } else {
    return nullptr;
  }
}

/// The value of a code under these scales' map, which is the built-in one unless a file stored its
/// own, and a block's absmax.
template <FormatSpec F, class Scales>
QFMT_HD constexpr float decode(Scales const& scales, uint8_t code, float absmax) {
  float const* const stored = stored_levels(scales);
  return stored != nullptr ? exact::mul(stored[code], absmax) : decode<F>(code, absmax);
}

/// absmax of block `block`. The one door to scales: a kernel that reads them here serves every
/// scheme, later scale types included, which add an overload.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(PlainScales<S> const& scales, int64_t block) {
  return scales.absmax[block];
}

/// The absmax of a row.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(RowScales<S> const& scales, int64_t row) {
  return scales.absmax[row];
}

/// f32(level * absmax2) + offset, two roundings.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(NestedScales<S> const& scales, int64_t block) {
  auto const& inner = scales.absmax;
  float const* const stored = stored_levels(inner.scales);
  uint8_t const code = inner.codes[block];
  float const relative = stored != nullptr ? stored[code] : level<AbsmaxScheme::format>(code);
  float const absmax2 = scale_at(inner.scales, block / AbsmaxScheme::block_size);
  return exact::mul_then_add(relative, absmax2, *scales.offset);
}

namespace detail {
QFMT_HD constexpr float scale_value(float16 scale) { return scale; }
QFMT_HD constexpr float scale_value(bfloat16 scale) { return scale; }
QFMT_HD constexpr float scale_value(float scale) { return scale; }
}  // namespace detail

/// scale, or f32(scale * tensor_scale); a zero point goes into the four lowest bits, which the
/// 16-bit scales that have one leave empty.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(TypedScales<S> const& scales, int64_t block) {
  using T = typename S::scale::type;
  float scale = 0.f;
  if constexpr (requires { T::decode(uint8_t{0}); }) {
    scale = T::decode(scales.scale[block]);
  } else {
    scale = detail::scale_value(scales.scale[block]);
  }
  if constexpr (S::has_tensor_scale) scale = exact::mul(scale, *scales.tensor_scale);
  if constexpr (S::has_zero_point)
    scale = float_from_bits(float_bits(scale) | (scales.zero_point[block] & 15u));
  return scale;
}

/// The block that flat value i belongs to.
template <SchemeSpec S>
QFMT_HD constexpr int64_t block_of(QuantizedSpan<S> const& in, int64_t i) {
  if constexpr (S::is_row_wise) {
    return i / in.scales.row_length;
  } else {
    return i / S::block_size;
  }
}

/// Flat value i, before it is rounded to an output type.
template <SchemeSpec S>
QFMT_HD constexpr float decode_at(QuantizedSpan<S> const& in, int64_t i) {
  uint8_t const code = code_at<S::bits>(in.codes, i);
  return decode<typename S::format>(in.scales, code, scale_at(in.scales, block_of(in, i)));
}

}  // namespace qfmt::inline v0
