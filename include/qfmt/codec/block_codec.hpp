// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// One block: its absmax, its codes, and back. Written as loops over short runs that a compiler
// vectorizes; usable in constant expressions.
#pragma once

#include "qfmt/codec/encode.hpp"

namespace qfmt::inline v0 {

/// max |x| of n values, exact and free of order; NaN (7FFFFFFF) if one is NaN or infinite; 0 if
/// none.
template <Element T>
QFMT_HD constexpr float block_absmax(T const* values, int64_t n) {
  using Bits = decltype(magnitude_bits(T{}));
  constexpr int lanes = 16;  // independent maxima: several SIMD registers in flight
  Bits most[lanes]{};
  int64_t const whole = n - n % lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) {
      Bits const m = magnitude_bits(values[i + lane]);
      most[lane] = m > most[lane] ? m : most[lane];
    }
  for (int64_t i = whole; i < n; ++i) {
    Bits const m = magnitude_bits(values[i]);
    most[0] = m > most[0] ? m : most[0];
  }
  for (int lane = 1; lane < lanes; ++lane) most[0] = most[lane] > most[0] ? most[lane] : most[0];
  return most[0] < infinity_bits<T>() ? magnitude<T>(most[0]) : float_from_bits(canonical_nan_bits);
}

/// First i with a NaN or an infinity in values[i], or -1.
template <Element T>
QFMT_HD constexpr int64_t first_non_finite(T const* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (magnitude_bits(values[i]) >= infinity_bits<T>()) return i;
  return -1;
}

namespace detail {

/// Values worked on at a time: they fit the registers of a SIMD unit a few times over.
inline constexpr int tile_size = 64;

/// Two 4-bit codes to a byte, the first in the high nibble; an odd last nibble is the code of zero.
/// Of a code the low four bits count: a signed format may return -1.
template <FormatSpec F>
QFMT_HD constexpr void store_codes(uint8_t const* code, int n, uint8_t* out) {
  if constexpr (bits_of<F> == 8) {
    for (int i = 0; i < n; ++i) out[i] = code[i];
  } else {
    for (int i = 0; i < n / 2; ++i)
      out[i] = static_cast<uint8_t>(code[2 * i] << 4 | (code[2 * i + 1] & 15));
    if (n % 2 != 0) out[n / 2] = static_cast<uint8_t>(code[n - 1] << 4 | (zero_code<F> & 15));
  }
}

/// Keeps the stores to a tile before what reads it, so that no product in them is fused away.
template <class Tile>
QFMT_HD constexpr void settle([[maybe_unused]] Tile* tile) {
#if !defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) asm volatile("" : : "r"(tile) : "memory");
#endif
}

/// Codes of up to tile_size values; of the whole tile, so that the costly loop has a fixed length.
template <FormatSpec F, Element T>
QFMT_HD constexpr void encode_tile(T const* values, int n, BlockScaling scaling, uint8_t* code) {
  float t[tile_size];
  if (!scaling.divides) {
    for (int i = 0; i < n; ++i) t[i] = exact::mul(to_float(values[i]), scaling.factor);
  } else {
    for (int i = 0; i < n; ++i) t[i] = scaling(to_float(values[i]));
  }
  for (int i = n; i < tile_size; ++i) t[i] = 0.f;
  settle(t);
  for (int i = 0; i < tile_size; ++i) {
    if constexpr (CodebookFormat<F>) {
      code[i] = encode<F>(t[i]);
    } else {
      code[i] = static_cast<uint8_t>(F::round(t[i]));
    }
  }
}

}  // namespace detail

/// Writes the codes of a block of n values whose scale is absmax. `codes` points at the block's
/// first byte. A scale of zero, or NaN (a block that held a NaN or an infinity), writes zero_code
/// throughout, which decodes to +-0 and to NaN.
template <FormatSpec F, Element T>
QFMT_HD constexpr void encode_block(T const* values, int64_t n, float absmax, uint8_t* codes) {
  constexpr int tile = detail::tile_size;
  bool const blank = is_zero(absmax) || !is_finite(absmax);
  for (int64_t first = 0; first < n; first += tile) {
    int const count = n - first < tile ? static_cast<int>(n - first) : tile;
    uint8_t code[tile];
    if (blank) {
      for (int i = 0; i < count; ++i) code[i] = zero_code<F>;
    } else if constexpr (CodebookFormat<F> || ScaledFormulaFormat<F>) {
      detail::encode_tile<F>(values + first, count, block_scaling<F>(absmax), code);
    } else {
      for (int i = 0; i < count; ++i)
        code[i] = static_cast<uint8_t>(F::encode(to_float(values[first + i]), absmax));
    }
    detail::store_codes<F>(code, count, codes + first * bits_of<F> / 8);
  }
}

/// Decodes a block of n values: `value(code)` is the value of a code, rounded once to T. `codes`
/// points at the block's first byte.
template <int bits, Element T, class Value>
QFMT_HD constexpr void decode_codes(uint8_t const* codes, int64_t n, Value value, T* out) {
  if constexpr (bits == 8) {
    for (int64_t i = 0; i < n; ++i) out[i] = from_float<T>(value(codes[i]));
  } else {
    T table[16];  // rounding 16 levels once gives the bits of rounding every value
    for (int c = 0; c < 16; ++c) table[c] = from_float<T>(value(static_cast<uint8_t>(c)));
    for (int64_t i = 0; i < n / 2; ++i) {
      out[2 * i] = table[codes[i] >> 4];
      out[2 * i + 1] = table[codes[i] & 15];
    }
    if (n % 2 != 0) out[n - 1] = table[codes[n / 2] >> 4];
  }
}

/// Values [first, first + n) of a view, which lie in block `block` and begin on a byte.
template <SchemeSpec S, Element T>
QFMT_HD constexpr void decode_block(QuantizedSpan<S> const& in, int64_t block, int64_t first,
                                    int64_t n, T* out) {
  uint8_t const* const codes = in.codes + first * S::bits / 8;
  float const scale = scale_at(in.scales, block);
  if (float const* const levels = stored_levels(in.scales)) {
    decode_codes<S::bits>(
        codes, n, [=](uint8_t c) { return exact::mul(levels[c], scale); }, out);
  } else {
    decode_codes<S::bits>(
        codes, n, [=](uint8_t c) { return decode<typename S::format>(c, scale); }, out);
  }
}

}  // namespace qfmt::inline v0
