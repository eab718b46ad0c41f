// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The measure as a table and as JSON.
#pragma once

#include <string>

#include "fidelity.hpp"
#include "format.hpp"

namespace encoder {

struct Row {
  engine::FormatChoice format;
  double bits_per_weight = 0.0;
  std::int64_t bytes = 0;
  Fidelity fidelity;
  double seconds = 0.0;
};

struct Report {
  std::string model, text;  // their names
  std::int64_t sentences = 0, tokens = 0, batch = 0;
  std::vector<Row> rows;
};

/// The table in parts, so that it can be shown while it grows.
std::string heading(Report const& report);
std::string as_line(Row const& row);

std::string as_json(Report const& report);

}  // namespace encoder
