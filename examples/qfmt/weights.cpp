// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include "failure.hpp"

namespace app {

Weights::Weights(qfmt::io::Checkpoint const& checkpoint) {
  for (auto& stored : value_or_fail(qfmt::io::find_quantized(checkpoint), exit_bad_input)) {
    Weight weight{stored, find_codec(stored.desc), {}, 0};
    auto const pieces = value_or_fail(qfmt::io::pieces_of(stored), exit_bad_input);
    if (pieces.front().name != stored.name) codes_.emplace(pieces.front().name, stored.name);
    for (auto const& piece : pieces) {
      auto const tensor = checkpoint.locate(piece.name);
      if (!tensor) continue;
      weight.pieces.push_back(piece.name);
      weight.bytes += tensor->info->bytes();
      if (&piece != &pieces.front()) side_pieces_.insert(piece.name);
    }
    weights_.emplace(stored.name, std::move(weight));
  }
}

Weight const* Weights::find_known(std::string const& name) const {
  Weight const* const weight = find(name);
  if (weight != nullptr && weight->codec == nullptr)
    throw Failure(exit_bad_input,
                  name + ": its scheme, " + scheme_text(weight->stored.desc) + ", is unknown");
  return weight;
}

}  // namespace app
