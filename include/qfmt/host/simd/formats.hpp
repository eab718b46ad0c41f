// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which formats the SIMD encoders do, and what they share with every instruction set.
#pragma once

#include "qfmt/host/simd/compiler.hpp"
#include "qfmt/host/simd/tables.hpp"

#include <cstring>

namespace qfmt::inline v0::host::simd {

/// Formats that the SIMD encoders do; every other is the scalar codec's.
template <class F>
constexpr bool has_encoder() {
  if constexpr (stl::same_as<F, Int8>) {
    return true;
  } else if constexpr (!PointFormat<F>) {
    return false;
  } else if constexpr (bits_of<F> == 4) {
    return uniform_bins_of<F>.separate;
  } else {
    return float_bins_of<F>.fit && wide_bins_of<F>.fit;
  }
}
template <class F>
inline constexpr bool encodes = has_encoder<F>();

/// block_absmax from the bits of the largest magnitude.
template <Element T>
constexpr float finite_or_nan(decltype(magnitude_bits(T{})) bits) {
  return bits < infinity_bits<T>() ? magnitude<T>(bits) : float_from_bits(canonical_nan_bits);
}

/// Blocks that the kernels encode: values times a finite factor.
constexpr bool is_ordinary(float absmax, BlockScaling const& scaling) {
  return !is_zero(absmax) && is_finite(absmax) && !scaling.divides;
}

/// Fetches the values that the next pass over some blocks will search for their absmax, while these
/// are encoded: else memory rests meanwhile. Count: values encoded at a time.
template <int Count, Element T>
[[gnu::always_inline]] inline void prefetch_values(T const* values) {
  constexpr int64_t ahead = 8192;
  auto const* const p = reinterpret_cast<char const*>(values) + ahead;
  constexpr int bytes = Count * static_cast<int>(sizeof(T));
  for (int line = 0; line < bytes; line += 64) prefetch<2>(p + line);
}

/// The last values of a block, n < Count of them, with zeros behind them: +0 makes the code that
/// ends an odd byte.
template <int Count, Element T>
class PaddedValues {
 public:
  PaddedValues(T const* values, int64_t n) : n_(n) {
    std::memcpy(bytes_, static_cast<void const*>(values), static_cast<size_t>(n) * sizeof(T));
  }
  T const* data() const { return reinterpret_cast<T const*>(bytes_); }
  uint8_t* codes() { return codes_; }

  /// Their codes, which a kernel wrote to codes(), without those of the zeros.
  template <FormatSpec F>
  void copy_codes(uint8_t* to) const {
    std::memcpy(to, codes_, static_cast<size_t>(bits_of<F> == 8 ? n_ : (n_ + 1) / 2));
  }

 private:
  alignas(64) uint8_t bytes_[Count * sizeof(T)]{};
  uint8_t codes_[Count];
  int64_t n_;
};

/// encode_block out of the kernels' way: of blocks that are not ordinary, and kept apart so that
/// its code is the same wherever it is called from.
template <FormatSpec F, Element T>
[[gnu::noinline]] void encode_rare_block(T const* values, int64_t n, float absmax, uint8_t* codes) {
  asm("" : "+r"(n));  // g++ 12 -O3 warns of a loop that it made from a known n and never runs
  encode_block<F>(values, n, absmax, codes);
}

}  // namespace qfmt::inline v0::host::simd
