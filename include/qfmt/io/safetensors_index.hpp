// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The index of a checkpoint in several files, model.safetensors.index.json: which file holds which
// tensor.
#pragma once

#include "qfmt/io/json.hpp"

#include <limits>
#include <map>
#include <utility>

namespace qfmt::inline v0::io {

/// What an index says.
struct SafetensorsIndex {
  std::optional<std::int64_t> total_size;         // bytes of all tensors, where it is stated
  std::map<std::string, std::string> weight_map;  // tensor -> file name, no folder
};

namespace detail {

/// Why no shard may be called so; null if one may. A name must not lead out of its folder.
inline char const* fault_of_file_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return "a file name is empty or longer than 255 bytes";
  if (name.find_first_of("/\\") != name.npos) return "a file name leads into another folder";
  if (fault_of_name(name) != nullptr) return "a file name holds control characters";
  if (name.front() == '.' || !name.ends_with(".safetensors"))
    return "a file name is none of a safetensors file";
  return nullptr;
}

inline Error read_total_size(JsonFields const& fields, SafetensorsIndex& index) {
  Json const* const metadata = fields.find("metadata");
  if (metadata == nullptr) return {};
  if (!metadata->is_object()) return fields.wrong("metadata is no object");
  auto const size = metadata->find("total_size");
  if (size == metadata->end()) return {};
  if (size->is_number_float()) return {};  // some writers' arithmetic; a figure for people
  if (!size->is_number_unsigned() ||
      size->get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fields.wrong("total_size is no size");
  index.total_size = size->get<std::int64_t>();
  return {};
}

inline Error read_weight_map(JsonFields const& fields, std::string const& subject,
                             SafetensorsIndex& index) {
  Json const* const map = fields.find("weight_map");
  if (map == nullptr || !map->is_object()) return fields.wrong("weight_map is no object");
  if (map->size() > SafetensorsLimits::tensors)
    return {{Errc::header_too_large}, subject, "it lists more than a million tensors"};
  for (auto const& [tensor, file] : map->items()) {
    auto const wrong = [&, name = tensor](char const* fault) {
      return Error{{Errc::invalid_header}, printable(name) + " in " + subject, fault};
    };
    if (char const* const fault = fault_of_name(tensor)) return wrong(fault);
    if (tensor.empty()) return wrong("the name is empty");
    if (!file.is_string()) return wrong("its file is no string");
    if (char const* const fault = fault_of_file_name(file.get_ref<std::string const&>()))
      return wrong(fault);
    index.weight_map.emplace(tensor, file.get<std::string>());
  }
  return {};
}

}  // namespace detail

/// Reads an index. Errors: header_too_large above 100 MB; invalid_json, duplicate_name,
/// invalid_header naming the tensor or field.
inline Result<SafetensorsIndex> parse_safetensors_index(std::span<std::byte const> bytes,
                                                        std::string const& subject) {
  if (bytes.size() > SafetensorsLimits::header_bytes)
    return Error{{Errc::header_too_large}, subject, "the index is larger than 100 MB"};
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  auto const json = parse_json(text, subject, 4);
  if (!json) return json.error();
  JsonFields const fields(*json, subject);
  constexpr std::string_view known[]{"metadata", "weight_map"};
  if (Error e = fields.check_names(known)) return e;
  SafetensorsIndex index;
  if (Error e = detail::read_total_size(fields, index)) return e;
  if (Error e = detail::read_weight_map(fields, subject, index)) return e;
  return Result<SafetensorsIndex>(std::move(index));
}

/// The index's text, as transformers writes it: sorted names, two blanks of indent.
inline std::string serialize_safetensors_index(SafetensorsIndex const& index) {
  Json json{{"metadata", Json::object()}, {"weight_map", Json::object()}};
  if (index.total_size) json["metadata"]["total_size"] = *index.total_size;
  for (auto const& [tensor, file] : index.weight_map) json["weight_map"][tensor] = file;
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace qfmt::inline v0::io
