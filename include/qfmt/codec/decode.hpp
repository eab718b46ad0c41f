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

/// level<F>(code), or the entry of the map that a file stored with these scales.
template <class Scales, CodebookFormat F>
QFMT_HD constexpr float level(Scales const& scales, uint8_t code) {
  if constexpr (StoresLevels<F>) {
    if (scales.levels != nullptr) return scales.levels[code];
  }
  return level<F>(code);
}

/// absmax of block `block`. The one door to scales: a kernel that reads them here serves every
/// scheme, later scale types included, which add an overload.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(PlainScales<S> const& scales, int64_t block) {
  return scales.absmax[block];
}

template <SchemeSpec S>
QFMT_HD constexpr float scale_at(RowScales<S> const& scales, int64_t row) {
  return scales.absmax[row];
}

/// f32(level * absmax2) + offset, two roundings.
template <SchemeSpec S>
QFMT_HD constexpr float scale_at(NestedScales<S> const& scales, int64_t block) {
  auto const& inner = scales.absmax;
  float const relative =
      level<decltype(inner.scales), AbsmaxScheme::format>(inner.scales, inner.codes[block]);
  float const absmax2 = scale_at(inner.scales, block / AbsmaxScheme::block_size);
  return exact::mul_then_add(relative, absmax2, *scales.offset);
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
  using F = typename S::format;
  uint8_t const code = code_at<S::bits>(in.codes, i);
  float const scale = scale_at(in.scales, block_of(in, i));
  if constexpr (StoresLevels<F> && !S::is_nested) {
    return exact::mul(level<decltype(in.scales), F>(in.scales, code), scale);
  } else {
    return decode<F>(code, scale);
  }
}

}  // namespace qfmt::inline v0
