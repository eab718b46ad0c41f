// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "codec_of.hpp"

namespace app {

Codec const* find_int8(qfmt::SchemeDesc const& desc) {
  using RowWiseInt8 = qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>;
  return find_in(qfmt::SchemeList<RowWiseInt8>{}, desc);
}

}  // namespace app
