// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The JSON blob in which bitsandbytes keeps what the bytes of a 4-bit weight mean. Written as
// Python's json.dumps writes it, so that equal states are equal bytes.
#pragma once

#include "qfmt/io/tensor_info.hpp"
#include "qfmt/scheme/scheme_list.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace qfmt::inline v0::io {

/// What the blob says. `dtype` is that of the original weight.
struct QuantState {
  std::string quant_type;  // "nf4", "fp4", or another format's name in a native file
  int block_size = 64;
  Dtype dtype = Dtype::F32;
  std::vector<std::int64_t> shape;
  std::optional<float> nested_offset;  // set: scales are quantized themselves

  SchemeDesc desc() const { return {quant_type, block_size, false, nested_offset.has_value()}; }
};

namespace detail {

struct TorchDtype {
  Dtype dtype;
  std::string_view name;
};
inline constexpr std::array<TorchDtype, 3> torch_dtypes{
    {{Dtype::F32, "float32"}, {Dtype::F16, "float16"}, {Dtype::BF16, "bfloat16"}}};

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

}  // namespace detail

/// The blob's bytes.
inline std::string serialize_quant_state(QuantState const& state) {
  std::string dtype;
  for (auto const& known : detail::torch_dtypes)
    if (known.dtype == state.dtype) dtype = known.name;
  std::string shape;
  for (std::int64_t const d : state.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(d);
  std::string text = "{\"quant_type\": \"" + state.quant_type +
                     "\", \"blocksize\": " + std::to_string(state.block_size) + ", \"dtype\": \"" +
                     dtype + "\", \"shape\": [" + shape + "]";
  if (state.nested_offset)
    text += ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": " +
            detail::python_repr(static_cast<double>(*state.nested_offset));
  return text + "}";
}

/// Reads a blob. `subject` names its tensor in errors. Errors: invalid_json, invalid_header.
inline Result<QuantState> parse_quant_state(std::span<std::byte const> bytes,
                                            std::string const& subject) {
  using nlohmann::json;
  auto const wrong = [&](char const* detail) {
    return Error{{Errc::invalid_header}, subject, detail};
  };
  auto const* const text = reinterpret_cast<char const*>(bytes.data());
  json const blob = json::parse(text, text + bytes.size(), nullptr, false);
  if (!blob.is_object()) return Error{{Errc::invalid_json}, subject, "it is not a JSON object"};
  auto const field = [&](char const* name) -> json const* {
    auto const at = blob.find(name);
    return at == blob.end() ? nullptr : &*at;
  };

  QuantState state;
  json const* const type = field("quant_type");
  if (type == nullptr || !type->is_string()) return wrong("quant_type is no string");
  state.quant_type = type->get<std::string>();

  json const* const block = field("blocksize");
  if (block == nullptr || !block->is_number_unsigned() || block->get<std::uint64_t>() > 4096)
    return wrong("blocksize is no number up to 4096");
  state.block_size = block->get<int>();

  json const* const dtype = field("dtype");
  bool known = false;
  for (auto const& candidate : detail::torch_dtypes)
    if (dtype != nullptr && dtype->is_string() && *dtype == candidate.name) {
      state.dtype = candidate.dtype;
      known = true;
    }
  if (!known) return wrong("dtype is none of float32, float16, bfloat16");

  json const* const shape = field("shape");
  if (shape == nullptr || !shape->is_array() || shape->size() > 64)
    return wrong("shape is no list");
  for (json const& d : *shape) {
    if (!d.is_number_unsigned() || d.get<std::uint64_t>() > (std::uint64_t{1} << 62))
      return wrong("shape holds something else than sizes");
    state.shape.push_back(d.get<std::int64_t>());
  }

  if (json const* const offset = field("nested_offset")) {
    json const* const nested_block = field("nested_blocksize");
    json const* const nested_dtype = field("nested_dtype");
    if (!offset->is_number()) return wrong("nested_offset is no number");
    if (nested_block == nullptr || *nested_block != 256)
      return wrong("nested_blocksize is not 256");
    if (nested_dtype == nullptr || *nested_dtype != "float32")
      return wrong("nested_dtype is not float32");
    double const value = offset->get<double>();
    if (!(std::fabs(value) <= 3.4028234663852886e38)) return wrong("nested_offset is no f32");
    state.nested_offset = static_cast<float>(value);
  }
  return state;
}

}  // namespace qfmt::inline v0::io
