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
  std::string_view format;              ///< the format's `name`
  int block_size = 64;                  ///< values per scale; 0 where a row shares one
  bool row_wise = false;                ///< one scale per row
  bool double_quant = false;            ///< scales are quantized themselves
  std::string_view scale_type = "f32";  ///< of a stored scale: f32, f16, bf16, e8m0, e4m3
  bool tensor_scale = false;            ///< one f32 more for the tensor
  bool zero_point = false;              ///< blocks have zero points

  /// Where a row shares a scale there is no block size to compare.
  friend constexpr bool operator==(SchemeDesc const& a, SchemeDesc const& b) {
    return a.format == b.format && a.row_wise == b.row_wise && a.double_quant == b.double_quant &&
           a.scale_type == b.scale_type && a.tensor_scale == b.tensor_scale &&
           a.zero_point == b.zero_point && (a.row_wise || a.block_size == b.block_size);
  }
};

namespace detail {
template <class T>
constexpr std::string_view scale_type_name() {
  if constexpr (std::same_as<T, float16>) return "f16";
  if constexpr (std::same_as<T, bfloat16>) return "bf16";
  if constexpr (std::same_as<T, E8M0>) return "e8m0";
  if constexpr (std::same_as<T, E4M3>) return "e4m3";
  return "f32";
}

template <SchemeSpec S>
constexpr SchemeDesc describe() {
  SchemeDesc desc{S::format::name, S::block_size, S::is_row_wise, S::is_nested};
  if constexpr (S::is_typed) {
    desc.scale_type = scale_type_name<typename S::scale::type>();
    desc.tensor_scale = S::has_tensor_scale;
    desc.zero_point = S::has_zero_point;
  }
  return desc;
}
}  // namespace detail

/// What a scheme's metadata says.
template <SchemeSpec S>
inline constexpr SchemeDesc desc_of = detail::describe<S>();

/// Calls `fn.template operator()<S>()` for the scheme that `desc` describes and returns its Status.
/// Errors: those of fn; unsupported_scheme where the list does not hold it.
template <SchemeSpec... Ss, class Fn>
Status dispatch(SchemeList<Ss...>, [[maybe_unused]] SchemeDesc desc, [[maybe_unused]] Fn&& fn) {
  Status result{Errc::unsupported_scheme};
  (void)((desc == desc_of<Ss> && (result = fn.template operator()<Ss>(), true)) || ...);
  return result;
}

}  // namespace qfmt::inline v0
