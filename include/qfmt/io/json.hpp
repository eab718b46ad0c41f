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

namespace detail {

/// What stands for a number that Python writes and JSON has not: such a text, which no sane file
/// holds as a string of its own.
inline std::string stand_in(std::string_view word) {
  return "\"\\u0001" + std::string(word) + "\"";
}

/// The words NaN, Infinity and -Infinity of a text, outside its strings and where a value ends, as
/// strings.
inline std::string without_python_numbers(std::string_view text) {
  constexpr std::string_view words[]{"NaN", "-Infinity", "Infinity"};
  auto const stands_here = [&](std::string_view word, std::size_t i) {
    if (!text.substr(i).starts_with(word)) return false;
    auto const next = text.find_first_not_of(" \t\r\n", i + word.size());
    return next != text.npos && std::string_view(",]}").find(text[next]) != text.npos;
  };
  std::string result;
  result.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    auto const word = std::find_if(std::begin(words), std::end(words), [&](std::string_view w) {
      return !in_string && stands_here(w, i);
    });
    if (word != std::end(words)) {
      result += stand_in(*word);
      i += word->size();
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\' && i + 1 < text.size()) result += text[i++];
    result += text[i++];
  }
  return result;
}

}  // namespace detail

/// parse_json of what Python's json module writes: NaN and the infinities may stand for numbers, as
/// in some models' config.json, and become strings that python_json_text() turns back. Errors:
/// those of parse_json.
inline Result<Json> parse_python_json(std::string_view text, std::string const& subject,
                                      int depth) {
  return parse_json(detail::without_python_numbers(text), subject, depth);
}

/// The text of an object of parse_python_json, indented by two, with a line's end.
inline std::string python_json_text(Json const& json) {
  std::string text = json.dump(2) + "\n";
  for (std::string_view const word : {"NaN", "-Infinity", "Infinity"}) {
    auto const from = detail::stand_in(word);
    for (auto at = text.find(from); at != text.npos; at = text.find(from, at + word.size()))
      text.replace(at, from.size(), word);
  }
  return text;
}

/// The fields of an object, with errors in the name of `subject`.
class JsonFields {
 public:
  /// Of an object that outlives this; `subject` names it in errors.
  JsonFields(Json const& object, std::string subject)
      : object_(object), subject_(std::move(subject)) {}

  /// The field of that name, or null.
  Json const* find(std::string_view name) const {
    auto const at = object_.find(std::string(name));
    return at == object_.end() ? nullptr : &*at;
  }

  /// invalid_header with this detail.
  Error wrong(std::string detail) const {
    return {{Errc::invalid_header}, subject_, std::move(detail)};
  }

  /// invalid_header where the object has a field that is none of these.
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
