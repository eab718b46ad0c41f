// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "config_file.hpp"

#include <qfmt/io/mapped_file.hpp>

namespace engine {

ConfigFile::ConfigFile(std::filesystem::path const& file) : file_(file.string()) {
  auto const text = value_or_fail(qfmt::io::MappedFile::open(file));
  auto const bytes = text.bytes();
  json_ = value_or_fail(
      qfmt::io::parse_json({reinterpret_cast<char const*>(bytes.data()), bytes.size()}, file_, 64));
}

void ConfigFile::require_text(char const* name, char const* text, bool may_lack) const {
  auto const at = json_.find(name);
  require(at == json_.end() ? may_lack : *at == text,
          file_ + ": " + name + " is not \"" + text + "\"");
}

bool ConfigFile::is_set(char const* name) const {
  auto const at = json_.find(name);
  return at != json_.end() && !at->is_null() && *at != false;
}

std::int64_t ConfigFile::size(char const* name, std::int64_t otherwise) const {
  constexpr std::int64_t limit = std::int64_t{1} << 24;
  std::int64_t const n = number(name, otherwise);
  require(n > 0 && n <= limit, file_ + ": " + name + " is missing or not from 1 to 2^24");
  return n;
}

}  // namespace engine
