// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "codec_of.hpp"

namespace app {

Codec const* find_nf4_double(qfmt::SchemeDesc const& desc) {
  return find_in(EveryBlockSize<qfmt::NF4, true>{}, desc);
}

}  // namespace app
