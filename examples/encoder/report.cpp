// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <qfmt/version.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "machine.hpp"

namespace encoder {

std::string heading(Report const& report) {
  return fmt::format(
      "{}, {}, {} sentences, {} tokens, batches of {}; {}, {}\n\n"
      "{:<23} {:<5} {:>7} {:>10} {:>13} {:>13} {:>9} {:>14}\n",
      report.model, report.text, report.sentences, report.tokens, report.batch, engine::machine(),
      engine::today(), "format", "in", "bits/w", "bytes", "1 - mean cos", "1 - min cos", "Spearman",
      "neighbour%");
}

std::string as_line(Row const& row) {
  Fidelity const& f = row.fidelity;
  return fmt::format(
      "{:<23} {:<5} {:>7.3f} {:>10} {:>13.6f} {:>13.6f} {:>9.6f} {:>7.2f} ±{:>5.2f}\n",
      row.format.text, name_of(row.format.compute), row.bits_per_weight, row.bytes,
      1.0 - f.mean_cosine, 1.0 - f.least_cosine, f.rank_correlation, 100.0 * f.same_neighbour,
      100.0 * f.same_neighbour_error);
}

std::string as_json(Report const& report) {
  using Json = nlohmann::ordered_json;
  Json json{
      {"schema_version", 1},
      {"qfmt", fmt::format("{}.{}.{}", QFMT_VERSION_MAJOR, QFMT_VERSION_MINOR, QFMT_VERSION_PATCH)},
      {"date", engine::today()},
      {"machine", engine::machine()},
      {"model", report.model},
      {"text", report.text},
      {"sentences", report.sentences},
      {"tokens", report.tokens},
      {"batch", report.batch},
      {"rows", Json::array()}};
  for (Row const& row : report.rows) {
    Fidelity const& f = row.fidelity;
    json["rows"].push_back({{"format", row.format.text},
                            {"compute", name_of(row.format.compute)},
                            {"bits_per_weight", row.bits_per_weight},
                            {"weight_bytes", row.bytes},
                            {"mean_cosine", f.mean_cosine},
                            {"least_cosine", f.least_cosine},
                            {"rank_correlation", f.rank_correlation},
                            {"same_neighbour", f.same_neighbour},
                            {"same_neighbour_error", f.same_neighbour_error},
                            {"seconds", row.seconds}});
  }
  return json.dump(1) + "\n";
}

}  // namespace encoder
