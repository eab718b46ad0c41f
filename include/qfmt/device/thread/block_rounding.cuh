// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the values of a block to its codes, given the block's absmax.
#pragma once

#include "qfmt/device/thread/block_peak.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/ptx/lanes.cuh"

namespace qfmt::inline v0::thread {

/// How an encoder rounds the values of one block to codes of F: code(x) always, and the quicker
/// table(relative(x, factor())) with block::EncodeTable where `uses_table()`.
template <class Encoder, FormatSpec F>
class BlockRounding;

/// The decisions of qfmt::encode_block: x * (1 / absmax), or x * (peak / absmax) for formulas;
/// where that factor is not a normal finite number, or the block holds NaN or infinity, one value
/// at a time by the codec's own rule. A block of zeros uses the table: 0 * 0.
template <FormatSpec F>
class BlockRounding<Nearest, F> {
 public:
  __device__ explicit BlockRounding(float absmax) : absmax_(absmax) {
    if constexpr (CodebookFormat<F>) {
      bool const normal = float_bits(absmax) - 0x00800000u < 0x7E000000u;  // 2^-126 to below 2^126
      factor_ = is_zero(absmax) ? 0.f : ptx::reciprocal_normal(absmax);
      by_table_ = is_zero(absmax) || normal;
    } else if constexpr (ScaledFormulaFormat<F>) {
      factor_ = is_zero(absmax) ? 0.f : exact::div(F::peak, absmax);
      by_table_ = is_finite(absmax) && is_finite(factor_);
    }
  }

  /// Whether a table of the codec may stand in for code().
  __device__ bool uses_table() const { return by_table_; }
  /// What values are multiplied by.
  __device__ float factor() const { return factor_; }
  /// x * factor in one rounding.
  __device__ static float relative(float x, float factor) { return exact::mul(x, factor); }
  /// The code of x.
  __device__ uint32_t code(float x) const {
    if (!is_finite(absmax_)) return static_cast<uint8_t>(zero_code<F>);
    return encode<F>(x, absmax_);
  }

 private:
  float absmax_;
  float factor_ = 0.f;
  bool by_table_ = false;
};

/// bitsandbytes' arithmetic, one value at a time.
template <FormatSpec F>
class BlockRounding<BnbCuda, F> {
  static_assert(CodebookFormat<F> || ScaledFormulaFormat<F>,
                "qfmt::BnbCuda encodes bitsandbytes' formats: NF4, FP4, Dynamic8, Int8");

 public:
  /// For a block with this absmax.
  __device__ explicit BlockRounding(float absmax) {
    if constexpr (CodebookFormat<F>) {
      factor_ = ptx::reciprocal_approx_ftz(absmax);
    } else {
      factor_ = ptx::divide_approx_ftz(F::peak, absmax);
    }
  }

  /// No table follows its rules.
  __device__ static constexpr bool uses_table() { return false; }
  /// What values are multiplied by.
  __device__ float factor() const { return factor_; }
  /// x * factor, subnormals flushed.
  __device__ static float relative(float x, float factor) { return ptx::mul_ftz(x, factor); }
  /// The code of x.
  __device__ uint32_t code(float x) const {
    float const t = relative(x, factor_);
    if constexpr (CodebookFormat<F>) {
      return encode<F>(t);
    } else {
      return static_cast<uint8_t>(F::round(t));
    }
  }

 private:
  float factor_;
};

/// Codes of F, packed as in memory.
template <FormatSpec F, int N>
using PackOf = CodePack<bits_of<F>, N>;

/// The codes of a pack of values by the table: the usual case, unrolled.
template <FormatSpec F, class Rounding, Element T, int N, class Table>
__device__ PackOf<F, N> encode_by_table(ElementPack<T, N> const& values, float factor,
                                        Table const& table) {
  PackOf<F, N> codes{};
#pragma unroll
  for (int i = 0; i < N; ++i) codes.put(i, table(Rounding::relative(values[i], factor)));
  return codes;
}

/// The codes of a pack of values one at a time: rare, so a loop that shifts values and codes
/// through registers rather than eight copies of a long rule.
template <FormatSpec F, Element T, int N, class Rounding>
__device__ PackOf<F, N> encode_by_rule(ElementPack<T, N> const& values, Rounding const& rounding) {
  ElementPack<T, N> rest = values;
  PackOf<F, N> codes{};
#pragma unroll 1
  for (int i = 0; i < N; ++i) {
    uint32_t const code = rounding.code(rest[0]);
    rest.drop_first();
    codes.put_dynamic(i, code);
  }
  return codes;
}

/// How many of the first n values are NaN or infinite.
template <Element T, int N>
__device__ int count_non_finite(ElementPack<T, N> const& pack, int n) {
  int found = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) found += i < n && !is_finite(pack[i]);
  return found;
}

}  // namespace qfmt::inline v0::thread
