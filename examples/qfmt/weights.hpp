// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The quantized weights of a checkpoint, and which of its tensors are their pieces.
#pragma once

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "codec.hpp"

namespace app {

struct Weight {
  qfmt::io::QuantizedWeight stored;
  Codec const* codec;  // null: a scheme this program does not know
  std::vector<std::string> pieces;
  std::int64_t bytes = 0;  // of the pieces
};

class Weights {
 public:
  /// Throws a Failure where a weight's description cannot be read.
  explicit Weights(qfmt::io::Checkpoint const& checkpoint);

  bool empty() const { return weights_.empty(); }
  std::size_t size() const { return weights_.size(); }

  /// The quantized weight of that name, or whose codes have that name; or null.
  Weight const* find(std::string const& name) const {
    auto const codes = codes_.find(name);
    auto const at = weights_.find(codes == codes_.end() ? name : codes->second);
    return at == weights_.end() ? nullptr : &at->second;
  }

  /// The quantized weight of that name, or null; throws a Failure where its scheme is unknown.
  Weight const* find_known(std::string const& name) const;

  /// Whether the tensor only serves a weight of another name.
  bool is_side_piece(std::string const& name) const { return side_pieces_.contains(name); }

 private:
  std::unordered_map<std::string, Weight> weights_;
  std::unordered_map<std::string, std::string> codes_;  // names that are not their weights'
  std::unordered_set<std::string> side_pieces_;
};

}  // namespace app
