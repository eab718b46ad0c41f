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
inline constexpr int scale_steps = 64;

/// The crossings that a value of one sign makes towards levels of one side, nearest to zero first.
struct Crossings {
  int count = 0;
  float at[16]{};      // where crossing k happens, in steps, for a value as large as absmax
  float cross[16]{};   // what it adds to the level
  float square[16]{};  // and to the level's square
  float level[16]{};   // the level behind k crossings
  float level_square[16]{};
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
    for (int n = 0;; ++n) {
      side.level[n] = level_at(rank);
      side.level_square[n] = side.level[n] * side.level[n];
      if (n > 0) {
        side.cross[n - 1] = side.level[n] - side.level[n - 1];
        side.square[n - 1] = side.level_square[n] - side.level_square[n - 1];
      }
      side.count = n;
      if (down != 0 ? rank == 0 : rank == points.count - 1) break;
      side.at[n] = reach / (sign * points.below[down != 0 ? rank - 1 : rank]);
      rank += down != 0 ? -1 : 1;
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
    constexpr int low[]{53, 50, 47, 41, 35, 28, 22, 16, 9};  // 16, 32 ... 4096 values
    constexpr int high[]{128, 103, 96, 86, 80, 74, 70, 68, 68};
    int at = 0;
    while (at < 8 && int64_t{16} << at < n) ++at;
    return {low[at], high[at]};
  }
};

}  // namespace detail

/// Finds the best scale of a block. Use: add every value, a tile at a time, then best.
template <CodebookFormat F>
  requires(bits_of<F> == 4)
class ScaleSearch {
 public:
  static constexpr int tile = detail::tile_size;  ///< values that are added together

  /// For a block of n values. signs: 1: positive scales alone; 2: negative ones, too, where they
  /// read the codebook differently.
  QFMT_HD constexpr ScaleSearch(int64_t n, int signs)
      : window_(detail::ScaleWindow::of(n)), signs_(detail::is_symmetric<F>() ? 1 : signs) {}

  /// Up to tile values, divided by the block's absmax, and their weights; zeros behind them.
  QFMT_HD constexpr void add(float const (&relative)[tile], float const (&weight)[tile], int n) {
    float size[tile]{}, weighted[tile]{};
    int negative[tile]{};
    for (int i = 0; i < tile; ++i) {
      size[i] = float_from_bits(float_bits(relative[i]) & 0x7FFFFFFFu);
      weighted[i] = exact::mul(size[i], weight[i]);
      negative[i] = static_cast<int>(float_bits(relative[i]) >> 31);
    }
    detail::settle(weighted);
    int before[sides][tile], within[sides][tile];
    count_crossings<0>(size, before[0], within[0]);
    if constexpr (sides > 1) count_crossings<1>(size, before[1], within[1]);
    for (int sign = 0; sign < signs_; ++sign) {
      double cross[tile], square[tile];
      for (int i = 0; i < tile; ++i) {
        int const side = sides == 1 ? 0 : negative[i] ^ sign;
        auto const& table = detail::crossings<F>().side[side];
        cross[i] = exact::to_double(weighted[i]) * exact::to_double(table.level[before[side][i]]);
        square[i] =
            exact::to_double(weight[i]) * exact::to_double(table.level_square[before[side][i]]);
      }
      start_[sign][0].add(cross);
      start_[sign][1].add(square);
      for (int i = 0; i < n; ++i) {
        int const side = sides == 1 ? 0 : negative[i] ^ sign;
        enter(cells_[sign], detail::crossings<F>().side[side], size[i], weighted[i], weight[i],
              before[side][i], within[side][i]);
      }
    }
  }

  /// The best scale divided by absmax; 0 where no scale is better than none.
  QFMT_HD constexpr double best() const {
    double most = 0.0, scale = 0.0;
    for (int sign = 0; sign < signs_; ++sign) {
      double cross[capacity], square[capacity], gain[capacity];
      double x = start_[sign][0].total(), l = start_[sign][1].total();
      int const count = window_.high - window_.low;
      for (int i = count - 1; i >= 0; --i) {
        cross[i] = x += cells_[sign][i].cross;
        square[i] = l += cells_[sign][i].square;
      }
      for (int i = 0; i < count; ++i)
        gain[i] = cross[i] > 0.0 && square[i] > 0.0 ? cross[i] * cross[i] / square[i] : 0.0;
      for (int i = 0; i < count; ++i)
        if (gain[i] > most) {
          most = gain[i];
          scale = (sign != 0 ? -cross[i] : cross[i]) / square[i];
        }
    }
    return scale;
  }

 private:
  struct Sums {
    double cross = 0.0, square = 0.0;
  };

  /// How many crossings of each value lie above the window, and how many above its end.
  template <int side>
  QFMT_HD constexpr void count_crossings(float const (&size)[tile], int (&before)[tile],
                                         int (&within)[tile]) const {
    float const low = static_cast<float>(window_.low), high = static_cast<float>(window_.high);
    constexpr int count = detail::host_crossings<F>.side[side].count;
    for (int i = 0; i < tile; ++i)
      count_each<side>(size[i], high, low, before[i], within[i],
                       stl::make_integer_sequence<int, count>{});
  }

  /// Straight-line code, which vectorizes over values.
  template <int side, int... K>
  QFMT_HD static constexpr void count_each(float size, float high, float low, int& before,
                                           int& within, stl::integer_sequence<int, K...>) {
    auto const& table = detail::crossings<F>().side[side];
    before = (0 + ... + static_cast<int>(size * table.at[K] >= high));
    within = (0 + ... + static_cast<int>(size * table.at[K] >= low));
  }

  /// Products of two floats are exact in f64, so fusing one into its sum changes nothing.
  QFMT_HD constexpr void enter(Sums* cells, detail::Crossings const& side, float size,
                               float weighted, float weight, int first, int last) {
    double const x = exact::to_double(weighted), w = exact::to_double(weight);
    for (int k = first; k < last; ++k) {
      Sums& cell = cells[static_cast<int>(exact::mul(size, side.at[k])) - window_.low];
      cell.cross += x * exact::to_double(side.cross[k]);
      cell.square += w * exact::to_double(side.square[k]);
    }
  }

  static constexpr int sides = detail::is_symmetric<F>() ? 1 : 2;
  static constexpr int capacity = 80;

  Sums cells_[2][capacity]{};
  detail::LaneSum start_[2][2]{};
  detail::ScaleWindow window_;
  int signs_;
};

}  // namespace qfmt::inline v0
