// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which scale leaves a block the least squared error under a 4-bit codebook. While a scale shrinks,
// values cross decision points one by one; between two crossings the codes stay, and the error of
// codes with levels l under their best scale, sum(w x l) / sum(w l^2), is
//
//     sum(w x^2) - sum(w x l)^2 / sum(w l^2).
//
// Every crossing is entered into the cell of a grid of scales in which it happens; running sums
// over the cells then give both sums at every point of the grid, for the price of one pass over
// the values.
#pragma once

#include "qfmt/codec/block_fit.hpp"

namespace qfmt::inline v0 {

namespace detail {

/// Points of the grid between 0 and the scale under which the codebook just spans the block.
inline constexpr int scale_steps = 128;

/// The crossings that a value of one sign makes towards levels of one side, nearest to zero first.
struct Crossings {
  float start = 0.f;         // the level at an endless scale
  float start_square = 0.f;  // and its square; of each crossing:
  float at[16]{};            // where it happens, in steps, for a value as large as absmax; then 0
  float cross[16]{};         // what it adds to the level
  float square[16]{};        // and to the level's square
};

/// A codebook seen from zero: upwards, and downwards as if all signs were changed.
struct CrossingTable {
  Crossings side[2];
};

/// What lies closer to zero than this is zero: two codes of zero have a point between them.
inline constexpr float least_point = 0x1p-100f;

template <CodebookFormat F>
QFMT_HD constexpr float codebook_peak() {
  float peak = 0.f;
  for (int c = 0; c < F::codebook.count; ++c) {
    float const l = F::codebook.level[c];
    peak = l > peak ? l : -l > peak ? -l : peak;
  }
  return peak;
}

/// Whether every level has its negative, so that the sign of a scale makes no difference.
template <FormatSpec F>
QFMT_HD consteval bool is_symmetric() {
  if constexpr (CodebookFormat<F>) {
    constexpr auto book = F::codebook;
    for (int a = 0; a < book.count; ++a) {
      bool found = false;
      for (int b = 0; b < book.count; ++b) found = found || book.level[a] == -book.level[b];
      if (!found) return false;
    }
  }
  return true;
}

template <CodebookFormat F>
QFMT_HD consteval CrossingTable make_crossings() {
  constexpr auto const& points = host_points<F>;
  float const reach = static_cast<float>(scale_steps) * codebook_peak<F>();
  CrossingTable table{};
  for (int down = 0; down < 2; ++down) {
    float const sign = down != 0 ? -1.f : 1.f;
    auto const level_at = [&](int rank) { return sign * F::codebook.level[points.code[rank]]; };
    int rank = 0;  // of a tiny value of this sign
    while (rank < points.count - 1 && points.below[rank] < (down != 0 ? -least_point : least_point))
      ++rank;
    Crossings& side = table.side[down];
    side.start = level_at(rank);
    side.start_square = side.start * side.start;
    int n = 0;
    for (; down != 0 ? rank > 0 : rank < points.count - 1; ++n) {
      float const point = sign * points.below[down != 0 ? rank - 1 : rank];
      float const before = level_at(rank), after = level_at(down != 0 ? --rank : ++rank);
      side.at[n] = reach / point;
      side.cross[n] = after - before;
      side.square[n] = after * after - before * before;
    }
  }
  return table;
}

template <CodebookFormat F>
inline constexpr CrossingTable host_crossings = make_crossings<F>();
#if defined(__CUDACC__)
template <CodebookFormat F>
static __device__ constexpr CrossingTable device_crossings = make_crossings<F>();
#endif

template <CodebookFormat F>
QFMT_HD constexpr CrossingTable const& crossings() {
#if defined(__CUDA_ARCH__)
  return device_crossings<F>;
#else
  return host_crossings<F>;
#endif
}

/// The scales worth a look, in steps: the longer a block, the further its best scale lies below the
/// one that spans it; the shorter, the more often a larger one fits it by chance.
struct ScaleWindow {
  int low, high;

  QFMT_HD static constexpr ScaleWindow of(int64_t n) {
    constexpr int low[]{107, 101, 94, 83, 70, 57, 44, 32, 19};  // 16, 32 ... 4096 values
    constexpr int high[]{256, 205, 192, 172, 160, 147, 140, 136, 136};
    int at = 0;
    while (at < 8 && int64_t{16} << at < n) ++at;
    return {low[at], high[at]};
  }
};

}  // namespace detail

/// Finds the best scale of a block. Use: reset, add every value, best.
template <CodebookFormat F>
  requires(bits_of<F> == 4)
class ScaleSearch {
 public:
  /// Whether a negative scale reads the codebook differently.
  static constexpr bool has_two_signs = !detail::is_symmetric<F>();

  /// signs: 1: positive scales alone; 2: negative ones, too.
  QFMT_HD constexpr ScaleSearch(int64_t n, int signs)
      : window_(detail::ScaleWindow::of(n)), signs_(has_two_signs ? signs : 1) {}

  /// One value, divided by the block's absmax, and its weight.
  QFMT_HD constexpr void add(float relative, float weight) {
    float const size = float_from_bits(float_bits(relative) & 0x7FFFFFFFu);
    float const weighted = exact::rounded(exact::mul(size, weight));
    int const negative = static_cast<int>(float_bits(relative) >> 31);
    for (int sign = 0; sign < signs_; ++sign)
      add(cells_[sign], detail::crossings<F>().side[negative ^ sign], size, weighted, weight);
  }

  /// The best scale divided by absmax; 0 where no scale is better than none.
  QFMT_HD constexpr double best() const {
    Sums best{};
    double signed_best = 0.0;
    for (int sign = 0; sign < signs_; ++sign) {
      Sums sum{};
      for (int i = window_.high - window_.low; i >= 0; --i) {
        sum.cross += cells_[sign][i].cross;
        sum.square += cells_[sign][i].square;
        if (!(sum.cross > 0.0 && sum.square > 0.0)) continue;
        if (best.square > 0.0 &&
            !(sum.cross * sum.cross * best.square > best.cross * best.cross * sum.square))
          continue;
        best = sum;
        signed_best = sign != 0 ? -(sum.cross / sum.square) : sum.cross / sum.square;
      }
    }
    return signed_best;
  }

 private:
  struct Sums {
    double cross = 0.0, square = 0.0;
  };
  static constexpr int capacity = 160;

  /// Products of two floats are exact in f64, so fusing one into its sum changes nothing.
  QFMT_HD constexpr void add(Sums (&cells)[capacity], detail::Crossings const& side, float size,
                             float weighted, float weight) {
    float const low = static_cast<float>(window_.low), high = static_cast<float>(window_.high);
    double const x = exact::to_double(weighted), w = exact::to_double(weight);
    Sums& first = cells[window_.high - window_.low];
    if (side.start != 0.f) {
      first.cross += x * exact::to_double(side.start);
      first.square += w * exact::to_double(side.start_square);
    }
    for (int k = 0;; ++k) {
      float const at = exact::mul(size, side.at[k]);
      if (!(at >= low)) break;
      Sums& cell = cells[(at < high ? static_cast<int>(at) : window_.high) - window_.low];
      cell.cross += x * exact::to_double(side.cross[k]);
      cell.square += w * exact::to_double(side.square[k]);
    }
  }

  Sums cells_[2][capacity]{};
  detail::ScaleWindow window_;
  int signs_;
};

}  // namespace qfmt::inline v0
