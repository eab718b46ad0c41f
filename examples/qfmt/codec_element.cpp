// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/format/formats.hpp>

#include "codec_of.hpp"

namespace app {
namespace {

template <class F, int... BlockSizes>
using InBlocksOf = qfmt::SchemeList<qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<BlockSizes>>...>;

/// The codec of F where its codes are numbers of their own: in the block size that it asks for, and
/// in groups of 32 to 256 where that is 128 and codes have 4 bits.
template <class F>
Codec const* find(qfmt::SchemeDesc const& desc) {
  using S = qfmt::Scheme<qfmt::Format<F>>;
  if constexpr (!qfmt::io::is_element_scheme<S>) {
    return nullptr;
  } else if constexpr (S::bits == 4 && S::block_size == 128) {
    return find_in(InBlocksOf<F, 32, 64, 128, 256>{}, desc);
  } else {
    return find_in(InBlocksOf<F, S::block_size>{}, desc);
  }
}

}  // namespace

Codec const* find_element(qfmt::SchemeDesc const& desc) {
  Codec const* found = nullptr;
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() {
    if (found == nullptr) found = find<F>(desc);
  });
  return found;
}

}  // namespace app
