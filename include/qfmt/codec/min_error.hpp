// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// An encoder that searches each block's scale for the least error, in place of taking absmax.
#pragma once

#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/scale_search.hpp"

namespace qfmt::inline v0 {

/// The scale of each block is the one that leaves the least squared error, as far as a search finds
/// it, and never one that leaves more than absmax does; each value takes the nearest code. What it
/// writes is read like all else: the same layout, one scale a block. Scales may be negative, where
/// that turns an asymmetric codebook's better side to the block.
///
/// 4-bit codebooks: a grid over all scales worth a look, then least squares. NF4 in blocks of 64
/// loses 10 % of its RMSE on normally distributed values, nearly all that scales can give.
/// Every other format: a few dozen scales from 0.6 to 1.004 of Nearest's, then least squares. Int8
/// in blocks of 64 gains 3 %, in rows of 384 to 1536 1 %. bench/results/min-error.md has the
/// figures and the price: some two hundred times Nearest's time.
///
/// Nested: the scales are searched as if plain and averaged; then each block takes, of the three
/// scales around its own that can be stored, the one of least error, and codes under that. A block
/// may there end worse than under Nearest. A workspace saves half the time.
///
/// Blocks of zeros and blocks with NaN or infinity: as Nearest. Numerics: the same bits whatever
/// compiler, flags, threads or SIMD level. Host; device::quantize refuses it at compile time.
///
///     host::quantize(values, out, MinError{});
///     host::quantize(values, out, MinError{.importance = weights.data(), .columns = cols});
struct MinError {
  /// Weights of the squared error, one a column of the row-major matrix that is quantized, such as
  /// the mean square of a layer's inputs; null: all are equal. A weight that is no positive finite
  /// number counts as 0; a block whose weights are all 0 is encoded as if they were equal.
  float const* importance = nullptr;  // (columns)

  /// Columns of the matrix; positive where importance is given.
  int64_t columns = 0;

  /// Where the values that are passed begin in their matrix, as a flat index.
  int64_t origin = 0;

  /// The search finds no scale below zero: for readers that cannot take one. Of symmetric codebooks
  /// none is in any case. Nested: the search alone; a scale far below the others' mean may be
  /// stored with the other sign, as under Nearest.
  bool positive_scales = false;

  static constexpr bool rounds_to_nearest = true;   ///< codes are those of encode_block
  static constexpr bool fits_stored_scales = true;  ///< nested: chooses among scales as stored

  /// Whether these settings can be used.
  QFMT_HD constexpr bool is_valid() const {
    return importance == nullptr || (columns > 0 && origin >= 0);
  }

  /// The encoder for the block that begins `first` values behind those that are passed.
  QFMT_HD constexpr MinError at(int64_t first) const {
    return importance == nullptr
               ? *this
               : MinError{importance, columns, (origin + first) % columns, positive_scales};
  }

  /// The scale of a block of n values; NaN if one of them is NaN or infinite.
  template <FormatSpec F, Element T>
  QFMT_HD constexpr float scale(T const* values, int64_t n) const {
    float const nearest = scale_of_absmax<F>(block_absmax(values, n));
    if (is_zero(nearest) || !is_finite(nearest)) return nearest;
    ColumnWeights const weights = weights_of(n);
    Choice best{nearest, fit_block<F>(values, n, weights, nearest)};
    if constexpr (CodebookFormat<F> && bits_of<F> == 4) {
      best.refine<F>(values, n, weights, searched<F>(values, n, weights, nearest));
    } else {
      search_around<F>(values, n, weights, nearest, best);
    }
    return best.scale;
  }

  /// The block's codes under the scale that `scale` chose.
  template <FormatSpec F, Element T>
  QFMT_HD constexpr void encode(T const* values, int64_t n, float scale, uint8_t* codes) const {
    encode_block<F>(values, n, scale, codes);
  }

  /// The error that a scale leaves in a block: what this encoder makes small. Infinite for a scale
  /// that cannot be used.
  template <FormatSpec F, Element T>
  QFMT_HD constexpr double error(T const* values, int64_t n, float scale) const {
    if (is_zero(scale) || !is_finite(scale)) return endless;
    return fit_block<F>(values, n, weights_of(n), scale).error;
  }

 private:
  static constexpr double endless = 1e308;

  /// A scale and how it fits.
  struct Choice {
    float scale;
    BlockFit fit;

    /// Takes `candidate` if it is better, then what least squares make of it. What they turn to the
    /// other sign is no use.
    template <FormatSpec F, Element T>
    QFMT_HD constexpr void refine(T const* values, int64_t n, ColumnWeights const& weights,
                                  float candidate) {
      for (int round = 0; round < 2; ++round) {
        if (is_zero(candidate) || !is_finite(candidate) || candidate == scale) return;
        BlockFit const next = fit_block<F>(values, n, weights, candidate);
        float const squares = next.best_scale();
        if (next.error < fit.error) *this = {candidate, next};
        if ((squares < 0.f) != (candidate < 0.f)) return;
        candidate = squares;
      }
    }
  };

  QFMT_HD constexpr ColumnWeights weights_of(int64_t n) const {
    ColumnWeights const weights{importance, columns, origin};
    return importance == nullptr || weights.are_zero(n) ? ColumnWeights{} : weights;
  }

  template <CodebookFormat F, Element T>
  QFMT_HD constexpr float searched(T const* values, int64_t n, ColumnWeights const& weights,
                                   float absmax) const {
    constexpr int tile = detail::tile_size;
    ScaleSearch<F> search(n, positive_scales ? 1 : 2);
    BlockScaling const scaling = block_scaling<F>(absmax);
    for (int64_t first = 0; first < n; first += tile) {
      int const count = n - first < tile ? static_cast<int>(n - first) : tile;
      float w[tile]{}, relative[tile]{};
      weights.copy(first, count, w);
      for (int i = 0; i < count; ++i) relative[i] = scaling(to_float(values[first + i]));
      detail::settle(relative);
      search.add(relative, w, count);
    }
    return exact::to_float(search.best() * exact::to_double(absmax));
  }

  /// Formats whose error has no steep slopes: scales on both sides of Nearest's, dense near it.
  template <FormatSpec F, Element T>
  QFMT_HD constexpr void search_around(T const* values, int64_t n, ColumnWeights const& weights,
                                       float nearest, Choice& best) const {
    bool const one_sign = positive_scales || detail::is_symmetric<F>();
    for (int sign = 0; sign < (one_sign ? 1 : 2); ++sign)
      for (int k = -5; k <= 24; ++k) {
        float const t = static_cast<float>(k) / 24.f;
        float const ratio = 1.f - exact::rounded(0.4f * t * t * t);
        float const scale = exact::mul(nearest, sign != 0 ? -ratio : ratio);
        if (is_zero(scale) || !is_finite(scale)) continue;
        BlockFit const fit = fit_block<F>(values, n, weights, scale);
        if (fit.error < best.fit.error) best = {scale, fit};
      }
    float const squares = best.fit.best_scale();
    if ((squares < 0.f) == (best.scale < 0.f)) best.refine<F>(values, n, weights, squares);
  }
};

}  // namespace qfmt::inline v0
