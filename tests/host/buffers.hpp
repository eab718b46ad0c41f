// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory for quantized tensors with guard bytes behind every piece, and comparisons with what
// reference.hpp says.
#pragma once

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantize_range.hpp"

#include <cstring>
#include <string>

#include "host/reference.hpp"

namespace host_test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

inline constexpr uint8_t canary = 0xA5;
inline constexpr size_t guard = 16;

/// `count` objects followed by guard bytes, all of it canary at first.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t count = 0)
      : count_(static_cast<size_t>(count)), storage_(count_ + guard / sizeof(T)) {
    std::memset(storage_.data(), canary, storage_.size() * sizeof(T));
  }
  T* data() { return storage_.data(); }
  T const* data() const { return storage_.data(); }
  size_t size() const { return count_; }
  T const& operator[](size_t i) const { return storage_[i]; }
  bool guard_intact() const {
    std::array<uint8_t, guard> behind;
    std::memcpy(behind.data(), storage_.data() + count_, guard);
    return std::all_of(behind.begin(), behind.end(), [](uint8_t b) { return b == canary; });
  }
  void append_bytes(std::vector<uint8_t>& to) const {
    auto const* const p = reinterpret_cast<uint8_t const*>(storage_.data());
    to.insert(to.end(), p, p + storage_.size() * sizeof(T));
  }

 private:
  size_t count_;
  std::vector<T> storage_;
};

/// The pieces of a quantized tensor; scales are absmax, or absmax2 of a nested one.
struct Pieces {
  Guarded<uint8_t> codes;
  Guarded<float> scales;
  Guarded<uint8_t> inner_codes;
  Guarded<float> offset{1};

  bool guards_intact() const {
    return codes.guard_intact() && scales.guard_intact() && inner_codes.guard_intact() &&
           offset.guard_intact();
  }
  /// Every byte, guards too.
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all;
    codes.append_bytes(all);
    scales.append_bytes(all);
    inner_codes.append_bytes(all);
    offset.append_bytes(all);
    return all;
  }
  bool untouched() const {
    auto const all = bytes();
    return std::all_of(all.begin(), all.end(), [](uint8_t b) { return b == canary; });
  }
};

template <qfmt::MutableScheme S>
class Buffers : public Pieces {
 public:
  explicit Buffers(int64_t size, int64_t row_length = 0) : size_(size), row_length_(row_length) {
    int64_t const length = S::is_row_wise ? row_length : S::block_size;
    int64_t const blocks = size == 0 ? 0 : (size - 1) / length + 1;
    codes = Guarded<uint8_t>(S::bits == 4 ? (size + 1) / 2 : size);
    if (S::is_nested) inner_codes = Guarded<uint8_t>(blocks);
    scales = Guarded<float>(S::is_nested ? (blocks + 255) / 256 : blocks);
  }

  qfmt::QuantizedSpan<S> view() {
    qfmt::QuantizedSpan<S> v;
    v.codes = codes.data();
    v.size = size_;
    if constexpr (S::is_nested) {
      v.scales.absmax.codes = inner_codes.data();
      v.scales.absmax.scales.absmax = scales.data();
      v.scales.absmax.size = static_cast<int64_t>(inner_codes.size());
      v.scales.offset = offset.data();
    } else {
      v.scales.absmax = scales.data();
      if constexpr (S::is_row_wise) v.scales.row_length = row_length_;
    }
    return v;
  }

 private:
  int64_t size_;
  int64_t row_length_;
};

template <class F>
inline constexpr reference::Kind kind_of = reference::Kind::nf4;
template <>
inline constexpr reference::Kind kind_of<qfmt::FP4> = reference::Kind::fp4;
template <>
inline constexpr reference::Kind kind_of<qfmt::Int8> = reference::Kind::int8;
template <>
inline constexpr reference::Kind kind_of<qfmt::Dynamic8> = reference::Kind::dynamic8;

