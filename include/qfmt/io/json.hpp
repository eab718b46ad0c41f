// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON from files: parsed without exceptions, shallow, and with every name once.
#pragma once

#include "qfmt/io/error.hpp"
#include "qfmt/io/printable.hpp"
#include "qfmt/io/torch_dtype.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace qfmt::inline v0::io {

using Json = nlohmann::json;  // names sorted: finding one is fast, whatever a file holds

/// Parses an object whose objects and lists lie no more than `depth` within each other. Errors,
/// with `subject` as theirs: invalid_json; duplicate_name, which JSON parsers usually let pass.
inline Result<Json> parse_json(std::string_view text, std::string const& subject, int depth) {
  if (text.find('\0') != text.npos)
    return Error{{Errc::invalid_json}, subject, "its JSON holds a NUL byte"};
  if (text.starts_with("\xEF\xBB\xBF"))
    return Error{{Errc::invalid_json}, subject, "its JSON begins with a byte-order mark"};
  Error error;
  std::vector<std::unordered_set<std::string>> names;  // of the objects that are open
  auto const refuse = [&](Errc code, std::string detail) {
    if (!error) error = {{code}, subject, std::move(detail)};
    return false;
  };
  auto const watch = [&](int level, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (error) return false;
    if (event == Event::object_start || event == Event::array_start) {
      if (level >= depth) return refuse(Errc::invalid_json, "its JSON is nested too deeply");
      if (event == Event::object_start) names.emplace_back();
    } else if (event == Event::object_end) {
      if (!names.empty()) names.pop_back();
    } else if (event == Event::key && !names.empty()) {
      auto const& name = value.get_ref<std::string const&>();
      if (!names.back().insert(name).second)
        return refuse(Errc::duplicate_name,
                      "its JSON holds '" + detail::printable(name) + "' twice");
    }
    return true;
  };
  Json json = Json::parse(text.begin(), text.end(), watch, false);
  if (error) return error;
  if (!json.is_object()) return Error{{Errc::invalid_json}, subject, "it is not a JSON object"};
  return Result<Json>(std::move(json));
}

/// The fields of an object, with errors in the name of `subject`.
class JsonFields {
 public:
  JsonFields(Json const& object, std::string subject)
      : object_(object), subject_(std::move(subject)) {}

  /// The field of that name, or null.
  Json const* find(std::string_view name) const {
    auto const at = object_.find(std::string(name));
    return at == object_.end() ? nullptr : &*at;
  }

  Error wrong(std::string detail) const {
    return {{Errc::invalid_header}, subject_, std::move(detail)};
  }

  /// An error where the object has a field that is none of these.
  Error check_names(std::span<std::string_view const> known) const {
    for (auto const& item : object_.items())
      if (std::find(known.begin(), known.end(), item.key()) == known.end())
        return wrong("it has an unknown field '" + detail::printable(item.key()) + "'");
    return {};
  }

  /// The element type that a field of PyTorch's name for it states; nothing if it does not.
  std::optional<Dtype> torch_dtype(std::string_view name) const {
    Json const* const field = find(name);
    if (field == nullptr || !field->is_string()) return std::nullopt;
    return torch_dtype_named(field->get_ref<std::string const&>());
  }

 private:
  Json const& object_;
  std::string subject_;
};

}  // namespace qfmt::inline v0::io
