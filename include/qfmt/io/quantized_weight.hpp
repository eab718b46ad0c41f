// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A quantized weight and the tensors its pieces are stored in, under the names, types and shapes
// that bitsandbytes gives them. For a 4-bit weight P.weight:
//
//   P.weight                                   U8  (codes, 1), or the same bytes as another type
//   P.weight.absmax                            F32 (blocks); U8 where scales are nested
//   P.weight.quant_map                         F32 (16)
//   P.weight.nested_absmax, .nested_quant_map  F32 (groups), (256), nested only
//   P.weight.quant_state.bitsandbytes__nf4     U8  (bytes of JSON)
//
// for formats of io/element_weight.hpp what stands there, and for LLM.int8(): P.weight I8 (rows,
// cols), P.SCB F32 (rows), P.weight_format U8 ().
#pragma once

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/io/element_weight.hpp"
#include "qfmt/io/quant_state.hpp"
#include "qfmt/layout/packing.hpp"

namespace qfmt::inline v0::io {

/// How the codes of a 4-bit weight are declared; the bytes are the same.
struct StoredAs {
  /// bnb_4bit_quant_storage: U8, I8, F16, BF16, F32 or F64. Zero bytes fill the last value.
  Dtype dtype = Dtype::U8;
  /// (1, codes) in place of (codes, 1): bitsandbytes then takes the decoded matrix's transpose.
  bool transposed = false;

