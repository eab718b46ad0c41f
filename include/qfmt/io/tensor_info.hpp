// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a safetensors header says of one tensor.
#pragma once

#include "qfmt/checked.hpp"
#include "qfmt/io/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qfmt::inline v0::io {

/// Element types of a safetensors file, in the order in which the format's own writer sorts them.
/// qfmt reads values of F32, F16 and BF16; all others pass through untouched.
enum class Dtype {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,  //
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64
};

/// What is known of an element type.
struct DtypeTraits {
  std::string_view name;  ///< in a safetensors header
  int bits;               // of one value
};

/// By Dtype.
inline constexpr std::array<DtypeTraits, 22> dtype_table{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

/// Name and width of an element type.
constexpr DtypeTraits traits_of(Dtype dtype) {
  return dtype_table[static_cast<std::size_t>(dtype)];
}

/// The element type of that name in a safetensors header; nothing where there is none.
constexpr std::optional<Dtype> dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < dtype_table.size(); ++i)
    if (dtype_table[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

/// One tensor of a header.
struct TensorInfo {
  std::string name;                 ///< unique in its file
  Dtype dtype = Dtype::U8;          ///< of one value
  std::vector<std::int64_t> shape;  // empty: one value
  std::int64_t begin = 0;           // bytes, from the start of the data part
  std::int64_t end = 0;             ///< one past its last byte

  /// Bytes of its data.
  std::int64_t bytes() const { return end - begin; }
};

/// Values of a shape. Errors: invalid_header for a negative dimension; size_overflow where they do
/// not fit 63 bits. Zero dimensions count last, so
/// that [2^40, 2^40, 0] is refused like [2^40, 2^40].
inline Result<std::int64_t> value_count(std::string const& name,
                                        std::vector<std::int64_t> const& shape) {
  std::int64_t count = 1;
  bool empty = false;
  for (std::int64_t const d : shape) {
    if (d < 0) return Error{{Errc::invalid_header}, name, "a dimension is negative"};
    if (d == 0) {
      empty = true;
    } else if (multiply_overflows(count, d, &count)) {
      return Error{{Errc::size_overflow}, name, "its dimensions multiply to more than 2^63 values"};
    }
  }
  return empty ? 0 : count;
}

/// Bytes that a tensor of this type and shape takes. Errors: those of value_count; size_overflow;
/// invalid_header where the values do not fill whole bytes.
inline Result<std::int64_t> byte_count(std::string const& name, Dtype dtype,
                                       std::vector<std::int64_t> const& shape) {
  auto const count = value_count(name, shape);
  if (!count) return count;
  std::int64_t bits = 0;
  if (multiply_overflows(*count, traits_of(dtype).bits, &bits))
    return Error{{Errc::size_overflow}, name, "it takes more than 2^63 bits"};
  if (bits % 8 != 0)
    return Error{{Errc::invalid_header}, name, "its values do not fill whole bytes"};
  return bits / 8;
}

}  // namespace qfmt::inline v0::io
