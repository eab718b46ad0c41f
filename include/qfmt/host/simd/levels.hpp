// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The levels that a decoder looks up: a codebook's own, or those that a file stored with its
// scales.
#pragma once

#include "qfmt/host/simd/tables.hpp"

#include <cstring>

namespace qfmt::inline v0::host::simd {

/// Formats that the kernels decode; every other is the scalar codec's.
template <class F>
inline constexpr bool decodes = CodebookFormat<F> || stl::same_as<F, Int8>;

/// Formulas look nothing up.
template <FormatSpec F>
struct Levels {
  static constexpr bool may_be_nan = false;

  template <class Scales>
  explicit Levels(Scales const&) {}
  bool usable() const { return true; }
};

template <CodebookFormat F>
struct Levels<F> {
  static constexpr int capacity = F::codebook.capacity;

  /// Unused codes are NaN; a stored map is used by the kernels only if all of it is finite.
  static constexpr bool may_be_nan = F::codebook.count < capacity;

  float const* level;
  BytePlanes const* planes;

  template <class Scales>
  explicit Levels(Scales const& scales) : level(F::codebook.level), planes(nullptr) {
    if constexpr (capacity == 256) planes = &level_planes<F>;
    float const* const stored = stored_levels(scales);
    if (stored == nullptr || std::memcmp(stored, level, sizeof(F::codebook.level)) == 0) return;
    level = stored;
    for (int c = 0; c < capacity; ++c) usable_ = usable_ && is_finite(stored[c]);
    if constexpr (capacity == 256) {
      own_ = BytePlanes(stored);
      planes = &own_;
    }
  }
  Levels(Levels const&) = delete;

  bool usable() const { return usable_; }

 private:
  struct Nothing {
    Nothing() = default;
    explicit Nothing(float const*) {}
  };

  bool usable_ = true;
  stl::conditional_t<capacity == 256, BytePlanes, Nothing> own_;
};

/// Scales are read and checked in runs of so many blocks, which begin at its multiples and so lie
/// in one group of nested scales.
inline constexpr int64_t scales_ahead = 64;

constexpr int64_t end_of_run(int64_t block, int64_t last) {
  int64_t const end = block - block % scales_ahead + scales_ahead;
  return end < last ? end : last;
}

/// The scales of blocks [first, last) of such a run: where they lie, or worked out into `own`.
template <class Scales>
inline float const* scales_of(Scales const& scales, int64_t first, int64_t last, float* own) {
  if constexpr (requires { scales.absmax + 0; }) {
    return scales.absmax + first;
  } else {
    for (int64_t b = first; b < last; ++b) own[b - first] = scale_at(scales, b);
    return own;
  }
}

/// The last codes of a block, n < Count of them, with zeros behind them.
template <FormatSpec F, int Count, Element T>
class PaddedCodes {
 public:
  PaddedCodes(uint8_t const* codes, int64_t n) : n_(n) {
    std::memcpy(codes_, codes, static_cast<size_t>(bits_of<F> == 8 ? n : (n + 1) / 2));
  }
  uint8_t const* data() const { return codes_; }
  T* values() { return reinterpret_cast<T*>(bytes_); }

  /// Their values, which a kernel wrote to values(), without those of the zeros.
  void copy_values(T* to) const {
    std::memcpy(static_cast<void*>(to), bytes_, static_cast<size_t>(n_) * sizeof(T));
  }

 private:
  uint8_t codes_[Count * bits_of<F> / 8]{};
  alignas(64) uint8_t bytes_[Count * sizeof(T)];
  int64_t n_;
};

/// decode_block out of the kernels' way: of blocks whose scale is not finite.
template <SchemeSpec S, Element T>
[[gnu::noinline]] void decode_rare_block(QuantizedSpan<S> const& in, int64_t block, int64_t first,
                                         int64_t n, T* out) {
  decode_block(in, block, first, n, out);
}

/// The levels of nested scales; of others, an empty object.
template <class Scales>
auto scale_levels(Scales const& scales) {
  if constexpr (requires { scales.offset; }) {
    return Levels<AbsmaxScheme::format>(scales.absmax.scales);
  } else {
    return stl::true_type{};
  }
}

}  // namespace qfmt::inline v0::host::simd
