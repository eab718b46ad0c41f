// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What every format loses on values of several distributions, and on real weights.
#include <fmt/core.h>
#include <fmt/format.h>

#include <optional>

#include "commands.hpp"
#include "differences.hpp"
#include "failure.hpp"
#include "model.hpp"
#include "round_trips.hpp"
#include "text.hpp"

namespace app {
namespace {

constexpr std::size_t random_count = 1 << 20;

/// Values that are quantized on their own: scales of a tensor are.
struct Values {
  std::string name;
  std::vector<float> values;
};

/// The two-dimensional floating-point tensors of a model.
std::vector<Values> weights_of(Model const& model) {
  std::vector<Values> weights;
  model.checkpoint.visit([&](qfmt::io::StoredTensor const& tensor) {
    if (!is_floating_point(tensor.info->dtype) || tensor.info->shape.size() != 2) return;
    std::vector<float> values;
    with_values(tensor.info->dtype, tensor.bytes, [&](auto some) {
      for (auto const x : some) values.push_back(qfmt::to_float(x));
    });
    weights.push_back({tensor.info->name, std::move(values)});
  });
  return weights;
}

/// Nothing where there are no values.
std::optional<double> relative_rmse(FormatEntry const& entry, std::vector<Values> const& tensors) {
  Differences sum;
  for (auto const& [name, values] : tensors) {
    auto const made = entry.round_trip(values, qfmt::SimdLevel::best);
    if (made.status.code == qfmt::Errc::non_finite)
      throw Failure(exit_cannot_quantize,
                    name + ": value " + std::to_string(made.status.index) + " is NaN or infinite");
    if (!made.status)
      throw Failure(exit_cannot_quantize, name + ": cannot be quantized: " +
                                              std::string(qfmt::message(made.status.code)));
    sum.add(differences_of(std::span<float const>(values), std::span<float const>(made.decoded)));
  }
  return sum.count == 0 ? std::nullopt : std::optional(sum.relative_rmse());
}

}  // namespace

int table(TableOptions const& options) {
  std::vector<std::string> header{"format", "bits/value", "normal", "uniform", "Student t"};
  std::vector<std::vector<Values>> columns;
  for (auto const d : {Distribution::normal, Distribution::uniform, Distribution::student_t})
    columns.push_back({{"random values", random_values(d, random_count)}});
  if (!options.model.empty()) {
    columns.push_back(weights_of(open_model(options.model)));
    header.push_back(options.model_name.empty() ? "weights" : options.model_name);
  }
  Json json{{"schema_version", json_schema_version}, {"formats", Json::array()}};
  if (!options.json)
    fmt::print("| {} |\n|{}\n", fmt::join(header, " | "), [&] {
      std::string rule = " --- |";
      for (std::size_t i = 1; i < header.size(); ++i) rule += " ---: |";
      return rule;
    }());
  for (auto const& entry : format_entries()) {
    std::vector<std::string> cells{scheme_text(entry.desc),
                                   fmt::format("{:.3f}", entry.bits_per_value(random_count))};
    Json errors = Json::array();
    for (auto const& column : columns) {
      auto const error = relative_rmse(entry, column);
      cells.push_back(error ? fmt::format("{:.4f}", *error) : "-");
      errors.push_back(error ? Json(*error) : Json(nullptr));
    }
    if (options.json) {
      json["formats"].push_back({{"scheme", cells[0]},
                                 {"bits_per_value", entry.bits_per_value(random_count)},
                                 {"relative_rmse", std::move(errors)}});
    } else {
      fmt::print("| {} |\n", fmt::join(cells, " | "));
    }
  }
  if (options.json) print_json(json);
  return exit_ok;
}

}  // namespace app
