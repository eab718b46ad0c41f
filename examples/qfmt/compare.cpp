// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "commands.hpp"
#include "differences.hpp"
#include "failure.hpp"
#include "text.hpp"
#include "weights.hpp"

namespace app {
namespace {

using qfmt::io::Checkpoint, qfmt::io::StoredTensor, qfmt::io::TensorInfo;

enum class Outcome { quantized, identical, differs, missing, added };

constexpr char const* outcome_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::quantized: return "quantized";
    case Outcome::identical: return "identical";
    case Outcome::differs: return "DIFFERS";
    case Outcome::missing: return "MISSING";
    case Outcome::added: return "ADDED";
  }
  return "";
}

struct Row {
  std::string name;
  std::vector<std::int64_t> shape;
  Outcome outcome;
  std::string scheme = {};
  std::int64_t bits = 0;  // of codes and scales
  Differences differences = {};

  double bits_per_value() const {
    return static_cast<double>(bits) /
           static_cast<double>(std::max<std::int64_t>(1, differences.count));
  }
};

class Comparison {
 public:
  /// figures: where not null, gets what is to be drawn.
  Comparison(Checkpoint const& before, Checkpoint const& after, int threads,
             std::map<std::string, SchemeFigures>* figures)
      : before_(before), after_(after), weights_(after), threads_{threads}, figures_(figures) {
    before_.visit([&](StoredTensor const& tensor) { rows_.push_back(row_of(tensor)); });
    after_.visit([&](StoredTensor const& tensor) {
      Weight const* const weight = weights_.find(tensor.info->name);
      auto const& name = weight != nullptr ? weight->stored.name : tensor.info->name;
      if (!before_.locate(name) && !weights_.is_side_piece(tensor.info->name))
        rows_.push_back({tensor.info->name, tensor.info->shape, Outcome::added});
    });
  }

  std::vector<Row> const& rows() const { return rows_; }

 private:
  Row row_of(StoredTensor const& tensor) const {
    TensorInfo const& info = *tensor.info;
    if (is_floating_point(info.dtype))
      if (Weight const* const weight = weights_.find_known(info.name))
        return decoded(tensor, *weight);
    auto const other = after_.locate(info.name);
    if (!other) return {info.name, info.shape, Outcome::missing};
    check_unchanged();
    bool const same = other->info->dtype == info.dtype && other->info->shape == info.shape &&
                      std::ranges::equal(tensor.bytes, other->bytes);
    return {info.name, info.shape, same ? Outcome::identical : Outcome::differs};
  }

  Row decoded(StoredTensor const& tensor, Weight const& weight) const {
    TensorInfo const& info = *tensor.info;
    auto shape = info.shape;
    bool const turned = weight.stored.shape != shape && shape.size() == 2;
    if (turned) std::swap(shape[0], shape[1]);
    if (weight.stored.shape != shape) return {info.name, info.shape, Outcome::differs};
    std::vector<float> values(static_cast<std::size_t>(count_of(shape)));
    check_unchanged();
    fail_on(weight.codec->decode(after_, weight.stored, 0, values, threads_), exit_bad_input);
    Row row{info.name, info.shape, Outcome::quantized, scheme_text(weight.stored.desc)};
    row.bits = weight.codec->bits(shape);
    std::vector<std::byte> copy;
    if (turned)
      copy = transposed(tensor.bytes, info.shape[0], info.shape[1],
                        qfmt::io::traits_of(info.dtype).bits / 8);
    row.differences = with_values(info.dtype, turned ? copy : tensor.bytes, [&](auto original) {
      if (figures_ != nullptr) add_figures(original, values, weight);
      return differences_of(original, std::span<float const>(values));
    });
    return row;
  }

  template <class T>
  void add_figures(std::span<T const> original, std::span<float const> values,
                   Weight const& weight) const {
    SchemeFigures& figures = (*figures_)[scheme_text(weight.stored.desc)];
    std::vector<float> wide;
    wide.reserve(original.size());
    for (T const x : original) wide.push_back(qfmt::to_float(x));
    figures.add_errors(wide, values);
    Usage usage;
    fail_on(weight.codec->usage(after_, weight.stored, usage), exit_bad_input);
    figures.add(usage);
  }

  void check_unchanged() const {
    for (auto const* checkpoint : {&before_, &after_})
      for (auto const& file : checkpoint->files()) fail_on(file.check_unchanged(), exit_bad_input);
  }

  Checkpoint const& before_;
  Checkpoint const& after_;
  Weights weights_;
  qfmt::host::Threads threads_;
  std::map<std::string, SchemeFigures>* figures_;
  std::vector<Row> rows_;
};

/// All quantized weights as one tensor.
Row total_of(std::vector<Row> const& rows) {
  Row total{"all quantized", {}, Outcome::quantized};
  for (Row const& row : rows) {
    total.bits += row.bits;
    total.differences.add(row.differences);
  }
  return total;
}

std::int64_t count(std::vector<Row> const& rows, Outcome outcome) {
  return std::ranges::count(rows, outcome, &Row::outcome);
}

