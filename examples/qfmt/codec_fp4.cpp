// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "codec_of.hpp"

namespace app {

Codec const* find_fp4(qfmt::SchemeDesc const& desc) {
  return find_in(EveryBlockSize<qfmt::FP4, false>{}, desc);
}

}  // namespace app
