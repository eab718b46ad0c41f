// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/format/formats.hpp>

#include "codec_of.hpp"

namespace app {
namespace {

/// The codec of F where F is a 4-bit codebook that has no file of its own here.
template <class F>
Codec const* find(qfmt::SchemeDesc const& desc) {
  constexpr bool has_own = std::same_as<F, qfmt::NF4> || std::same_as<F, qfmt::FP4>;
  if constexpr (qfmt::CodebookFormat<F> && qfmt::bits_of<F> == 4 && !has_own) {
    return find_in(qfmt::SchemeList<qfmt::Scheme<qfmt::Format<F>>>{}, desc);
  } else {
    return nullptr;
  }
}

}  // namespace

Codec const* find_codebook(qfmt::SchemeDesc const& desc) {
  Codec const* found = nullptr;
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() {
    if (found == nullptr) found = find<F>(desc);
  });
  return found;
}

}  // namespace app
