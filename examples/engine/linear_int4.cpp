// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "quantized_linear.hpp"

namespace engine {

qfmt::Status make_int4(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out) {
  return make_from(BlockSizes<Int4, false>{}, choice, matrix, out);
}

}  // namespace engine
