// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "format.hpp"

#include <qfmt/format/fp4.hpp>
#include <qfmt/format/int8.hpp>
#include <qfmt/format/nf4.hpp>

#include <charconv>
#include <optional>

#include "failure.hpp"

namespace engine {

namespace {

using Kind = FormatChoice::Kind;

struct Named {
  std::string_view text;
  Kind kind;
  qfmt::SchemeDesc scheme;
  Compute compute;
};

constexpr qfmt::SchemeDesc int8_rows =
    qfmt::desc_of<qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>>;

// LLM.int8() is a 16-bit engine's: its outlier columns are multiplied in the type of x.
constexpr Named known[]{
    {"fp32", Kind::dense, {}, Compute::fp32},
    {"fp16", Kind::dense, {}, Compute::fp16},
    {"bf16", Kind::dense, {}, Compute::bf16},
    {"int8", Kind::int8, int8_rows, Compute::bf16},
    {"llm.int8", Kind::llm_int8, int8_rows, Compute::bf16},
    {"llm.int8-bnb", Kind::llm_int8_bnb, int8_rows, Compute::bf16},
    {"int8-weights", Kind::weights, int8_rows, Compute::fp32},
    {"nf4", Kind::weights, {qfmt::NF4::name}, Compute::fp32},
    {"fp4", Kind::weights, {qfmt::FP4::name}, Compute::fp32},
    {"int4", Kind::weights, {Int4::name}, Compute::fp32},
};

std::optional<Compute> compute_named(std::string_view text) {
  for (Compute const compute : {Compute::fp32, Compute::fp16, Compute::bf16})
    if (text == name_of(compute)) return compute;
  return std::nullopt;
}

/// One "/..." of a choice.
bool apply_part(FormatChoice& choice, std::string_view part) {
  if (choice.scheme.row_wise) return false;
  if (part == "device") return choice.on_device = true;
  if (part == "min-error") return choice.min_error = true;
  if (part == "double") return choice.scheme.double_quant = true;
  auto const end = part.data() + part.size();
  auto const parsed = std::from_chars(part.data(), end, choice.scheme.block_size);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

char const* name_of(Compute compute) {
  return compute == Compute::fp32 ? "fp32" : compute == Compute::fp16 ? "fp16" : "bf16";
}

FormatChoice format_named(std::string const& text) {
  Failure const unknown(text + ": no such format");
  std::string_view rest = text;
  std::optional<Compute> compute;
  if (auto const at = rest.find('@'); at != rest.npos) {
    compute = compute_named(rest.substr(at + 1));
    if (!compute) throw unknown;
    rest = rest.substr(0, at);
  }
  auto const base = rest.substr(0, rest.find('/'));
  for (Named const& named : known) {
    if (named.text != base) continue;
    FormatChoice choice{text, named.kind, named.scheme, compute.value_or(named.compute)};
    for (rest.remove_prefix(base.size()); !rest.empty();) {
      auto const part = rest.substr(1, rest.find('/', 1) - 1);
      rest.remove_prefix(part.size() + 1);
      if (named.kind != Kind::weights || !apply_part(choice, part)) throw unknown;
    }
    return choice;
  }
  throw unknown;
}

std::vector<FormatChoice> every_format() {
  std::vector<FormatChoice> rows;
  for (char const* text : {"fp32",
                           "bf16",
                           "fp16",
                           "int8-weights",
                           "int8",
                           "llm.int8",
                           "llm.int8-bnb",
                           "nf4/32",
                           "nf4/64",
                           "nf4/64@fp16",
                           "nf4/64@bf16",
                           "nf4/128",
                           "nf4/256",
                           "nf4/64/min-error",
                           "nf4/32/double",
                           "nf4/64/double",
                           "nf4/64/double@bf16",
                           "nf4/128/double",
                           "nf4/256/double",
                           "nf4/64/double/min-error",
                           "fp4/32",
                           "fp4/64",
                           "fp4/128",
                           "fp4/256",
                           "fp4/64/min-error",
                           "int4/32",
                           "int4/64",
                           "int4/128",
                           "int4/256",
                           "int4/64/min-error"})
    rows.push_back(format_named(text));
  return rows;
}

}  // namespace engine
