// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tiles serve how many rows of x. Measured on an H200: bench/results/matmul-h200.md.
#pragma once

#include "qfmt/ops/gemm/launch.cuh"

namespace qfmt::inline v0::gemm {

/// The tilings of a scheme and type, by rows of x in a tile.
template <SchemeSpec S, Element T>
struct Tilings {
  /// The least traffic in shared memory for a product, and one more rounding of the weights; not in
  /// float16, whose range a level times its scale may leave at both ends.
  using Widest = Tuning<256, 2, ScaleAt::weights>;
  static constexpr bool has_widest = Bfloat16Like<T> && !stl::same_as<typename S::format, Int8>;

  /// Calls `body` with the tuning for `columns`; `otherwise` where there is none.
  template <class Body, class Result>
  static constexpr Result dispatch(int columns, Body const& body, Result otherwise) {
    if (columns == 16) return body(Tuning<16, 3>{});
    if (columns == 32) return body(Tuning<32, 3>{});
    if (columns == 64) return body(Tuning<64, 3>{});
    if (columns == 128) return body(Tuning<128>{});
    if constexpr (has_widest)
      if (columns == 256) return body(Widest{});
    return otherwise;
  }

  static constexpr int columns_for(int64_t m, int64_t rows, int multiprocessors) {
    if (m <= 128) return m <= 16 ? 16 : m <= 32 ? 32 : m <= 64 ? 64 : 128;
    // Of few large tiles many would be split often.
    int64_t const tiles = ceil_div(rows, Widest::rows) * ceil_div(m, Widest::columns);
    return has_widest && tiles * 3 >= multiprocessors ? 256 : 128;
  }
};

/// Multiprocessors of the largest GPU of sm_90.
inline constexpr int most_blocks = 144;

/// Bytes of workspace, aligned to 16, with which tiles can be divided among blocks where whole ones
/// would leave some of a GPU's multiprocessors idle; of any GPU, also one with few, which takes the
/// wider tile sooner.
template <SchemeSpec S, Element T>
constexpr int64_t workspace_bytes(int64_t m, int64_t rows) {
  auto const bytes = [](auto tuning) { return partial_bytes<decltype(tuning)>(most_blocks); };
  return Tilings<S, T>::dispatch(Tilings<S, T>::columns_for(m, rows, 1), bytes, int64_t{0});
}

/// Tiles of options.tuning.columns rows of x, or of as many as fit m.
template <SchemeSpec S, Element T, int Max>
Status matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y, T const* bias,
              DeviceLimits const& device, MatmulOptions const& options, Workspace workspace,
              cudaStream_t stream) {
  int const asked = options.tuning.columns;
  int const columns =
      asked != 0 ? asked : Tilings<S, T>::columns_for(m, w.rows(), device.multiprocessors);
  auto const launch = [&](auto tuning) {
    return launch_matmul<decltype(tuning)>(w, x, m, y, bias, device, options, workspace, stream);
  };
  return Tilings<S, T>::dispatch(columns, launch, Status{Errc::unsupported_shape});
}

}  // namespace qfmt::inline v0::gemm
