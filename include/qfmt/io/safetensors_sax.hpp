// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The JSON of a safetensors header, taken in as it is parsed.
#pragma once

#include "qfmt/io/tensor_info.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace qfmt::inline v0::io {

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct SafetensorsHeader {
  Metadata metadata;                // in file order
  std::vector<TensorInfo> tensors;  // in order of offset
  std::int64_t data_begin = 0;      // bytes before the data part
};

/// What no sound file exceeds. The first is the format's own limit.
struct SafetensorsLimits {
  static constexpr std::uint64_t header_bytes = 100'000'000;
  static constexpr std::size_t tensors = 1'000'000;
  static constexpr std::size_t rank = 64;
  static constexpr std::size_t name_bytes = 4096;
};

namespace detail {

/// Bytes of the control character (U+0000..1F, U+7F..9F) that UTF-8 text holds at i; 0 if none.
inline std::size_t control_at(std::string_view text, std::size_t i) {
  auto const byte = [text](std::size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0xFFu;
  };
  if (byte(i) < 0x20 || byte(i) == 0x7F) return 1;
  return byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0 ? 2 : 0;
}

/// The first 200 bytes or fewer, control characters spelled out: safe for a terminal.
inline std::string printable(std::string_view text) {
  std::size_t end = std::min<std::size_t>(text.size(), 200);
  if (end < text.size())
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character
  std::string result;
  for (std::size_t i = 0; i < end; ++i) {
    std::size_t const control = control_at(text, i);
    for (std::size_t k = 0; k < control; ++k) {
      auto const c = static_cast<unsigned char>(text[i + k]);
      result += {'\\', 'x', "0123456789abcdef"[c / 16], "0123456789abcdef"[c % 16]};
    }
    if (control == 0) result += text[i];
    if (control == 2) ++i;
  }
  return result;
}

/// Why no tensor may have this name; null if one may.
inline char const* fault_of_name(std::string_view name) {
  if (name.size() > SafetensorsLimits::name_bytes) return "the name is longer than 4096 bytes";
  for (std::size_t i = 0; i < name.size(); ++i)
    if (control_at(name, i) != 0) return "the name holds control characters";
  return nullptr;
}

/// Takes the header's JSON as it is parsed, so that a duplicate key is seen and a surplus of
/// anything ends the parse. A callback that returns false stops it; `error` then says why.
class SafetensorsSax {
 public:
  explicit SafetensorsSax(std::string file) : file_(std::move(file)) {}

  SafetensorsHeader header;
  Error error;

  bool null() { return misplaced("null"); }
  bool boolean(bool) { return misplaced("true or false"); }
  bool number_integer(std::int64_t) { return misplaced("a negative number"); }
  bool number_float(double, std::string const&) {
    return misplaced("a number that is no integer of 64 bits");
  }
  bool binary(nlohmann::json::binary_t&) { return misplaced("binary data"); }

  bool number_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return fail(Errc::size_overflow, "a number does not fit 63 bits");
    auto const number = static_cast<std::int64_t>(value);
    if (place_ == Place::shape) {
      if (tensor().shape.size() == SafetensorsLimits::rank)
        return fail(Errc::invalid_header, "it has more than 64 dimensions");
      tensor().shape.push_back(number);
      return true;
    }
    if (place_ != Place::offsets) return misplaced("a number");
    if (offsets_ == 2) return fail(Errc::invalid_header, "data_offsets has more than two numbers");
    (offsets_++ == 0 ? tensor().begin : tensor().end) = number;
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      header.metadata.back().second = value;
      return true;
    }
    if (place_ != Place::tensor || field_ != Field::dtype) return misplaced("a string");
    auto const dtype = dtype_named(value);
    if (!dtype)
      return fail(Errc::unsupported_dtype, "its dtype '" + printable(value) + "' is unknown");
    tensor().dtype = *dtype;
    field_ = Field::none;
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top && !key_is_metadata_) {
      place_ = Place::tensor;
      seen_ = 0;
    } else if (place_ == Place::top) {
      place_ = Place::metadata;
    } else {
      return misplaced("an object");
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor && seen_ != 7)
      return fail(Errc::invalid_header, "dtype, shape or data_offsets is missing");
    if (place_ == Place::tensor) subject_.clear();
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != Place::tensor || (field_ != Field::shape && field_ != Field::offsets))
      return misplaced("an array");
    place_ = field_ == Field::shape ? Place::shape : Place::offsets;
    offsets_ = 0;
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2)
      return fail(Errc::invalid_header, "data_offsets has fewer than two numbers");
    place_ = Place::tensor;
    field_ = Field::none;
    return true;
  }

  bool key(std::string& name) {
    if (place_ == Place::top) return top_key(name);
    if (place_ == Place::metadata) {
      if (!metadata_keys_.insert(name).second)
        return fail(Errc::duplicate_name, "__metadata__ holds '" + printable(name) + "' twice");
      header.metadata.emplace_back(name, "");
      return true;
    }
    field_ = name == "dtype"          ? Field::dtype
             : name == "shape"        ? Field::shape
             : name == "data_offsets" ? Field::offsets
                                      : Field::none;
    if (field_ == Field::none)
      return fail(Errc::invalid_header, "it has a field '" + printable(name) + "'");
    int const bit = 1 << static_cast<int>(field_);
    if (seen_ & bit) return fail(Errc::duplicate_name, "its field '" + name + "' stands twice");
    seen_ |= bit;
    return true;
  }

  bool parse_error(std::size_t position, std::string const&, nlohmann::json::exception const&) {
    return fail(Errc::invalid_json,
                "its header is not valid JSON at byte " + std::to_string(position));
  }

 private:
  enum class Place { outside, top, metadata, tensor, shape, offsets };
  enum class Field { dtype, shape, offsets, none };

  bool top_key(std::string const& name) {
    if (!names_.insert(name).second) {
      subject_ = printable(name);
      return fail(Errc::duplicate_name, "the name stands twice");
    }
    key_is_metadata_ = name == "__metadata__";
    if (key_is_metadata_) return true;
    subject_ = printable(name);
    if (char const* const fault = fault_of_name(name)) return fail(Errc::invalid_header, fault);
    if (header.tensors.size() == SafetensorsLimits::tensors)
      return fail(Errc::header_too_large, "the file holds more than a million tensors");
    header.tensors.emplace_back().name = name;
    return true;
  }

  TensorInfo& tensor() { return header.tensors.back(); }

  bool fail(Errc code, std::string detail) {
    error = {{code}, subject_.empty() ? file_ : subject_ + " in " + file_, std::move(detail)};
    return false;
  }
  bool misplaced(char const* what) {
    return fail(Errc::invalid_header, std::string(what) + " stands where the format has none");
  }

  std::string file_;
  std::string subject_;  // the tensor being read
  std::unordered_set<std::string> names_, metadata_keys_;
  Place place_ = Place::outside;
  Field field_ = Field::none;
  bool key_is_metadata_ = false;
  int seen_ = 0;     // fields of the tensor, a bit each
  int offsets_ = 0;  // numbers of data_offsets
};

}  // namespace detail
}  // namespace qfmt::inline v0::io
