// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "commands.hpp"
#include "failure.hpp"
#include "model.hpp"
#include "text.hpp"
#include "validate.hpp"
#include "weights.hpp"

namespace app {
namespace {

struct Row {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::int64_t bytes;
  Weight const* weight;  // null where it is not quantized

  /// Codes and scales over values; nothing for an unknown scheme or no values.
  std::optional<double> bits_per_value() const {
    std::int64_t const count = count_of(shape);
    if (weight == nullptr || weight->codec == nullptr || count == 0) return std::nullopt;
    return static_cast<double>(weight->codec->bits(shape)) / static_cast<double>(count);
  }
};

/// The model's tensors, each quantized weight as one.
std::vector<Row> rows_of(qfmt::io::Checkpoint const& checkpoint, Weights const& weights) {
  std::vector<Row> rows;
  checkpoint.visit([&](qfmt::io::StoredTensor const& stored) {
    auto const& tensor = *stored.info;
    if (weights.is_side_piece(tensor.name)) return;
    Row row{tensor.name, std::string(traits_of(tensor.dtype).name), tensor.shape, tensor.bytes(),
            weights.find(tensor.name)};
    if (row.weight != nullptr && row.weight->codec != nullptr) {
      row.name = row.weight->stored.name;
      row.shape = row.weight->stored.shape;
      row.bytes = row.weight->bytes;
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

Json json_of(Row const& row) {
  Json json{{"name", row.name}, {"dtype", row.dtype}, {"shape", row.shape}, {"bytes", row.bytes}};
  if (row.weight == nullptr) return json;
  json["scheme"] = scheme_json(row.weight->stored.desc);
  auto const bits = row.bits_per_value();
  json["bits_per_value"] = bits ? Json(*bits) : Json(nullptr);
  json["pieces"] = row.weight->pieces;
  return json;
}

struct Totals {
  std::int64_t file_bytes = 0, header_bytes = 0;
  std::size_t stored_tensors = 0;

  explicit Totals(qfmt::io::Checkpoint const& checkpoint) {
    for (auto const& file : checkpoint.files()) {
      file_bytes += file.file_bytes();
      header_bytes += file.header_bytes();
      stored_tensors += file.tensors().size();
    }
  }
};

void print_as_json(Model const& model, std::vector<Row> const& rows, std::size_t quantized) {
  Json json{{"schema_version", json_schema_version}, {"file", model.path.string()}};
  json["metadata"] = Json::object();
  for (auto const& file : model.checkpoint.files())
    for (auto const& [key, value] : file.metadata()) json["metadata"][key] = value;
  if (model.quantization) json["quantization_config"] = qfmt::io::to_json(*model.quantization);
  json["tensors"] = Json::array();
  for (Row const& row : rows) json["tensors"].push_back(json_of(row));
  Totals const totals(model.checkpoint);
  json["totals"] = {{"files", model.checkpoint.files().size()},
                    {"tensors", rows.size()},
                    {"quantized", quantized},
                    {"stored_tensors", totals.stored_tensors},
                    {"header_bytes", totals.header_bytes},
                    {"file_bytes", totals.file_bytes}};
  print_json(json);
}

void print_as_text(Model const& model, std::vector<Row> const& rows, std::size_t quantized) {
  Table table({"tensor", "dtype", "shape", "bytes", "scheme", "bits/value"});
  for (Row const& row : rows) {
    auto const bits = row.bits_per_value();
    table.add({printable(row.name), row.dtype, shape_text(row.shape), std::to_string(row.bytes),
               row.weight != nullptr ? scheme_text(row.weight->stored.desc) : "-",
               bits ? fmt::format("{:.3f}", *bits) : "-"});
  }
  table.print();
  for (auto const& file : model.checkpoint.files())
    for (auto const& [key, value] : file.metadata())
      fmt::print("metadata {}: {}\n", printable(key), printable(value));
  Totals const totals(model.checkpoint);
  fmt::print("{} tensors, {} of them quantized; {} bytes, {} of them header\n", rows.size(),
             quantized, totals.file_bytes, totals.header_bytes);
}

/// Exit status: 0 where every rule is kept.
int print_validation(InfoOptions const& options) {
  using Outcome = RuleResult::Outcome;
  auto const results = validate(options.file);
  bool good = true;
  Json rules = Json::array();
  for (auto const& result : results) {
    char const* const outcome = result.outcome == Outcome::pass   ? "pass"
                                : result.outcome == Outcome::fail ? "FAIL"
                                                                  : "not reached";
    good = good && result.outcome == Outcome::pass;
    if (options.json) {
      rules.push_back({{"file", result.file}, {"rule", result.rule}, {"outcome", outcome}});
      if (!result.detail.empty()) rules.back()["detail"] = result.detail;
    } else {
      fmt::print("{:<11}  {}: {}\n", outcome, printable(result.file), result.rule);
      if (!result.detail.empty()) fmt::print("             {}\n", printable(result.detail));
    }
  }
  if (options.json)
    print_json({{"schema_version", json_schema_version}, {"valid", good}, {"rules", rules}});
  return good ? exit_ok : exit_bad_input;
}

}  // namespace

int info(InfoOptions const& options) {
  if (options.validate) return print_validation(options);
  auto const model = open_model(options.file);
  Weights const weights(model.checkpoint);
  auto const rows = rows_of(model.checkpoint, weights);
  (options.json ? print_as_json : print_as_text)(model, rows, weights.size());
  return exit_ok;
}

}  // namespace app
