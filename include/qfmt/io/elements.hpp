// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing the weights of io/element_weight.hpp, in runs of whole blocks. Both copy: the
// order of nibbles and the alignment of scales in a file are not those of a view.
#pragma once

#include "qfmt/io/find_quantized.hpp"
#include "qfmt/layout/check.hpp"

#include <cstring>

namespace qfmt::inline v0::io {

/// Schemes that these functions read and write: those that such a format asks for, in any block
/// size.
template <SchemeSpec S>
inline constexpr bool is_element_scheme =
    !S::is_row_wise && !S::is_nested &&
    (ElementFormat<typename S::format> || ZeroPointFormat<typename S::format>);

namespace detail {

/// Where the scales of a view begin, and the bytes of one.
template <SchemeSpec S>
auto* scales_begin(QuantizedSpan<S> const& values) {
  if constexpr (S::is_typed) {
    return values.scales.scale;
  } else {
    return values.scales.absmax;
  }
}

inline Result<ElementLayout> layout_of(QuantizedWeight const& weight, SchemeDesc const& desc) {
  auto const layout = element_layout(desc.format);
  if (!layout || weight.desc != desc)
    return Error{{Errc::unsupported_scheme}, weight.name, "it is stored under another scheme"};
  return *layout;
}

}  // namespace detail

/// Appends the codes and scales of some blocks of a weight to a writer that was laid out with
/// pieces_of(weight). Called for its blocks in order; only the last call's may end inside a block.
/// Errors: unsupported_scheme, those of the view and of the writer.
template <SchemeSpec S>
  requires(is_element_scheme<S>)
[[nodiscard]] Error append_elements(SafetensorsWriter& writer, QuantizedWeight const& weight,
                                    QuantizedSpan<S> const& values) {
  auto const layout = detail::layout_of(weight, desc_of<std::remove_const_t<S>>);
  if (!layout) return layout.error();
  if (Errc const e = check(values); e != Errc::ok) return {{e}, weight.name, {}};
  auto const put = [&](std::string const& name, void const* data, std::int64_t bytes) -> Error {
    if (bytes == 0) return {};
    return writer.write(name, {static_cast<std::byte const*>(data), static_cast<size_t>(bytes)});
  };
  std::int64_t const bytes = codes_bytes<S>(values.size), blocks = block_count<S>(values.size);
  std::vector<std::uint8_t> swapped;
  std::uint8_t const* codes = values.codes;
  if (!layout->is_native) {
    swapped.resize(static_cast<size_t>(bytes));
    swap_nibbles(codes, bytes, swapped.data());
    codes = swapped.data();
  }
  if (Error e = put(weight.name + layout->codes_ending, codes, bytes)) return e;
  auto const* const scales = detail::scales_begin(values);
  auto const size = static_cast<std::int64_t>(sizeof *scales);
  if (Error e = put(weight.name + layout->scales_ending, scales, blocks * size)) return e;
  if constexpr (S::has_zero_point)
    return put(weight.name + ".zero_point", values.scales.zero_point, blocks);
  return {};
}

/// What follows the last append_elements: the tensor's scale, or the state of a native weight.
/// Errors: unsupported_scheme where the weight is of another scheme; those of the writer.
template <SchemeSpec S>
  requires(is_element_scheme<S>)
[[nodiscard]] Error finish_elements(SafetensorsWriter& writer, QuantizedWeight const& weight,
                                    [[maybe_unused]] float tensor_scale) {
  auto const layout = detail::layout_of(weight, desc_of<std::remove_const_t<S>>);
  if (!layout) return layout.error();
  auto const bytes = [](void const* data, size_t count) {
    return std::span(static_cast<std::byte const*>(data), count);
  };
  if (layout->tensor_ending != nullptr)
    return writer.write(weight.name + layout->tensor_ending, bytes(&tensor_scale, 4));
  if (!layout->is_native) return {};
  auto const blob = serialize_quant_state(detail::state_of(weight));
  return writer.write(detail::state_name(weight), bytes(blob.data(), blob.size()));
}

/// Copies values [first, first + out.size) of a weight, with their scales, into `out`; `first` is a
/// multiple of the block size. Errors: unsupported_scheme; not_found, unsupported_dtype,
/// size_mismatch naming a piece; size_mismatch where the values are not the weight's; those of
/// `out`.
template <MutableScheme S, TensorSource Source>
  requires(is_element_scheme<S>)
[[nodiscard]] Error read_elements(Source const& source, QuantizedWeight const& weight,
                                  std::int64_t first, QuantizedSpan<S> const& out) {
  auto const layout = detail::layout_of(weight, desc_of<S>);
  if (!layout) return layout.error();
  auto const pieces = pieces_of(weight);
  if (!pieces) return pieces.error();
  // The last piece of a native weight is its state, which was read; its JSON may be spaced freely.
  for (std::size_t i = 0; i + (layout->is_native ? 1 : 0) < pieces->size(); ++i)
    if (Error e = detail::check_piece(source, (*pieces)[i])) return e;
  std::int64_t const count = *value_count(weight.name, weight.shape);
  if (first < 0 || first % S::block_size != 0 || first > count || out.size > count - first)
    return {{Errc::size_mismatch}, weight.name, "these are not values of the weight"};
  if (Errc const e = check(out); e != Errc::ok) return {{e}, weight.name, {}};
  auto const bytes_of = [&](std::string const& name) {
    return reinterpret_cast<std::uint8_t const*>(source.locate(name)->bytes.data());
  };
  std::int64_t const block = first / S::block_size, blocks = block_count<S>(out.size);
  auto const* const codes = bytes_of(weight.name + layout->codes_ending) + codes_bytes<S>(first);
  std::int64_t const bytes = codes_bytes<S>(out.size);
  if (!layout->is_native) {
    swap_nibbles(codes, bytes, out.codes);
  } else if (bytes > 0) {
    std::memcpy(out.codes, codes, static_cast<size_t>(bytes));
  }
  if (blocks == 0) return {};
  auto* const scales = detail::scales_begin(out);
  std::memcpy(static_cast<void*>(scales),
              bytes_of(weight.name + layout->scales_ending) +
                  block * static_cast<std::int64_t>(sizeof *scales),
              static_cast<size_t>(blocks) * sizeof *scales);
  if constexpr (S::has_tensor_scale)
    std::memcpy(out.scales.tensor_scale, bytes_of(weight.name + layout->tensor_ending), 4);
  if constexpr (S::has_zero_point)
    std::memcpy(out.scales.zero_point, bytes_of(weight.name + ".zero_point") + block,
                static_cast<size_t>(blocks));
  return {};
}

}  // namespace qfmt::inline v0::io
