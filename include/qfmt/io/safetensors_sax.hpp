// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The JSON of a safetensors header, taken in as it is parsed.
#pragma once

#include "qfmt/io/printable.hpp"
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

/// Strings by name, in file order.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// What a header says.
struct SafetensorsHeader {
  Metadata metadata;                // in file order
  std::vector<TensorInfo> tensors;  // in order of offset
  std::int64_t data_begin = 0;      // bytes before the data part
};

namespace detail {

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
