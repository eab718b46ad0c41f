// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/format/nf4.hpp>

#include "quantized_linear.hpp"

namespace engine {

qfmt::Status make_nf4_double(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out) {
  return make_from(BlockSizes<qfmt::NF4, true>{}, choice, matrix, out);
}

}  // namespace engine
