// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a safetensors file: refused, or every tensor lies within them and is as long as its
// shape says; and what is accepted can be written again.
#include "qfmt/io/safetensors.hpp"

#include "fuzz/fuzz.hpp"
#include "io/files.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const bytes = std::as_bytes(std::span(data, size));
  auto header = qfmt::io::parse_safetensors(bytes, "fuzz");
  if (!header) {
    fuzz::require(header.error().status.code != qfmt::Errc::ok);
    return 0;
  }
  auto const data_bytes = static_cast<std::int64_t>(size) - header->data_begin;
  fuzz::require(header->data_begin >= 8 && data_bytes >= 0);
  fuzz::require(io_test::tiles(header->tensors, data_bytes));
  auto tensors = header->tensors;
  auto const again = qfmt::io::serialize_safetensors(tensors, header->metadata, "fuzz");
  fuzz::require(static_cast<bool>(again));
  return 0;
}
