// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace app {

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    bool const c1 = c == 0xC2 && i + 1 < text.size() && (text[i + 1] & 0xE0) == 0x80;  // U+80..9F
    if (c >= 0x20 && c != 0x7F && !c1) {
      result += text[i];
    } else if (c1) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else {
      result += fmt::format("\\x{:02x}", c);
    }
  }
  return result;
}

std::string shape_text(std::vector<std::int64_t> const& shape) {
  std::string text = "[";
  for (std::int64_t const d : shape) text += fmt::format("{}{}", text.size() == 1 ? "" : ", ", d);
  return text + "]";
}

Json scheme_json(qfmt::SchemeDesc const& desc) {
  if (desc.row_wise) return {{"format", desc.format}, {"row_wise", true}};
  return {{"format", desc.format},
          {"block_size", desc.block_size},
          {"double_quant", desc.double_quant}};
}

void print_json(Json const& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

void Table::print() const {
  std::vector<std::size_t> width(rows_.front().size(), 0);
  for (auto const& row : rows_)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  std::size_t total = 2 * (width.size() - 1);
  for (std::size_t const w : width) total += w;
  for (auto const& row : rows_) {
    std::string line = row.empty() ? std::string(total, '-') : "";
    for (std::size_t c = 0; c < row.size(); ++c)
      line += c == 0 ? fmt::format("{:<{}}", row[c], width[c])
                     : fmt::format("  {:>{}}", row[c], width[c]);
    fmt::print("{}\n", line);
  }
}

}  // namespace app
