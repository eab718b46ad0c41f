// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From a scheme known at run time to one known at compile time, over the list the engine writes:
// nothing is instantiated that it does not serve.
#pragma once

#include "qfmt/scheme/scheme.hpp"
#include "qfmt/status.hpp"

#include <string_view>

namespace qfmt::inline v0 {

/// The schemes a program is built for.
template <SchemeSpec... Ss>
struct SchemeList {};

/// A scheme as a checkpoint's metadata states it.
struct SchemeDesc {
  std::string_view format;    ///< the format's `name`
  int block_size = 64;        ///< values per scale; 0 where a row shares one
  bool row_wise = false;      ///< one scale per row
  bool double_quant = false;  ///< scales are quantized themselves

  /// Where a row shares a scale there is no block size to compare.
  friend constexpr bool operator==(SchemeDesc const& a, SchemeDesc const& b) {
    return a.format == b.format && a.row_wise == b.row_wise && a.double_quant == b.double_quant &&
           (a.row_wise || a.block_size == b.block_size);
  }
};

/// What a scheme's metadata says.
template <SchemeSpec S>
inline constexpr SchemeDesc desc_of{S::format::name, S::block_size, S::is_row_wise, S::is_nested};

/// Calls `fn.template operator()<S>()` for the scheme that `desc` describes and returns its Status.
/// Errors: those of fn; unsupported_scheme where the list does not hold it.
template <SchemeSpec... Ss, class Fn>
Status dispatch(SchemeList<Ss...>, [[maybe_unused]] SchemeDesc desc, [[maybe_unused]] Fn&& fn) {
  Status result{Errc::unsupported_scheme};
  (void)((desc == desc_of<Ss> && (result = fn.template operator()<Ss>(), true)) || ...);
  return result;
}

}  // namespace qfmt::inline v0
