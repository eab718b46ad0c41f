// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Element types under the names that PyTorch, and so bitsandbytes and transformers, give them.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/io/tensor_info.hpp"

#include <utility>

namespace qfmt::inline v0::io {

namespace detail {
struct TorchDtype {
  Dtype dtype;
  std::string_view name;
};
inline constexpr std::array<TorchDtype, 6> torch_dtypes{{{Dtype::F32, "float32"},
                                                         {Dtype::F16, "float16"},
                                                         {Dtype::BF16, "bfloat16"},
                                                         {Dtype::F64, "float64"},
                                                         {Dtype::U8, "uint8"},
                                                         {Dtype::I8, "int8"}}};
}  // namespace detail

/// "bfloat16" for BF16; empty for what bitsandbytes' settings do not name.
constexpr std::string_view torch_name(Dtype dtype) {
  for (auto const& known : detail::torch_dtypes)
    if (known.dtype == dtype) return known.name;
  return {};
}

/// The element type of PyTorch's name; nothing for what bitsandbytes' settings do not name.
constexpr std::optional<Dtype> torch_dtype_named(std::string_view name) {
  for (auto const& known : detail::torch_dtypes)
    if (known.name == name) return known.dtype;
  return std::nullopt;
}

/// `fn.template operator()<T>()` for the element type that `dtype` names. Errors: those of fn;
/// unsupported_dtype where weights and activations cannot be of it.
template <class Fn>
Status with_element_type(Dtype dtype, Fn&& fn) {
  switch (dtype) {
    case Dtype::F32: return std::forward<Fn>(fn).template operator()<float>();
    case Dtype::F16: return std::forward<Fn>(fn).template operator()<float16>();
    case Dtype::BF16: return std::forward<Fn>(fn).template operator()<bfloat16>();
    default: return {Errc::unsupported_dtype};
  }
}

}  // namespace qfmt::inline v0::io
