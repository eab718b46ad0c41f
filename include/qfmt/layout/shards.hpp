// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensors over several ranks.
//
// Tensor parallel: a slice by rows or columns is a QuantizedMatrix over the parent's bytes. A rank
// that is to hold its part alone takes the blocks that cover it, with their scales whole. Where a
// cut falls inside a block the first value keeps its place in the block, its phase: the copy is a
// QuantizedMatrix with an origin, which decodes to exactly the slice. bitsandbytes' layout knows no
// phase, so it holds such a copy only where the cuts fall on block boundaries.
//
// Fully sharded data parallel: any bytes, cut anywhere, padded to equal size.
#pragma once

#include "qfmt/layout/check.hpp"

namespace qfmt::inline v0 {

/// `count` rows, columns or bytes from `first` on.
struct Part {
  int64_t first = 0;  ///< of the part
  int64_t count = 0;  ///< how many
};

/// What `rank` of `ranks` gets of `extent` rows or columns: parts in order, each of as many
/// multiples as any other or one more; the last multiple may be short. 0 <= rank < ranks, extent >=
/// 0, multiple >= 1.
QFMT_HD constexpr Part part_of(int64_t extent, int64_t ranks, int64_t rank, int64_t multiple = 1) {
  int64_t const units = ceil_div(extent, multiple);
  int64_t const least = units / ranks, more = units % ranks;
  int64_t const first = rank * least + (rank < more ? rank : more);
  int64_t const last = first + least + (rank < more ? 1 : 0);
  auto const at = [=](int64_t unit) {
    return unit < units ? unit * multiple : extent;  // the last unit may be short
  };
  return {at(first), at(last) - at(first)};
}

/// ok if every value of the matrix lies within its flat values; size_mismatch otherwise.
template <SchemeSpec S>
QFMT_HD constexpr Errc check_bounds(QuantizedMatrix<S> const& m) {
  if (m.rows < 0 || m.cols < 0) return Errc::size_mismatch;
  if (m.rows == 0 || m.cols == 0) return Errc::ok;
  bool const starts = m.origin >= 0 && m.row_stride >= 0 && m.origin < m.values.size;
  if (!starts || m.cols > m.values.size - m.origin) return Errc::size_mismatch;
  int64_t const room = m.values.size - m.origin - m.cols;  // for all steps from row to row
  return m.rows == 1 || m.row_stride <= room / (m.rows - 1) ? Errc::ok : Errc::size_mismatch;
}

/// Rows and columns of a matrix, over the same bytes. An empty matrix where they are not in it.
template <SchemeSpec S>
QFMT_HD constexpr QuantizedMatrix<S> slice(QuantizedMatrix<S> const& m, Part rows, Part cols) {
  auto const inside = [](Part p, int64_t extent) {
    return p.first >= 0 && p.count >= 0 && p.first <= extent && p.count <= extent - p.first;
  };
  if (!inside(rows, m.rows) || !inside(cols, m.cols)) return {};
  if (rows.count == 0 || cols.count == 0) return {m.values, rows.count, cols.count};
  return {m.values, rows.count, cols.count, m.row_stride,
          m.origin + rows.first * m.row_stride + cols.first};
}
/// Rows of a matrix, over the same bytes. An empty matrix where they are not in it.
template <SchemeSpec S>
QFMT_HD constexpr QuantizedMatrix<S> slice_rows(QuantizedMatrix<S> const& m, Part rows) {
  return slice(m, rows, {0, m.cols});
}
/// Columns of a matrix, over the same bytes. An empty matrix where they are not in it.
template <SchemeSpec S>
QFMT_HD constexpr QuantizedMatrix<S> slice_cols(QuantizedMatrix<S> const& m, Part cols) {
  return slice(m, {0, m.rows}, cols);
}

/// The scheme with f32 scales in place of nested ones. Both decode to the same bits: a decoded
/// nested scale is an f32. Scales of another type stay as they are.
template <SchemeSpec S>
using PlainOf = stl::conditional_t<
    S::is_typed, stl::remove_const_t<S>,
    BasicScheme<typename S::format, typename S::granularity, DoubleQuant<false>>>;

/// How a rank's own copy of a slice lies in memory.
struct PackedLayout {
  int64_t size = -1;          ///< flat values of the copy; < 0: this slice has no such copy
  int64_t row_stride = 0;     ///< of the matrix over the copy
  int64_t origin = 0;         ///< of the matrix over the copy: the phase of its first value
  bool nested = false;        ///< scales stay nested; else they are f32
  bool bitsandbytes = false;  ///< row-major without gap or phase: bitsandbytes' layout
};

namespace detail {

/// Values between the starts of two rows of the copy: as few whole blocks as keep every row's phase
/// and let no two rows meet in one block, unless they do so in the parent.
QFMT_HD constexpr int64_t packed_stride(int64_t cols, int64_t stride, int64_t origin,
                                        int64_t block) {
  int64_t const phase = origin % block;
  if (stride % block == 0) {  // every row has the same phase
    int64_t const blocks = ceil_div(phase + cols, block);
    return blocks * block < stride ? (phase == 0 && cols % block == 0 ? cols : blocks * block)
                                   : stride;
  }
  int64_t const apart = cols + block - 1;  // enough for any phase
  return stride > apart ? stride - (stride - apart) / block * block : stride;
}

}  // namespace detail

/// The layout of a packed copy of `m`, whose bounds hold, with scales as the parent has them
/// (`nested`) or f32. A group of 256 nested scales shares an absmax2, so a copy with nested scales
/// takes whole groups: any run of rows can have one, columns only where groups end with them.
template <SchemeSpec S>
QFMT_HD constexpr PackedLayout packed_layout(QuantizedMatrix<S> const& m, bool nested) {
  if (nested && !S::is_nested) return {};
  if (m.rows == 0 || m.cols == 0) return {0, m.cols, 0, nested, true};
  if constexpr (S::is_row_wise) {
    return {m.rows * m.cols, m.cols, 0, false, true};
  } else {
    int64_t const unit = nested ? int64_t{S::block_size} * AbsmaxScheme::block_size : S::block_size;
    bool const is_run = m.rows == 1 || m.cols == m.row_stride;
    if (nested && !is_run &&
        (m.origin % unit != 0 || m.row_stride % unit != 0 || m.cols % unit != 0))
      return {};
    int64_t const stride =
        is_run ? m.cols : detail::packed_stride(m.cols, m.row_stride, m.origin, unit);
    int64_t const phase = m.origin % unit;
    return {phase + (m.rows - 1) * stride + m.cols, stride, phase, nested,
            phase == 0 && stride == m.cols};
  }
}

/// The copy to prefer: one in bitsandbytes' layout, nested if it can be; else nested; else f32.
template <SchemeSpec S>
QFMT_HD constexpr PackedLayout packed_layout(QuantizedMatrix<S> const& m) {
  PackedLayout const plain = packed_layout(m, false);
  if constexpr (S::is_nested) {
    PackedLayout const nested = packed_layout(m, true);
    return nested.bitsandbytes || (nested.size >= 0 && !plain.bitsandbytes) ? nested : plain;
  }
  return plain;
}

/// Bytes of each rank's shard of `bytes` bytes, padding included: equal on all ranks and a multiple
/// of `alignment`.
QFMT_HD constexpr int64_t flat_shard_bytes(int64_t bytes, int64_t ranks, int64_t alignment = 1) {
  return ceil_div(ceil_div(bytes, ranks), alignment) * alignment;
}

/// Which of the bytes rank `rank` holds; what is left of its shard is padding.
QFMT_HD constexpr Part flat_part(int64_t bytes, int64_t ranks, int64_t rank,
                                 int64_t alignment = 1) {
  int64_t const shard = flat_shard_bytes(bytes, ranks, alignment);
  // Ranks beyond the last byte hold nothing; no product of what is not known to fit.
  if (shard == 0 || rank > bytes / shard) return {bytes, 0};
  int64_t const first = rank * shard;
  return {first, bytes - first < shard ? bytes - first : shard};
}

}  // namespace qfmt::inline v0