template <class S>
constexpr reference::Plan plan_of(int64_t row_length = 0) {
  return {kind_of<typename S::format>, S::is_row_wise ? row_length : int64_t{S::block_size},
          S::is_nested};
}

template <class T>
inline constexpr reference::Type type_of = reference::Type::f32;
template <>
inline constexpr reference::Type type_of<qfmt::float16> = reference::Type::f16;
template <>
inline constexpr reference::Type type_of<qfmt::bfloat16> = reference::Type::bf16;

template <class T>
uint32_t bits_of(T x) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<uint32_t>(x);
  } else {
    return std::bit_cast<uint16_t>(x);
  }
}

template <class T>
T from_bits(uint32_t bits) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(bits);
  } else {
    return std::bit_cast<T>(static_cast<uint16_t>(bits));
  }
}

/// The nearest T, by the reference's own rounding.
template <class T>
T nearest(float x) {
  return from_bits<T>(reference::round_to(type_of<T>, x));
}

template <class T>
std::vector<float> widened(std::vector<T> const& values) {
  std::vector<float> wide;
  wide.reserve(values.size());
  for (T const x : values) wide.push_back(reference::widen(type_of<T>, bits_of(x)));
  return wide;
}

// --- Comparisons: "" or a sentence ---------------------------------------------------------------

inline std::string hex(uint32_t x) {
  char text[16];
  (void)std::snprintf(text, sizeof text, "%08X", x);
  return text;
}

inline bool same_float(float a, float b) {
  return std::isnan(b) ? std::isnan(a) : reference::as_bits(a) == reference::as_bits(b);
}

inline std::string compare(char const* what, Guarded<uint8_t> const& got,
                           std::vector<uint8_t> const& expected) {
  if (got.size() != expected.size()) return std::string(what) + ": another count";
  for (size_t i = 0; i < expected.size(); ++i)
    if (got[i] != expected[i])
      return std::string(what) + "[" + std::to_string(i) + "] = " + hex(got[i]) + ", expected " +
             hex(expected[i]);
  return "";
}

inline std::string compare(char const* what, Guarded<float> const& got,
                           std::vector<float> const& expected) {
  if (got.size() != expected.size()) return std::string(what) + ": another count";
  for (size_t i = 0; i < expected.size(); ++i)
    if (!same_float(got[i], expected[i]))
      return std::string(what) + "[" + std::to_string(i) +
             "] = " + hex(reference::as_bits(got[i])) + ", expected " +
             hex(reference::as_bits(expected[i]));
  return "";
}

inline std::string compare(Pieces const& got, reference::Result const& expected, bool nested) {
  if (!got.guards_intact()) return "written behind the end";
  if (auto text = compare("codes", got.codes, expected.codes); !text.empty()) return text;
  if (!nested) return compare("absmax", got.scales, expected.absmax);
  if (expected.codes.empty()) return "";
  if (auto text = compare("offset", got.offset, {expected.offset}); !text.empty()) return text;
  if (auto text = compare("absmax2", got.scales, expected.absmax2); !text.empty()) return text;
  return compare("absmax codes", got.inner_codes, expected.inner_codes);
}

/// Decoded values against f32 values rounded once to T; NaN equals NaN.
template <class T>
std::string compare_values(Guarded<T> const& got, std::vector<float> const& expected) {
  if (!got.guard_intact()) return "written behind the end";
  if (got.size() != expected.size()) return "another count of values";
  for (size_t i = 0; i < expected.size(); ++i) {
    uint32_t const bits = reference::round_to(type_of<T>, expected[i]);
    bool const same = std::isnan(expected[i])
                          ? std::isnan(reference::widen(type_of<T>, bits_of(got[i])))
                          : bits_of(got[i]) == bits;
    if (!same)
      return "value " + std::to_string(i) + " = " + hex(bits_of(got[i])) + ", expected " +
             hex(bits);
  }
  return "";
}

template <class T>
std::vector<uint8_t> bytes_of(Guarded<T> const& values) {
  std::vector<uint8_t> all;
  values.append_bytes(all);
  return all;
}

}  // namespace host_test
