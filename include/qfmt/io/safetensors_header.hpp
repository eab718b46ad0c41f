// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The header of a safetensors file, from bytes and to bytes. Every rule of the format is checked
// here, before anything is allocated for, multiplied by or read through what the header claims.
#pragma once

#include "qfmt/checked.hpp"
#include "qfmt/io/safetensors_sax.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

namespace qfmt::inline v0::io {

namespace detail {

/// The tensors lie one after another without hole or overlap, each as long as its shape says, and
/// together as long as the data part.
inline Error check_offsets(SafetensorsHeader const& header, std::int64_t data_bytes,
                           std::string const& file) {
  std::int64_t at = 0;
  for (TensorInfo const& t : header.tensors) {
    std::string const subject = t.name + " in " + file;
    if (t.begin != at)
      return {
          {Errc::invalid_offsets},
          subject,
          t.begin > at ? "there is a hole before its data" : "its data overlaps another tensor's"};
    if (t.end < t.begin)
      return {{Errc::invalid_offsets}, subject, "its data ends before it begins"};
    auto const bytes = byte_count(subject, t.dtype, t.shape);
    if (!bytes) return bytes.error();
    if (t.bytes() != *bytes)
      return {{Errc::invalid_offsets},
              subject,
              "its offsets span " + std::to_string(t.bytes()) + " bytes, its shape and dtype " +
                  std::to_string(*bytes)};
    if (t.end > data_bytes)
      return {{Errc::file_truncated}, subject, "its data goes on after the end of the file"};
    at = t.end;
  }
  if (at != data_bytes)
    return {{Errc::file_has_trailing_bytes},
            file,
            std::to_string(data_bytes - at) + " bytes follow the last tensor"};
  return {};
}

/// The text as a JSON string; nothing if it is not UTF-8.
inline std::optional<std::string> quoted(std::string const& text) {
  using nlohmann::json;
  auto const result = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  auto const back = json::parse(result, nullptr, false);
  if (!back.is_string() || back.get_ref<std::string const&>() != text) return std::nullopt;
  return result;
}

}  // namespace detail

/// Reads and checks the header of a whole file in memory. `file` names it in errors. Errors:
/// file_truncated, file_has_trailing_bytes, header_too_large, invalid_json, invalid_header,
/// duplicate_name, unsupported_dtype, invalid_offsets, size_overflow.
inline Result<SafetensorsHeader> parse_safetensors(std::span<std::byte const> bytes,
                                                   std::string const& file) {
  auto const error = [&](Errc code, char const* detail) { return Error{{code}, file, detail}; };
  if (bytes.size() < 8) return error(Errc::file_truncated, "shorter than the 8 bytes of a length");
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(i)]);
  if (length > SafetensorsLimits::header_bytes)
    return error(Errc::header_too_large, "its header claims more than 100 MB");
  if (length > bytes.size() - 8) return error(Errc::file_truncated, "it ends within its header");

  auto const* const text = reinterpret_cast<char const*>(bytes.data()) + 8;
  // The JSON parser takes a NUL byte for the end of its input and skips a byte-order mark.
  if (std::memchr(text, 0, length) != nullptr)
    return error(Errc::invalid_json, "its header holds a NUL byte");
  if (length >= 3 && std::memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    return error(Errc::invalid_json, "its header begins with a byte-order mark");

  detail::SafetensorsSax sax(file);
  if (!nlohmann::json::sax_parse(text, text + length, &sax)) return sax.error;
  sax.header.data_begin = static_cast<std::int64_t>(8 + length);
  std::sort(sax.header.tensors.begin(), sax.header.tensors.end(), [](auto const& a, auto const& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  auto const data_bytes = static_cast<std::int64_t>(bytes.size() - 8 - length);
  if (Error e = detail::check_offsets(sax.header, data_bytes, file)) return e;
  return std::move(sax.header);
}

/// Gives the tensors their places (the order of the format's own writer: element types of greater
/// alignment first, then by name) and returns the file's first bytes, length and padding included.
/// Offsets of `tensors` are ignored and set. Errors: duplicate_name, invalid_header, size_overflow,
/// header_too_large.
inline Result<std::string> serialize_safetensors(std::vector<TensorInfo>& tensors,
                                                 Metadata const& metadata,
                                                 std::string const& file) {
  std::sort(tensors.begin(), tensors.end(), [](TensorInfo const& a, TensorInfo const& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  std::string text = "{";
  std::unordered_set<std::string> names;
  for (auto const& [key, value] : metadata) {
    auto const quoted_key = detail::quoted(key), quoted_value = detail::quoted(value);
    if (!quoted_key || !quoted_value || !names.insert(key).second)
      return Error{{Errc::invalid_header}, file, "its metadata is not UTF-8 or holds a key twice"};
    text += (names.size() == 1 ? "\"__metadata__\":{" : ",") + *quoted_key + ":" + *quoted_value;
  }
  if (!names.empty()) text += "}";
  names.clear();
  std::int64_t at = 0;
  if (tensors.size() > SafetensorsLimits::tensors)
    return Error{{Errc::header_too_large}, file, "there are more than a million tensors"};
  for (TensorInfo& t : tensors) {
    auto const name = detail::quoted(t.name);
    if (!name) return Error{{Errc::invalid_header}, file, "a tensor's name is not UTF-8"};
    std::string const subject = detail::printable(t.name) + " in " + file;
    if (t.name == "__metadata__" || !names.insert(t.name).second)
      return Error{{Errc::duplicate_name}, subject, "the name is taken"};
    if (char const* const fault = detail::fault_of_name(t.name))
      return Error{{Errc::invalid_header}, subject, fault};
    if (t.shape.size() > SafetensorsLimits::rank)
      return Error{{Errc::invalid_header}, subject, "it has more than 64 dimensions"};
    auto const bytes = byte_count(subject, t.dtype, t.shape);
    if (!bytes) return bytes.error();
    t.begin = at;
    if (add_overflows(at, *bytes, &at))
      return Error{{Errc::size_overflow}, file, "the tensors take more than 2^63 bytes"};
    t.end = at;
    if (text.size() > 1) text += ',';
    text += *name + ":{\"dtype\":\"" + std::string(traits_of(t.dtype).name) + "\",\"shape\":[";
    for (std::size_t i = 0; i < t.shape.size(); ++i)
      text += (i == 0 ? "" : ",") + std::to_string(t.shape[i]);
    text += "],\"data_offsets\":[" + std::to_string(t.begin) + "," + std::to_string(t.end) + "]}";
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > SafetensorsLimits::header_bytes)
    return Error{{Errc::header_too_large}, file, "its header would exceed 100 MB"};
  if (add_overflows(at, static_cast<std::int64_t>(8 + text.size()), &at))
    return Error{{Errc::size_overflow}, file, "the file would take more than 2^63 bytes"};
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return bytes + text;
}

}  // namespace qfmt::inline v0::io
