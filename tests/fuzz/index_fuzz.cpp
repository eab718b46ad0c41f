// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an index: refused, or no file name leads out of the folder, and writing it gives a
// text that reads back the same.
#include "qfmt/io/safetensors_index.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const index =
      qfmt::io::parse_safetensors_index(std::as_bytes(std::span(data, size)), "fuzz");
  if (!index) return 0;
  for (auto const& [tensor, file] : index->weight_map) {
    fuzz::require(!tensor.empty() && file.find('/') == file.npos && file.find('\\') == file.npos);
    fuzz::require(file[0] != '.' && file.ends_with(".safetensors"));
  }
  auto const text = qfmt::io::serialize_safetensors_index(*index);
  auto const again =
      qfmt::io::parse_safetensors_index(std::as_bytes(std::span(text.data(), text.size())), "fuzz");
  fuzz::require(again && again->weight_map == index->weight_map &&
                again->total_size == index->total_size);
  return 0;
}
