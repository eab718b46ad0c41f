// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Scores as a table, as JSON and as a chart.
#pragma once

#include "score.hpp"

namespace engine {

struct Row {
  FormatChoice format;
  double bits_per_weight = 0.0;
  std::int64_t bytes = 0;
  Score score;
};

struct Report {
  std::string model, text;  // their names
  std::int64_t window = 0;  // tokens
  double bytes_per_token = 1.0;
  std::vector<Row> rows;

  /// Bits a byte of the text for nats a token.
  double bits(double nats) const;
};

std::string as_table(Report const& report);
std::string as_json(Report const& report);

/// The 4-bit formats: bits per weight against the increase of the loss, as SVG.
std::string as_svg(Report const& report);

}  // namespace engine
