// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "codec_of.hpp"

namespace app {

Codec const* find_codec(qfmt::SchemeDesc const& desc) {
  for (auto const find : {find_nf4, find_nf4_double, find_fp4, find_fp4_double, find_int8})
    if (Codec const* const codec = find(desc)) return codec;
  return nullptr;
}

std::string scheme_text(qfmt::SchemeDesc const& desc) {
  std::string const granularity = desc.row_wise ? "row" : std::to_string(desc.block_size);
  return std::string(desc.format) + "/" + granularity + (desc.double_quant ? "/double" : "");
}

}  // namespace app
