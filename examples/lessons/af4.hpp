// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A format of one's own, for lessons 3 and 7: 16 levels in ascending order, relative to the block's
// absmax. It includes nothing but the library, so that NVRTC takes it as it is.
#pragma once

#include <qfmt/format/codebook.hpp>

struct AF4 {
  static constexpr auto name = "af4";
  static constexpr qfmt::Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                           .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};
