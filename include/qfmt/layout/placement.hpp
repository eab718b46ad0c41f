// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the pieces of one tensor share one allocation, on the host or on a device.
#pragma once

#include "qfmt/layout/quantized_matrix.hpp"

namespace qfmt::inline v0 {

/// Byte offsets of a tensor's pieces in one allocation; bytes < 0: the shape cannot be laid out.
struct Placement {
  int64_t size = 0;          ///< values
  int64_t scales = 0;        ///< absmax, or its codes where it is quantized itself
  int64_t absmax2 = 0;       ///< nested only
  int64_t offset = 0;        ///< nested only
  int64_t tensor_scale = 0;  ///< typed only
  int64_t zero_point = 0;    ///< typed only
  int64_t bytes = -1;        ///< of the whole allocation
  int64_t payload = 0;       ///< of the pieces alone, without what aligns them
};

/// Where the pieces go: codes first, every piece on a multiple of 128 bytes, which serves vector
/// and bulk copies. No size is multiplied before it is known to fit.
template <SchemeSpec S>
QFMT_HD constexpr Placement placement(int64_t rows, int64_t cols) {
  static_assert(S::is_nested || S::is_typed || stl::same_as<typename S::scale, DoubleQuant<false>>,
                "qfmt::placement: only f32 and nested scales are laid out; a scale policy of one's "
                "own allocates its own");
  constexpr int64_t limit = int64_t{1} << 60;  // values; their bytes then fit 64 bits too
  if (rows < 0 || cols < 0 || (cols > 0 && rows > limit / cols)) return {};

  auto const aligned = [](int64_t bytes) { return (bytes + 127) / 128 * 128; };
  Placement p;
  p.size = rows * cols;
  int64_t const codes = codes_bytes<S>(p.size);
  int64_t const blocks = block_count<S>(p.size, cols);
  int64_t const float_bytes = static_cast<int64_t>(sizeof(float));
  p.scales = aligned(codes);
  if constexpr (S::is_typed) {
    int64_t const bytes = blocks * static_cast<int64_t>(sizeof(stored_scale_t<S>));
    p.tensor_scale = p.scales + aligned(bytes);
    p.zero_point = p.tensor_scale + (S::has_tensor_scale ? aligned(float_bytes) : 0);
    p.bytes = p.zero_point + (S::has_zero_point ? blocks : 0);
    p.payload =
        codes + bytes + (S::has_tensor_scale ? float_bytes : 0) + (S::has_zero_point ? blocks : 0);
  } else if constexpr (S::is_nested) {
    int64_t const groups = block_count<AbsmaxScheme>(blocks);
    p.absmax2 = p.scales + aligned(blocks);
    p.offset = p.absmax2 + aligned(groups * float_bytes);
    p.bytes = p.offset + float_bytes;
    p.payload = codes + blocks + groups * float_bytes + float_bytes;
  } else {
    p.bytes = p.scales + blocks * float_bytes;
    p.payload = codes + blocks * float_bytes;
  }
  return p;
}

/// Bytes that `place<S>` needs for a tensor; -1 where a dimension is negative or the size too
/// large.
template <SchemeSpec S>
QFMT_HD constexpr int64_t storage_bytes(int64_t rows, int64_t cols) {
  return placement<S>(rows, cols).bytes;
}

/// Lays a tensor out in `storage`: `storage_bytes<S>(rows, cols)` bytes of host or device memory,
/// aligned to 4 bytes at least (16 for the fastest kernels). Touches no memory. Where the shape
/// cannot be laid out or storage is null, an empty matrix (0 x 0, null pointers) comes back.
template <MutableScheme S>
QFMT_HD QuantizedMatrix<S> place(void* storage, int64_t rows, int64_t cols) {
  Placement const p = placement<S>(rows, cols);
  if (storage == nullptr || p.bytes < 0) return {};

  auto* const bytes = static_cast<uint8_t*>(storage);
  auto const floats = [bytes](int64_t at) { return reinterpret_cast<float*>(bytes + at); };
  QuantizedSpan<S> values{.codes = bytes, .size = p.size};
  if constexpr (S::is_typed) {
    values.scales.scale = reinterpret_cast<stored_scale_t<S>*>(bytes + p.scales);
    if constexpr (S::has_tensor_scale) values.scales.tensor_scale = floats(p.tensor_scale);
    if constexpr (S::has_zero_point) values.scales.zero_point = bytes + p.zero_point;
  } else if constexpr (S::is_nested) {
    int64_t const blocks = block_count<S>(p.size);
    values.scales.absmax = {bytes + p.scales, {floats(p.absmax2)}, blocks};
    values.scales.offset = floats(p.offset);
  } else {
    values.scales.absmax = floats(p.scales);
    if constexpr (S::is_row_wise) values.scales.row_length = cols;
  }
  return {values, rows, cols};
}

}  // namespace qfmt::inline v0