void add_figures(Json& json, Row const& row) {
  json["bits_per_value"] = row.bits_per_value();
  json["rmse"] = row.differences.rmse();
  json["relative_rmse"] = row.differences.relative_rmse();  // what is not finite becomes null
  json["max_error"] = row.differences.largest;
  json["snr_db"] = row.differences.snr_db();
}

void print_as_json(CompareOptions const& options, std::vector<Row> const& rows) {
  Json json{{"schema_version", json_schema_version},
            {"before", options.before.string()},
            {"after", options.after.string()}};
  json["tensors"] = Json::array();
  for (Row const& row : rows) {
    std::string outcome = outcome_text(row.outcome);
    std::ranges::transform(outcome, outcome.begin(),
                           [](unsigned char c) { return std::tolower(c); });
    Json entry{{"name", row.name}, {"shape", row.shape}, {"outcome", outcome}};
    if (row.outcome == Outcome::quantized) {
      entry["scheme"] = row.scheme;
      add_figures(entry, row);
    }
    json["tensors"].push_back(std::move(entry));
  }
  Row const total = total_of(rows);
  Json totals{{"values", total.differences.count}};
  for (auto const& [key, outcome] : {std::pair{"quantized", Outcome::quantized},
                                     {"identical", Outcome::identical},
                                     {"differs", Outcome::differs},
                                     {"missing", Outcome::missing},
                                     {"added", Outcome::added}})
    totals[key] = count(rows, outcome);
  add_figures(totals, total);
  json["totals"] = std::move(totals);
  print_json(json);
}

std::vector<std::string> cells(Row const& row, std::string const& shape,
                               std::string const& outcome) {
  if (row.outcome != Outcome::quantized)
    return {printable(row.name), shape, outcome, "-", "-", "-", "-", "-"};
  Differences const& d = row.differences;
  return {printable(row.name),
          shape,
          outcome,
          fmt::format("{:.3f}", row.bits_per_value()),
          fmt::format("{:.3e}", d.rmse()),
          fmt::format("{:.4f}", d.relative_rmse()),
          fmt::format("{:.3e}", d.largest),
          fmt::format("{:.2f}", d.snr_db())};
}

void print_as_text(std::vector<Row> const& rows) {
  Table table(
      {"tensor", "shape", "stored as", "bits/value", "RMSE", "rel. RMSE", "max error", "SNR dB"});
  for (Row const& row : rows)
    table.add(cells(row, shape_text(row.shape),
                    row.outcome == Outcome::quantized ? row.scheme : outcome_text(row.outcome)));
  table.add_rule();
  Row const total = total_of(rows);
  table.add(cells(total, fmt::format("{} values", total.differences.count), ""));
  table.print();
  fmt::print("{} quantized, {} identical, {} differ, {} missing, {} added\n",
             count(rows, Outcome::quantized), count(rows, Outcome::identical),
             count(rows, Outcome::differs), count(rows, Outcome::missing),
             count(rows, Outcome::added));
}

/// Throws a Failure where the picture would replace a file, or one of those that are compared.
void check_plot(CompareOptions const& options, Checkpoint const& before, Checkpoint const& after) {
  namespace fs = std::filesystem;
  std::error_code ignored;  // what cannot be looked up is not there
  if (!options.force && fs::exists(options.plot, ignored))
    throw Failure(exit_cannot_write,
                  options.plot.string() + ": it exists already; --force replaces it");
  if (fs::exists(options.plot, ignored) && !fs::is_regular_file(options.plot, ignored))
    throw Failure(exit_cannot_write, options.plot.string() + ": it is no regular file");
  std::vector<fs::path> inputs{options.before / Checkpoint::index_name,
                               options.after / Checkpoint::index_name};
  for (auto const* checkpoint : {&before, &after})
    for (auto const& file : checkpoint->files()) inputs.emplace_back(file.path());
  for (fs::path const& input : inputs)
    if (fs::equivalent(input, options.plot, ignored))
      throw Failure(exit_usage, "--plot and an input are the same file: " + options.plot.string());
}

}  // namespace

int compare(CompareOptions const& options) {
  auto const before = value_or_fail(Checkpoint::open(options.before), exit_bad_input);
  auto const after = value_or_fail(Checkpoint::open(options.after), exit_bad_input);
  if (!options.plot.empty()) check_plot(options, before, after);
  std::map<std::string, SchemeFigures> figures;
  auto const comparison =
      Comparison(before, after, options.threads, options.plot.empty() ? nullptr : &figures);
  auto const& rows = comparison.rows();
  if (options.json) {
    print_as_json(options, rows);
  } else {
    print_as_text(rows);
  }
  if (!options.plot.empty()) write_plot(options.plot, figures);
  bool const good = std::ranges::all_of(rows, [](Row const& row) {
    return row.outcome == Outcome::quantized || row.outcome == Outcome::identical;
  });
  return good ? exit_ok : exit_differs;
}

}  // namespace app
