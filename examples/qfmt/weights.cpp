// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include "failure.hpp"

namespace app {

Weights::Weights(qfmt::io::SafetensorsFile const& file) {
  for (auto& stored : value_or_fail(qfmt::io::find_quantized(file), exit_bad_input)) {
    Weight weight{stored, find_codec(stored.desc), {}, 0};
    if (weight.codec == nullptr) {
      weights_.emplace(stored.name, std::move(weight));
      continue;
    }
    qfmt::io::TensorInfo const original{stored.name, stored.dtype, stored.shape};
    auto const pieces =
        value_or_fail(weight.codec->pieces(original, stored.offset), exit_bad_input);
    for (auto const& piece : pieces) {
      auto const* const tensor = file.find(piece.name);
      if (tensor == nullptr) continue;
      weight.pieces.push_back(piece.name);
      weight.bytes += tensor->bytes();
      if (piece.name != stored.name) side_pieces_.insert(piece.name);
    }
    weights_.emplace(stored.name, std::move(weight));
  }
}

}  // namespace app
