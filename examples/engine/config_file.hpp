// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The fields of a model's config.json. Each throws a Failure that names the file and the field.
#pragma once

#include <qfmt/io/json.hpp>

#include <filesystem>
#include <string>

#include "failure.hpp"

namespace engine {

class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path const& file);

  /// The field must say this; `may_lack`: or be left out.
  void require_text(char const* name, char const* text, bool may_lack) const;

  /// Neither left out nor null nor false.
  bool is_set(char const* name) const;

  /// The field's number, or `otherwise` where the file leaves it out or says null.
  template <class T>
  T number(char const* name, T otherwise) const {
    auto const at = json_.find(name);
    if (at == json_.end() || at->is_null()) return otherwise;
    require(at->is_number(), file_ + ": " + name + " is not a number");
    return at->template get<T>();
  }

  /// A number from 1 to 2^24.
  std::int64_t size(char const* name, std::int64_t otherwise = 0) const;

  /// The file's name, to begin a message with.
  std::string const& file() const { return file_; }

 private:
  std::string file_;
  qfmt::io::Json json_;
};

}  // namespace engine