  /// Equal in both fields.
  friend bool operator==(StoredAs const&, StoredAs const&) = default;
};

/// A quantized weight of a file.
struct QuantizedWeight {
  std::string name;  // of the weight, P.weight
  /// Its format names a static string, or for a format that only its author knows part of a name
  /// in the file, valid while the file is open.
  SchemeDesc desc;
  Dtype dtype = Dtype::F16;               // of the original; int8 files do not say
  std::vector<std::int64_t> shape;        // of the original
  float offset = 0.f;                     // of nested scales
  StoredAs stored = {};                   ///< how 4-bit codes are declared
  std::optional<StoredSlice> slice = {};  // set: `shape` is the flat size of a packed slice
};

/// True if bitsandbytes itself can use such weights: NF4 and FP4 in blocks of 32 or more, row-wise
/// Int8.
constexpr bool bitsandbytes_loads(SchemeDesc const& desc) {
  if (desc.row_wise) return desc.format == Int8::name;
  return (desc.format == NF4::name || desc.format == FP4::name) && desc.block_size >= 32;
}
/// The same for a scheme known at compile time.
template <SchemeSpec S>
constexpr bool bitsandbytes_loads() {
  return bitsandbytes_loads(desc_of<std::remove_const_t<S>>);
}

/// True if this layout can hold the scheme: 4-bit codebooks in blocks, row-wise Int8.
template <SchemeSpec S>
constexpr bool has_bitsandbytes_layout() {
  using F = typename S::format;
  if constexpr (S::is_row_wise) {
    return std::same_as<F, Int8>;
  } else {
    return CodebookFormat<F> && S::bits == 4;
  }
}

namespace detail {

/// P for P.weight, or the name itself: the module that int8's scales are named after.
inline std::string module_of(std::string const& weight) {
  constexpr std::string_view ending = ".weight";
  bool const ends = weight.size() > ending.size() && std::string_view(weight).ends_with(ending);
  return ends ? weight.substr(0, weight.size() - ending.size()) : weight;
}

}  // namespace detail

/// The names of an LLM.int8() weight's other pieces.
inline std::string int8_scales_name(std::string const& weight) {
  return detail::module_of(weight) + ".SCB";
}
/// P.weight_format of P.weight.
inline std::string int8_format_name(std::string const& weight) {
  return detail::module_of(weight) + ".weight_format";
}

namespace detail {

inline constexpr std::string_view state_key = ".quant_state.bitsandbytes__";
inline constexpr std::string_view native_state_key = ".quant_state.qfmt__";

/// The state's key: one that bitsandbytes does not know where it could not read the bytes.
inline std::string state_name(QuantizedWeight const& weight) {
  bool const known = bitsandbytes_loads(weight.desc) && !weight.slice;
  return weight.name + std::string(known ? state_key : native_state_key) +
         std::string(weight.desc.format);
}

inline QuantState state_of(QuantizedWeight const& weight) {
  QuantState state{std::string(weight.desc.format),
                   weight.desc.block_size,
                   weight.dtype,
                   weight.shape,
                   std::nullopt,
                   weight.slice};
  if (weight.desc.double_quant) state.nested_offset = weight.offset;
  return state;
}

constexpr bool can_store_codes(Dtype dtype) {
  return dtype == Dtype::U8 || dtype == Dtype::I8 || dtype == Dtype::F16 || dtype == Dtype::BF16 ||
         dtype == Dtype::F32 || dtype == Dtype::F64;
}

inline Result<std::vector<TensorInfo>> int8_pieces(QuantizedWeight const& weight) {
  if (weight.shape.size() != 2)
    return Error{{Errc::unsupported_shape}, weight.name, "one scale a row needs two dimensions"};
  return std::vector<TensorInfo>{{weight.name, Dtype::I8, weight.shape},
                                 {int8_scales_name(weight.name), Dtype::F32, {weight.shape[0]}},
                                 {int8_format_name(weight.name), Dtype::U8, {}}};
}

}  // namespace detail

namespace detail {
inline TensorInfo state_piece(QuantizedWeight const& weight) {
  auto const blob = serialize_quant_state(state_of(weight));
  return {state_name(weight), Dtype::U8, {static_cast<std::int64_t>(blob.size())}};
}
}  // namespace detail

/// The tensors that a weight is stored in; the codes come first, the state last. Errors:
/// size_overflow; unsupported_shape where row-wise scales meet another rank than 2;
/// unsupported_dtype where codes cannot be declared so.
inline Result<std::vector<TensorInfo>> pieces_of(QuantizedWeight const& weight) {
  auto const count = value_count(weight.name, weight.shape);
  if (!count) return count.error();
  if (weight.desc.row_wise) return detail::int8_pieces(weight);
  if (auto const layout = element_layout(weight.desc.format)) {
    auto pieces =
        detail::element_pieces(*layout, weight.name, weight.shape, weight.desc.block_size);
    if (pieces && layout->is_native) pieces->push_back(detail::state_piece(weight));
    return pieces;
  }
  Dtype const storage = weight.stored.dtype;
  if (!detail::can_store_codes(storage))
    return Error{{Errc::unsupported_dtype}, weight.name, "4-bit codes are not stored as this type"};
  bool const nested = weight.desc.double_quant;
  std::int64_t const blocks = ceil_div(*count, weight.desc.block_size);
  std::int64_t const cells = ceil_div(ceil_div(*count, 2), traits_of(storage).bits / 8);
  auto const shape = weight.stored.transposed ? std::vector<std::int64_t>{1, cells}
                                              : std::vector<std::int64_t>{cells, 1};
  std::vector<TensorInfo> pieces{
      {weight.name, storage, shape},
      {weight.name + ".absmax", nested ? Dtype::U8 : Dtype::F32, {blocks}},
      {weight.name + ".quant_map", Dtype::F32, {16}}};
  if (nested) {
    std::int64_t const groups = ceil_div(blocks, AbsmaxScheme::block_size);
    pieces.push_back({weight.name + ".nested_absmax", Dtype::F32, {groups}});
    pieces.push_back({weight.name + ".nested_quant_map", Dtype::F32, {256}});
  }
  pieces.push_back(detail::state_piece(weight));
  return pieces;
}

/// The description of a weight of this name, type and shape under S. `offset` is that of its nested
/// scales.
template <SchemeSpec S>
QuantizedWeight described(TensorInfo const& weight, float offset = 0.f, StoredAs stored = {}) {
  static_assert(has_bitsandbytes_layout<S>(),
                "qfmt::io: bitsandbytes' layout holds 4-bit codebooks in blocks and row-wise Int8");
  return {weight.name, desc_of<std::remove_const_t<S>>, weight.dtype, weight.shape, offset, stored};
}

/// The pieces that a weight of this name, type and shape is stored in under S. `offset` is that of
/// its nested scales: the blob spells it, so it must be known before a file can be laid out.
/// Errors: those of pieces_of.
template <SchemeSpec S>
Result<std::vector<TensorInfo>> quantized_pieces(TensorInfo const& weight, float offset = 0.f,
                                                 StoredAs stored = {}) {
  return pieces_of(described<S>(weight, offset, stored));
}

}  // namespace qfmt::inline v0::io
