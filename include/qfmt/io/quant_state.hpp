// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The JSON blob in which bitsandbytes keeps what the bytes of a 4-bit weight mean. Written as
// Python's json.dumps writes it, so that equal states are equal bytes.
#pragma once

#include "qfmt/io/json.hpp"
#include "qfmt/io/torch_dtype.hpp"
#include "qfmt/scheme/scheme_list.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <span>

namespace qfmt::inline v0::io {

/// Where the values of a packed slice lie among its flat values (PackedLayout); native files only.
struct StoredSlice {
  std::int64_t rows = 0;        ///< of the matrix over the flat values
  std::int64_t cols = 0;        ///< of the matrix over the flat values
  std::int64_t row_stride = 0;  ///< values
  std::int64_t origin = 0;      ///< values

  /// Equal in every field.
  friend bool operator==(StoredSlice const&, StoredSlice const&) = default;
};

/// What the blob says. `dtype` is that of the original weight.
struct QuantState {
  std::string quant_type;              // "nf4", "fp4", or another format's name in a native file
  int block_size = 64;                 ///< values per scale
  Dtype dtype = Dtype::F32;            ///< of the original: F32, F16 or BF16
  std::vector<std::int64_t> shape;     ///< of the original; of a packed slice its flat size
  std::optional<float> nested_offset;  // set: scales are quantized themselves
  std::optional<StoredSlice> slice;    ///< native files only

  /// The scheme that the blob describes; valid while this lives.
  SchemeDesc desc() const { return {quant_type, block_size, false, nested_offset.has_value()}; }
};

/// Whose rules a blob obeys: bitsandbytes' fields, or those and what qfmt adds in its own files.
enum class StateRules { bitsandbytes, native };

namespace detail {

inline constexpr std::size_t state_bytes_limit = 16384;  // 64 dimensions take less

/// A double as Python's repr spells it: the shortest digits that read back, an exponent below
/// 1e-4 and from 1e16 on.
inline std::string python_repr(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "-Infinity" : "Infinity";
  char buffer[40];
  auto const written =
      std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::scientific);
  std::string_view const text(buffer, static_cast<std::size_t>(written.ptr - buffer));
  auto const e = text.find('e');
  int exponent = 0;
  auto const digits = text[e + 1] == '+' ? text.substr(e + 2) : text.substr(e + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  char fixed[64];
  auto const end = std::to_chars(fixed, fixed + sizeof fixed, x, std::chars_format::fixed).ptr;
  std::string result(fixed, end);
  return result.find('.') == std::string::npos ? result + ".0" : result;
}

/// Numbers as Python prints a list of them.
inline std::string python_list(std::vector<std::int64_t> const& numbers) {
  std::string text;
  for (std::int64_t const n : numbers) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

/// Takes a last field that Python spells as no JSON does off the text: the offset NaN, Infinity or
/// -Infinity of a weight that held such values.
inline std::optional<float> take_non_finite_offset(std::string& text) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (auto const& [word, value] : {std::pair{"NaN}", std::numeric_limits<float>::quiet_NaN()},
                                    {"-Infinity}", -infinity},
                                    {"Infinity}", infinity}}) {
    std::string const ending = std::string("\"nested_offset\": ") + word;
    if (!text.ends_with(ending)) continue;
    text.replace(text.size() - ending.size(), ending.size(), "\"nested_offset\": 0.0}");
    return value;
  }
  return std::nullopt;
}

}  // namespace detail

/// The blob's bytes.
inline std::string serialize_quant_state(QuantState const& state) {
  std::string text = "{\"quant_type\": \"" + state.quant_type +
                     "\", \"blocksize\": " + std::to_string(state.block_size) + ", \"dtype\": \"" +
                     std::string(torch_name(state.dtype)) +
                     "\", \"shape\": " + detail::python_list(state.shape);
  if (state.slice)
    text += ", \"slice\": " + detail::python_list({state.slice->rows, state.slice->cols,
                                                   state.slice->row_stride, state.slice->origin});
  if (state.nested_offset)
    text += ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": " +
            detail::python_repr(static_cast<double>(*state.nested_offset));
  return text + "}";
}

namespace detail {

/// The fields of a blob, one after another; the first that is wrong says so.
class StateReader {
 public:
  StateReader(Json const& blob, std::string const& subject) : fields_(blob, subject) {}

  QuantState state;

