// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/format/formats.hpp>

#include <algorithm>
#include <charconv>

#include "codec_of.hpp"

namespace app {

Codec const* find_codec(qfmt::SchemeDesc const& desc) {
  for (auto const find : {find_nf4, find_nf4_double, find_fp4, find_fp4_double, find_int8,
                          find_codebook, find_element})
    if (Codec const* const codec = find(desc)) return codec;
  return nullptr;
}

std::string scheme_text(qfmt::SchemeDesc const& desc) {
  std::string const granularity = desc.row_wise ? "row" : std::to_string(desc.block_size);
  return std::string(desc.format) + "/" + granularity + (desc.double_quant ? "/double" : "");
}

std::optional<qfmt::SchemeDesc> scheme_named(std::string_view text) {
  qfmt::SchemeDesc desc;
  auto const format = text.substr(0, text.find('/'));
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() {
    if (format == F::name) desc = qfmt::desc_of<qfmt::Scheme<qfmt::Format<F>>>;
  });
  if (desc.format.empty()) return std::nullopt;
  desc.row_wise = desc.format == qfmt::Int8::name;
  for (text.remove_prefix(format.size()); !text.empty();) {
    auto const part = text.substr(1, text.find('/', 1) - 1);
    text.remove_prefix(part.size() + 1);
    auto const parsed = std::from_chars(part.begin(), part.end(), desc.block_size);
    bool const is_number = !desc.row_wise && parsed.ec == std::errc() && parsed.ptr == part.end();
    if (part == "double") desc.double_quant = true;
    if (part != "double" && !(part == "row" && desc.row_wise) && !is_number) return std::nullopt;
  }
  return find_codec(desc) != nullptr ? std::optional(desc) : std::nullopt;
}

std::string block_sizes_hint(std::string_view scheme) {
  std::string const format(scheme.substr(0, scheme.find('/')));
  std::string sizes;
  for (int size = 16; size <= 4096; size *= 2)  // what BlockSize takes
    if (scheme_named(format + "/" + std::to_string(size)))
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  return sizes.empty() ? std::string() : "; " + format + " takes blocks of " + sizes;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() {
    if (scheme_named(F::name)) names.emplace_back(F::name);
  });
  return names;
}

std::int64_t chunk_at(std::int64_t first, std::int64_t count, std::int64_t row_length) {
  constexpr std::int64_t run = 1 << 22;  // a multiple of 256 blocks of any size
  std::int64_t const wanted =
      row_length > 0 ? std::max<std::int64_t>(1, run / row_length) * row_length : run;
  return std::min(wanted, count - first);
}

}  // namespace app
