// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "commands.hpp"
#include "failure.hpp"
#include "text.hpp"
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

/// The file's tensors, each quantized weight as one.
std::vector<Row> rows_of(qfmt::io::SafetensorsFile const& file, Weights const& weights) {
  std::vector<Row> rows;
  for (auto const& tensor : file.tensors()) {
    if (weights.is_side_piece(tensor.name)) continue;
    Row row{tensor.name, std::string(traits_of(tensor.dtype).name), tensor.shape, tensor.bytes(),
            weights.find(tensor.name)};
    if (row.weight != nullptr && row.weight->codec != nullptr) {
      row.shape = row.weight->stored.shape;
      row.bytes = row.weight->bytes;
    }
    rows.push_back(std::move(row));
  }
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

void print_as_json(qfmt::io::SafetensorsFile const& file, std::vector<Row> const& rows,
                   std::size_t quantized) {
  Json json{{"schema_version", json_schema_version}, {"file", file.path()}};
  json["metadata"] = Json::object();
  for (auto const& [key, value] : file.metadata()) json["metadata"][key] = value;
  json["tensors"] = Json::array();
  for (Row const& row : rows) json["tensors"].push_back(json_of(row));
  json["totals"] = {{"tensors", rows.size()},
                    {"quantized", quantized},
                    {"stored_tensors", file.tensors().size()},
                    {"header_bytes", file.header_bytes()},
                    {"file_bytes", file.file_bytes()}};
  print_json(json);
}

void print_as_text(qfmt::io::SafetensorsFile const& file, std::vector<Row> const& rows,
                   std::size_t quantized) {
  Table table({"tensor", "dtype", "shape", "bytes", "scheme", "bits/value"});
  for (Row const& row : rows) {
    auto const bits = row.bits_per_value();
    table.add({printable(row.name), row.dtype, shape_text(row.shape), std::to_string(row.bytes),
               row.weight != nullptr ? scheme_text(row.weight->stored.desc) : "-",
               bits ? fmt::format("{:.3f}", *bits) : "-"});
  }
  table.print();
  for (auto const& [key, value] : file.metadata())
    fmt::print("metadata {}: {}\n", printable(key), printable(value));
  fmt::print("{} tensors, {} of them quantized; {} bytes, {} of them header\n", rows.size(),
             quantized, file.file_bytes(), file.header_bytes());
}

}  // namespace

int info(InfoOptions const& options) {
  auto const file = value_or_fail(qfmt::io::SafetensorsFile::open(options.file), exit_bad_input);
  Weights const weights(file);
  auto const rows = rows_of(file, weights);
  (options.json ? print_as_json : print_as_text)(file, rows, weights.size());
  return exit_ok;
}

}  // namespace app