  Error read(StateRules rules) {
    std::vector<std::string_view> known{"quant_type",       "blocksize",    "dtype",        "shape",
                                        "nested_blocksize", "nested_dtype", "nested_offset"};
    if (rules == StateRules::native) known.push_back("slice");
    if (Error e = fields_.check_names(known)) return e;
    if (Error e = read_scheme()) return e;
    if (Error e = read_shape()) return e;
    return read_nested();
  }

 private:
  Error read_scheme() {
    Json const* const type = fields_.find("quant_type");
    if (type == nullptr || !type->is_string()) return fields_.wrong("quant_type is no string");
    state.quant_type = type->get<std::string>();
    if (fault_of_name(state.quant_type) != nullptr || state.quant_type.size() > 64)
      return fields_.wrong("quant_type is no name of a format");
    auto const block = sizes_of("blocksize", 1);
    if (!block) return fields_.wrong("blocksize is no number");
    std::int64_t const n = block->front();
    if (n < 16 || n > 4096 || (n & (n - 1)) != 0)
      return fields_.wrong("blocksize is no power of two from 16 to 4096");
    state.block_size = static_cast<int>(n);
    auto const dtype = fields_.torch_dtype("dtype");
    if (!dtype || (*dtype != Dtype::F32 && *dtype != Dtype::F16 && *dtype != Dtype::BF16))
      return fields_.wrong("dtype is none of float32, float16, bfloat16");
    state.dtype = *dtype;
    return {};
  }

  Error read_shape() {
    auto const shape = sizes_of("shape", -1);
    if (!shape) return fields_.wrong("shape is no list of sizes");
    state.shape = *shape;
    if (fields_.find("slice") == nullptr) return {};
    auto const slice = sizes_of("slice", 4);
    if (!slice || state.shape.size() != 1)
      return fields_.wrong("slice is no list of four sizes of a flat shape");
    state.slice = {(*slice)[0], (*slice)[1], (*slice)[2], (*slice)[3]};
    return {};
  }

  Error read_nested() {
    Json const* const offset = fields_.find("nested_offset");
    Json const* const block = fields_.find("nested_blocksize");
    Json const* const dtype = fields_.find("nested_dtype");
    if (offset == nullptr && block == nullptr && dtype == nullptr) return {};
    if (offset == nullptr || !offset->is_number())
      return fields_.wrong("nested_offset is no number");
    if (block == nullptr || *block != 256) return fields_.wrong("nested_blocksize is not 256");
    if (dtype == nullptr || *dtype != "float32")
      return fields_.wrong("nested_dtype is not float32");
    double const value = offset->get<double>();
    if (!(std::fabs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
      return fields_.wrong("nested_offset is no f32");
    state.nested_offset = static_cast<float>(value);
    return {};
  }

  /// A size, or a list of so many (-1: up to 64) below 2^62.
  std::optional<std::vector<std::int64_t>> sizes_of(char const* name, int count) const {
    Json const* const field = fields_.find(name);
    if (field == nullptr) return std::nullopt;
    bool const is_list = field->is_array() && field->size() <= 64 && count != 1 &&
                         (count < 0 || field->size() == static_cast<std::size_t>(count));
    if (!is_list && !(count == 1 && field->is_number_unsigned())) return std::nullopt;
    std::vector<std::int64_t> sizes;
    for (Json const& d : *field) {  // a number iterates as a list of itself
      if (!d.is_number_unsigned() || d.get<std::uint64_t>() > (std::uint64_t{1} << 62))
        return std::nullopt;
      sizes.push_back(d.get<std::int64_t>());
    }
    return sizes;
  }

  JsonFields fields_;
};

}  // namespace detail

/// Reads a blob. `subject` names its tensor in errors. Errors: invalid_json, duplicate_name,
/// header_too_large, invalid_header naming the field.
inline Result<QuantState> parse_quant_state(std::span<std::byte const> bytes,
                                            std::string const& subject,
                                            StateRules rules = StateRules::bitsandbytes) {
  if (bytes.size() > detail::state_bytes_limit)
    return Error{{Errc::header_too_large}, subject, "its state is longer than 16 KiB"};
  std::string text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  auto const non_finite = detail::take_non_finite_offset(text);
  auto const blob = parse_json(text, subject, 3);
  if (!blob) return blob.error();
  detail::StateReader reader(*blob, subject);
  if (Error e = reader.read(rules)) return e;
  if (non_finite && reader.state.nested_offset) reader.state.nested_offset = non_finite;
  return std::move(reader.state);
}

}  // namespace qfmt::inline v0::io
