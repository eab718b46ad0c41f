// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Text for people, and the pieces of JSON that several commands print.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "codec.hpp"

namespace app {

using Json = nlohmann::ordered_json;  // what is printed; files are read as qfmt::io::Json

constexpr int json_schema_version = 1;

/// Control characters spelled out: safe for a terminal, whatever a file or path is called.
std::string printable(std::string_view text);

/// "[384, 1536]"
std::string shape_text(std::vector<std::int64_t> const& shape);

/// {"format": "nf4", "block_size": 64, "double_quant": true}
Json scheme_json(qfmt::SchemeDesc const& desc);

/// Prints JSON to stdout.
void print_json(Json const& json);

/// Rows of cells, the first column flush left and the others flush right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void add_rule() { rows_.emplace_back(); }
  void print() const;  // to stdout

 private:
  std::vector<std::vector<std::string>> rows_;  // an empty one is a rule
};

}  // namespace app
