// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights whose codes are numbers or integers of their own (FP8, MXFP4, NVFP4, Int4), and the
// tensors that their pieces are stored in. A format that existing checkpoints hold names their
// pieces (F::checkpoint_codes and so on) and is stored so:
//
//   mxfp4   W_blocks U8 (..., cols / 32, 16)   W_scales U8 (..., cols / 32)
//   nvfp4   W U8 (..., cols / 2)   W_scale F8_E4M3 (..., cols / 16)   W_scale_2 F32 (), or (1)
//
// with the first value of a byte in its low nibble. All others are native:
//
//   W                             U8 (codes, 1), or F8_E4M3 / F8_E5M2 of the weight's shape
//   W.scale                       F32 or BF16 (blocks)
//   W.zero_point                  U8 (blocks), of formats with zero points
//   W.quant_state.qfmt__NAME      U8 (bytes of JSON), as native files have it
#pragma once

#include "qfmt/checked.hpp"
#include "qfmt/codec/decode.hpp"
#include "qfmt/format/formats.hpp"
#include "qfmt/io/tensor_info.hpp"
#include "qfmt/scheme/scheme_list.hpp"

#include <optional>
#include <string>
#include <vector>

namespace qfmt::inline v0::io {

/// How the weights of one such format are stored.
struct ElementLayout {
  SchemeDesc desc;                       ///< of the format's own scheme
  int bits = 0;                          ///< of a code
  Dtype codes = Dtype::U8;               ///< what codes are declared as
  Dtype scales = Dtype::F32;             ///< and scales
  char const* codes_ending = "";         ///< what follows the weight's name
  char const* scales_ending = ".scale";  ///< of the blocks' scales
  char const* tensor_ending = nullptr;   ///< of the tensor's scale; null: it has none
  bool is_native = true;                 ///< else as existing checkpoints: low nibble first
  bool has_block_dimension = false;      ///< codes are (..., blocks, bytes of a block)
};

namespace detail {

template <FormatSpec F>
constexpr std::optional<ElementLayout> layout_of_format() {
  if constexpr (!ElementFormat<F> && !ZeroPointFormat<F>) {
    return std::nullopt;
  } else {
    using S = Scheme<Format<F>>;
    ElementLayout layout{desc_of<S>, S::bits};
    auto const scale = layout.desc.scale_type;
    layout.scales = scale == "f32"    ? Dtype::F32
                    : scale == "bf16" ? Dtype::BF16
                    : scale == "f16"  ? Dtype::F16
                    : scale == "e4m3" ? Dtype::F8_E4M3
                                      : Dtype::U8;
    if constexpr (S::bits == 8) {
      constexpr bool is_e5m2 = std::is_same_v<typename F::element, E5M2>;
      static_assert(is_e5m2 || std::is_same_v<typename F::element, E4M3>);
      layout.codes = is_e5m2 ? Dtype::F8_E5M2 : Dtype::F8_E4M3;
    }
    if constexpr (requires { F::checkpoint_codes; }) {
      layout.is_native = false;
      layout.codes_ending = F::checkpoint_codes;
      layout.scales_ending = F::checkpoint_scales;
      layout.has_block_dimension = F::checkpoint_blocks_apart;
      if constexpr (S::has_tensor_scale) layout.tensor_ending = F::checkpoint_tensor_scale;
    }
    return layout;
  }
}

template <FormatSpec... Fs>
std::vector<ElementLayout> layouts_of(FormatList<Fs...>) {
  std::vector<ElementLayout> all;
  for (auto const& layout : {layout_of_format<Fs>()...})
    if (layout) all.push_back(*layout);
  return all;
}

}  // namespace detail

/// Every such format of the library.
inline std::vector<ElementLayout> element_layouts() { return detail::layouts_of(Formats{}); }

/// The layout of the format of this name; nothing where it is none of these.
inline std::optional<ElementLayout> element_layout(std::string_view format) {
  for (auto const& layout : element_layouts())
    if (layout.desc.format == format) return layout;
  return std::nullopt;
}

namespace detail {

/// The pieces of a weight, codes first; the native state comes after them. Errors:
/// unsupported_shape where an existing layout's rows do not consist of whole blocks.
inline Result<std::vector<TensorInfo>> element_pieces(ElementLayout const& layout,
                                                      std::string const& name,
                                                      std::vector<std::int64_t> const& shape,
                                                      int block_size) {
  auto const count = value_count(name, shape);
  if (!count) return count.error();
  std::int64_t const blocks = ceil_div(*count, block_size);
  std::vector<std::int64_t> codes = shape, scales{blocks};
  if (!layout.is_native) {
    if (shape.empty() || shape.back() % block_size != 0)
      return Error{{Errc::unsupported_shape},
                   name,
                   "its last dimension is no multiple of " + std::to_string(block_size) + ", as " +
                       std::string(layout.desc.format) + " needs"};
    scales = shape;
    scales.back() /= block_size;
    codes = scales;
    if (layout.has_block_dimension) codes.push_back(block_size / 2);
    if (!layout.has_block_dimension) codes.back() = shape.back() / 2;
  } else if (layout.bits == 4) {
    codes = {ceil_div(*count, 2), 1};
  }
  std::vector<TensorInfo> pieces{{name + layout.codes_ending, layout.codes, codes},
                                 {name + layout.scales_ending, layout.scales, scales}};
  if (layout.tensor_ending != nullptr)
    pieces.push_back({name + layout.tensor_ending, Dtype::F32, {}});
  if (layout.desc.zero_point) pieces.push_back({name + ".zero_point", Dtype::U8, {blocks}});
  return pieces;
}

/// The shape of the weight whose codes have this shape, or nothing.
inline std::optional<std::vector<std::int64_t>> shape_of_codes(ElementLayout const& layout,
                                                               std::vector<std::int64_t> shape) {
  std::int64_t const block = layout.desc.block_size;
  if (layout.has_block_dimension) {
    if (shape.size() < 2 || shape.back() != block / 2) return std::nullopt;
    shape.pop_back();
    if (multiply_overflows(shape.back(), block, &shape.back())) return std::nullopt;
  } else if (shape.empty() || multiply_overflows(shape.back(), 2, &shape.back())) {
    return std::nullopt;
  }
  return shape;
}

}  // namespace detail

/// Bytes with their nibbles exchanged: from qfmt's order to that of existing checkpoints, and back.
inline void swap_nibbles(std::uint8_t const* from, std::int64_t bytes, std::uint8_t* to) {
  for (std::int64_t i = 0; i < bytes; ++i)
    to[i] = static_cast<std::uint8_t>(from[i] >> 4 | from[i] << 4);
}

}  // namespace qfmt::inline v0::io
