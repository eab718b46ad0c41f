// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The tensors of a model as its config.json implies them, without weights.
#pragma once

#include <qfmt/io/json.hpp>

#include <string>
#include <vector>

namespace app {

/// Tensors of one shape, `count` of them.
struct TensorShape {
  enum class Split { none, rows, cols };  // over tensor-parallel ranks

  std::string name;  // of one of them, layer left out
  std::int64_t rows = 1, cols = 1;
  std::int64_t count = 1;
  bool linear = false;  // quantized where linear layers are
  Split split = Split::none;
  std::int64_t multiple = 1;  // cuts fall on multiples: heads stay whole
};

/// Throws a Failure where the architecture is unknown or a size is missing or absurd.
std::vector<TensorShape> model_shapes(qfmt::io::Json const& config, std::string const& subject);

}  // namespace app
