// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// `qfmt plan`: the memory that a model takes under a scheme, counted from config.json alone.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "codec.hpp"
#include "commands.hpp"
#include "model.hpp"
#include "model_shapes.hpp"
#include "text.hpp"

namespace app {
namespace {

using qfmt::io::Dtype;
constexpr std::int64_t workspace_value_bytes = 2;  // a decoded weight is 16 bit

struct Bytes {
  std::int64_t codes = 0, scales = 0, unquantized = 0, workspace = 0;

  std::int64_t total() const { return codes + scales + unquantized + workspace; }
};

std::int64_t memory_of(std::string const& text) {
  double number = 0.;
  auto const parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(parsed.ptr,
                        static_cast<std::size_t>(text.data() + text.size() - parsed.ptr));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  double const scale = unit == "GiB"   ? 0x1p30
                       : unit == "MiB" ? 0x1p20
                       : unit == "GB"  ? 1e9
                       : unit == "MB"  ? 1e6
                       : unit == "B"   ? 1.
                                       : 0.;
  if (parsed.ec != std::errc() || !(number > 0.) || scale == 0. || number * scale > 9e18)
    throw Failure(exit_usage, "--gpu-memory " + text + ": give a size such as 24GiB or 80GB");
  return static_cast<std::int64_t>(number * scale);
}

/// What one rank holds. Codec null: nothing is quantized.
Bytes bytes_of(std::vector<TensorShape> const& shapes, Codec const* codec, Dtype dtype, int ranks,
               int rank) {
  std::int64_t const value = qfmt::io::traits_of(dtype).bits / 8;
  Bytes sum;
  for (TensorShape const& shape : shapes) {
    auto const part = [&](std::int64_t extent) {
      return qfmt::part_of(extent, ranks, rank, shape.multiple);
    };
    using Split = TensorShape::Split;
    Cut const cut{shape.split == Split::rows ? part(shape.rows) : qfmt::Part{0, shape.rows},
                  shape.split == Split::cols ? part(shape.cols) : qfmt::Part{0, shape.cols}};
    std::int64_t const values = cut.rows.count * cut.cols.count;
    if (!shape.linear || codec == nullptr) {
      sum.unquantized += shape.count * values * value;
      continue;
    }
    Footprint const one = codec->footprint(shape.rows, shape.cols, cut);
    sum.codes += shape.count * one.codes;
    sum.scales += shape.count * one.scales;
    sum.workspace = std::max(sum.workspace, values * workspace_value_bytes);
  }
  return sum;
}

struct Row {
  std::string scheme;
  std::vector<Bytes> ranks;

  Bytes const& largest() const { return *std::ranges::max_element(ranks, {}, &Bytes::total); }
};

std::vector<std::string> schemes_of(MemoryOptions const& options, qfmt::io::Json const& config) {
  if (!options.schemes.empty()) return options.schemes;
  auto const at = config.find("quantization_config");
  if (at == config.end()) return {"keep", "int8", "nf4/64", "nf4/64/double"};
  auto const parsed = value_or_fail(
      qfmt::io::parse_quantization_config(*at, options.config.string()), exit_bad_input);
  return {parsed.scheme() ? scheme_text(*parsed.scheme()) : "keep"};
}

Dtype dtype_of(MemoryOptions const& options, qfmt::io::Json const& config) {
  for (auto const& name :
       {options.dtype,
        config.value("dtype", qfmt::io::Json()).is_string() ? config.value("dtype", "") : "",
        config.value("torch_dtype", qfmt::io::Json()).is_string() ? config.value("torch_dtype", "")
                                                                  : ""})
    if (auto const dtype = qfmt::io::torch_dtype_named(name)) return *dtype;
  return Dtype::F16;
}

std::string gigabytes(std::int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / 1e9);
}

void print_as_text(std::vector<Row> const& rows, std::optional<std::int64_t> memory, int ranks) {
  std::vector<std::string> header{"GB a rank", "codes",     "scales", "unquantized",
                                  "weights",   "workspace", "in all"};
  if (memory) header.push_back("fits");
  Table table(header);
  for (Row const& row : rows) {
    Bytes const& b = row.largest();
    std::vector<std::string> cells{row.scheme,
                                   gigabytes(b.codes),
                                   gigabytes(b.scales),
                                   gigabytes(b.unquantized),
                                   gigabytes(b.total() - b.workspace),
                                   gigabytes(b.workspace),
                                   gigabytes(b.total())};
    if (memory) cells.push_back(b.total() <= *memory ? "yes" : "NO");
    table.add(cells);
  }
  table.print();
  fmt::print(
      "{}10^9 bytes. Workspace: the largest weight decoded to 16 bit, for a matmul that does "
      "not decode as it goes.\nActivations and the KV cache come on top.\n",
      ranks > 1 ? fmt::format("The largest of {} ranks. ", ranks) : "");
}

void print_as_json(std::vector<Row> const& rows, std::optional<std::int64_t> memory, Dtype dtype) {
  Json json{{"schema_version", json_schema_version},
            {"unquantized_dtype", qfmt::io::torch_name(dtype)},
            {"schemes", Json::array()}};
  for (Row const& row : rows) {
    Json entry{{"scheme", row.scheme}, {"ranks", Json::array()}};
    for (Bytes const& b : row.ranks)
      entry["ranks"].push_back({{"codes", b.codes},
                                {"scales", b.scales},
                                {"unquantized", b.unquantized},
                                {"workspace", b.workspace},
                                {"total", b.total()}});
    if (memory) entry["fits"] = row.largest().total() <= *memory;
    json["schemes"].push_back(std::move(entry));
  }
  print_json(json);
}

}  // namespace

int plan_memory(MemoryOptions const& options) {
  std::error_code ignored;
  bool const is_folder = std::filesystem::is_directory(options.config, ignored);
  auto const path = is_folder ? options.config / "config.json" : options.config;
  auto const config = read_config(path);
  auto const shapes = model_shapes(config, path.string());
  Dtype const dtype = dtype_of(options, config);
  std::optional<std::int64_t> memory;
  if (!options.gpu_memory.empty()) memory = memory_of(options.gpu_memory);

  std::vector<Row> rows;
  for (auto const& name : schemes_of(options, config)) {
    auto const desc = scheme_named(name);
    if (!desc && name != "keep")
      throw Failure(exit_usage, "no such scheme: " + name + block_sizes_hint(name));
    Codec const* const codec = desc ? find_codec(*desc) : nullptr;
    Row row{codec != nullptr ? scheme_text(*desc) : std::string(qfmt::io::torch_name(dtype)), {}};
    for (int rank = 0; rank < options.ranks; ++rank)
      row.ranks.push_back(bytes_of(shapes, codec, dtype, options.ranks, rank));
    rows.push_back(std::move(row));
  }
  if (options.json) {
    print_as_json(rows, memory, dtype);
  } else {
    print_as_text(rows, memory, options.ranks);
  }
  bool const all_fit = !memory || std::ranges::all_of(rows, [&](Row const& row) {
    return row.largest().total() <= *memory;
  });
  return all_fit || options.schemes.size() != 1 ? exit_ok : exit_differs;
}

}  // namespace app
