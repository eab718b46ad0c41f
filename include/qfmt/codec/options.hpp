// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What every quantize call takes besides data, on the host and on a device.
#pragma once

#include "qfmt/layout/packing.hpp"

namespace qfmt::inline v0 {

/// Scratch memory that the caller owns, aligned to 4 bytes; null means none.
struct Workspace {
  void* data = nullptr;  ///< aligned to 4 bytes
  int64_t bytes = 0;     ///< of `data`
};

/// The most that host code may ask of the CPU. `best` is all there is; what the CPU lacks is
/// replaced by the best it has. Every level gives the same bytes. Devices ignore it.
enum class SimdLevel : uint8_t {
  best,
  scalar,
  neon,         ///< AArch64
  avx2,         ///< with FMA and F16C: x86-64 since 2013
  avx512,       ///< F, BW, DQ, VL, VBMI and VNNI: Ice Lake, Zen 4
  avx512_bf16,  ///< and BF16: Zen 4, Sapphire Rapids
};

/// What a quantize call may be told besides its encoder.
struct QuantizeOptions {
  /// false: a NaN or an infinity is an error on the host, found before anything is written (which
  /// reads the values twice; see single_pass).
  /// true: its block gets absmax NaN and decodes to NaN; under nested scales its group of 256
  /// blocks does. Devices always propagate.
  bool propagate_non_finite = false;

  /// Where not null: grows by the number of NaNs and infinities that were propagated.
  unsigned long long* non_finite_count = nullptr;

  SimdLevel simd = SimdLevel::best;  ///< the most that host code may use

  /// Host, without propagation: NaN and infinity are looked for while encoding, so that memory is
  /// read once. After the error non_finite, which has the same index, the output is then of
  /// unspecified content, as after any other error. Nested schemes of more than 2048 blocks need a
  /// workspace for it.
  bool single_pass = false;

  /// Whether the output may be written before all values are known to be finite.
  QFMT_HD constexpr bool writes_at_once() const { return propagate_non_finite || single_pass; }
};

/// What a dequantize call may be told.
struct DequantizeOptions {
  /// Host: write past the caches. Faster where the output is larger than the last cache, several
  /// times slower where it is not; without effect on outputs that are not aligned to 16 bytes.
  bool non_temporal = false;

  SimdLevel simd = SimdLevel::best;  ///< the most that host code may use
};

/// A device reduction of scales begins with sums of at least this many values' scales, continues in
/// steps of `scale_sum_fan_in` nodes of the tree, and may leave the last step, which every warp
/// repeats, this many.
inline constexpr int64_t values_per_scale_sum = 4096;
/// Nodes that one step of a device reduction adds up.
inline constexpr int64_t scale_sum_fan_in = 2048;
inline constexpr int64_t last_scale_sums = 64;  ///< sums that its last step may be left with

/// The most sums that a device reduction of the scales of `size` values keeps on its way.
QFMT_HD constexpr int64_t scale_sum_count(int64_t size) {
  int64_t nodes = ceil_div(size, values_per_scale_sum);
  int64_t sums = nodes;
  while (nodes > last_scale_sums) sums += nodes = ceil_div(nodes, scale_sum_fan_in);
  return sums;
}

/// Bytes of workspace for quantizing `size` values; 0 where the scheme is not nested, -1 for a
/// negative size: one float a block, then the sums between them and the mean, 16 bytes each and
/// aligned to 8. A nested quantize on a device needs it; on the host it is optional, saves working
/// each absmax out twice, and the floats are enough.
template <SchemeSpec S>
QFMT_HD constexpr int64_t quantize_workspace_bytes(int64_t size) {
  if (size < 0) return -1;
  if (!S::is_nested) return 0;
  if (size == 0) return 0;
  return block_count<S>(size) * static_cast<int64_t>(sizeof(float)) + 4 +
         16 * scale_sum_count(size);
}

}  // namespace qfmt::inline v0
