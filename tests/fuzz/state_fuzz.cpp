// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the state of a quantized weight, alone and beside good pieces: refused, or its
// fields are in their ranges and writing it gives a text that reads back the same.
#include "fuzz/fuzz.hpp"
#include "io/checkpoints.hpp"

namespace {

void check_weight(std::string const& text) {
  static io_test::MemorySource source = [] {
    io_test::MemorySource s;
    io_test::add_4bit(s, "m.weight", "nf4", true, "[40, 97]", 3880);
    return s;
  }();
  source.add("m.weight.quant_state.bitsandbytes__nf4", qfmt::io::Dtype::U8,
             {static_cast<std::int64_t>(text.size())}, text);
  auto const found = qfmt::io::find_quantized(source);
  if (!found) return;
  fuzz::require(found->size() == 1);
  using S = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
  auto const view = qfmt::io::view_quantized<S>(source, (*found)[0]);
  if (view) fuzz::require(view->size == 3880);  // what the pieces hold, whatever the state says
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  auto const rules =
      data[0] % 2 == 0 ? qfmt::io::StateRules::bitsandbytes : qfmt::io::StateRules::native;
  auto const bytes = std::as_bytes(std::span(data + 1, size - 1));
  auto const state = qfmt::io::parse_quant_state(bytes, "fuzz", rules);
  check_weight({reinterpret_cast<char const*>(data) + 1, size - 1});
  if (!state) return 0;
  int const block = state->block_size;
  fuzz::require(block >= 16 && block <= 4096 && (block & (block - 1)) == 0);
  for (auto const d : state->shape) fuzz::require(d >= 0);
  fuzz::require(rules == qfmt::io::StateRules::native || !state->slice);
  if (state->quant_type.find_first_of("\"\\") != std::string::npos) return 0;
  auto const text = qfmt::io::serialize_quant_state(*state);
  auto const again = qfmt::io::parse_quant_state(std::as_bytes(std::span(text.data(), text.size())),
                                                 "fuzz", rules);
  fuzz::require(again && again->shape == state->shape && again->slice == state->slice &&
                qfmt::io::serialize_quant_state(*again) == text);
  return 0;
}
