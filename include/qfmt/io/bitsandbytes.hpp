// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantized weights under the names and shapes bitsandbytes gives their pieces, in a safetensors
// file. For a 4-bit weight P.weight:
//
//   P.weight                                   U8  (codes, 1)
//   P.weight.absmax                            F32 (blocks); U8 where scales are nested
//   P.weight.quant_map                         F32 (16)
//   P.weight.nested_absmax, .nested_quant_map  F32 (groups), (256), nested only
//   P.weight.quant_state.bitsandbytes__nf4     U8  (bytes of JSON)
//
// and for LLM.int8(): P.weight I8 (rows, cols), P.SCB F32 (rows), P.weight_format U8 ().
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/io/quant_state.hpp"
#include "qfmt/io/safetensors.hpp"
#include "qfmt/layout/check.hpp"
#include "qfmt/layout/placement.hpp"

namespace qfmt::inline v0::io {

/// True if bitsandbytes itself can use weights of this scheme: NF4 and FP4 in blocks of 32 or more,
/// row-wise Int8.
template <SchemeSpec S>
constexpr bool bitsandbytes_loads() {
  using F = typename S::format;
  if constexpr (S::is_row_wise) {
    return std::same_as<F, Int8>;
  } else {
    return (std::same_as<F, NF4> || std::same_as<F, FP4>)&&S::block_size >= 32;
  }
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

/// A quantized weight of a file.
struct QuantizedWeight {
  std::string name;                 // of the weight, P.weight
  SchemeDesc desc;                  // its format names a static string
  Dtype dtype = Dtype::F16;         // of the original; int8 files do not say
  std::vector<std::int64_t> shape;  // of the original
  float offset = 0.f;               // of nested scales
};

namespace detail {

inline constexpr std::string_view state_key = ".quant_state.bitsandbytes__";
inline constexpr std::string_view native_state_key = ".quant_state.qfmt__";

/// P for P.weight, or the name itself: the module that int8's scales are named after.
inline std::string module_of(std::string const& weight) {
  constexpr std::string_view ending = ".weight";
  bool const ends = weight.size() > ending.size() && std::string_view(weight).ends_with(ending);
  return ends ? weight.substr(0, weight.size() - ending.size()) : weight;
}

/// The state's key: one that bitsandbytes does not know where it could not read the bytes.
template <SchemeSpec S>
std::string state_name(std::string const& weight) {
  auto const key = bitsandbytes_loads<S>() ? state_key : native_state_key;
  return weight + std::string(key) + S::format::name;
}

template <SchemeSpec S>
QuantState state_of(TensorInfo const& weight, float offset) {
  QuantState state{S::format::name, S::block_size, weight.dtype, weight.shape, std::nullopt};
  if (S::is_nested) state.nested_offset = offset;
  return state;
}

/// The 16 levels as files hold them: bitsandbytes writes +0 where its kernels decode -0.
template <CodebookFormat F>
std::array<float, 16> stored_map() {
  std::array<float, 16> map{};
  for (int c = 0; c < 16; ++c) map[static_cast<std::size_t>(c)] = F::codebook.level[c] + 0.f;
  return map;
}

inline std::span<std::byte const> as_bytes(void const* data, std::int64_t bytes) {
  return {static_cast<std::byte const*>(data), static_cast<std::size_t>(bytes)};
}

}  // namespace detail

/// The pieces that a weight of this name, type and shape is stored in under S. `offset` is that of
/// its nested scales: the blob spells it, so it must be known before a file can be laid out.
/// Errors: size_overflow; unsupported_shape where row-wise scales meet another rank than 2.
template <SchemeSpec S>
Result<std::vector<TensorInfo>> quantized_pieces(TensorInfo const& weight, float offset = 0.f) {
  static_assert(has_bitsandbytes_layout<S>(),
                "qfmt::io: bitsandbytes' layout holds 4-bit codebooks in blocks and row-wise Int8");
  auto const count = value_count(weight.name, weight.shape);
  if (!count) return count.error();
  if constexpr (S::is_row_wise) {
    if (weight.shape.size() != 2)
      return Error{{Errc::unsupported_shape}, weight.name, "one scale a row needs two dimensions"};
    auto const module = detail::module_of(weight.name);
    return std::vector<TensorInfo>{{weight.name, Dtype::I8, weight.shape},
                                   {module + ".SCB", Dtype::F32, {weight.shape[0]}},
                                   {module + ".weight_format", Dtype::U8, {}}};
  } else {
    auto const blocks = block_count<S>(*count);
    auto const blob = serialize_quant_state(detail::state_of<S>(weight, offset));
    std::vector<TensorInfo> pieces{
        {weight.name, Dtype::U8, {codes_bytes<S>(*count), 1}},
        {weight.name + ".absmax", S::is_nested ? Dtype::U8 : Dtype::F32, {blocks}},
        {weight.name + ".quant_map", Dtype::F32, {16}},
        {detail::state_name<S>(weight.name), Dtype::U8, {static_cast<std::int64_t>(blob.size())}}};
    if constexpr (S::is_nested) {
      pieces.push_back(
          {weight.name + ".nested_absmax", Dtype::F32, {block_count<AbsmaxScheme>(blocks)}});
      pieces.push_back({weight.name + ".nested_quant_map", Dtype::F32, {256}});
    }
    return pieces;
  }
}

namespace detail {
/// A view that has the weight's shape and can be read.
template <SchemeSpec S>
Error check_shape(TensorInfo const& weight, QuantizedSpan<S const> const& values) {
  if (Errc const e = check(values); e != Errc::ok) return {{e}, weight.name, {}};
  auto const count = value_count(weight.name, weight.shape);
  if (!count) return count.error();
  bool fits = *count == values.size;
  if constexpr (S::is_row_wise) {
    fits = fits && weight.shape.size() == 2 &&
           (values.size == 0 || values.scales.row_length == weight.shape[1]);
  }
  if (fits) return {};
  return {{Errc::size_mismatch}, weight.name, "the view has another shape than the weight"};
}
}  // namespace detail

/// Writes the pieces of a weight to a writer that was laid out with quantized_pieces<S>.
/// Errors: those of the view and the writer; size_mismatch where the view's shape is another.
template <SchemeSpec S>
[[nodiscard]] Error write_quantized(SafetensorsWriter& writer, TensorInfo const& weight,
                                    QuantizedSpan<S const> values) {
  static_assert(has_bitsandbytes_layout<S>(),
                "qfmt::io: bitsandbytes' layout holds 4-bit codebooks in blocks and row-wise Int8");
  Error error = detail::check_shape<S>(weight, values);
  if (error) return error;
  auto const write = [&](std::string const& name, void const* data, std::int64_t bytes) {
    if (!error && bytes > 0) error = writer.write(name, detail::as_bytes(data, bytes));
  };
  write(weight.name, values.codes, codes_bytes<S>(values.size));
  if constexpr (S::is_row_wise) {
    auto const module = detail::module_of(weight.name);
    std::uint8_t const row_major = 0;
    std::vector<float> const empty_rows(values.size == 0 ? static_cast<std::size_t>(weight.shape[0])
                                                         : 0);
    float const* const scales = values.size == 0 ? empty_rows.data() : values.scales.absmax;
    write(module + ".SCB", scales, weight.shape[0] * 4);
    write(module + ".weight_format", &row_major, 1);
  } else {
    auto const blocks = block_count<S>(values.size);
    auto const map = detail::stored_map<typename S::format>();
    float offset = 0.f;
    if constexpr (S::is_nested) {
      auto const& inner = values.scales.absmax;
      if (values.size > 0) offset = *values.scales.offset;
      write(weight.name + ".absmax", inner.codes, blocks);
      write(weight.name + ".nested_absmax", inner.scales.absmax,
            block_count<AbsmaxScheme>(blocks) * 4);
      float const* const levels = stored_levels(inner.scales);  // what the codes were made with
      write(weight.name + ".nested_quant_map",
            levels != nullptr ? levels : Dynamic8::codebook.level, 256 * 4);
    } else {
      write(weight.name + ".absmax", values.scales.absmax, blocks * 4);
    }
    write(weight.name + ".quant_map", map.data(), 16 * 4);
    auto const blob = serialize_quant_state(detail::state_of<S>(weight, offset));
    write(detail::state_name<S>(weight.name), blob.data(), static_cast<std::int64_t>(blob.size()));
  }
  return error;
}

/// The quantized weights of a file, in the order of their names' first piece. Errors: a blob that
/// cannot be read.
inline Result<std::vector<QuantizedWeight>> find_quantized(SafetensorsFile const& file) {
  std::vector<QuantizedWeight> found;
  for (TensorInfo const& t : file.tensors()) {
    for (auto const key : {detail::state_key, detail::native_state_key}) {
      auto const at = t.name.rfind(key);
      if (at == std::string::npos) continue;
      auto const state = parse_quant_state(file.bytes(t), t.name + " in " + file.path());
      if (!state) return state.error();
      auto const format = t.name.substr(at + key.size());
      if (format != state->quant_type || (format != NF4::name && format != FP4::name))
        return Error{
            {Errc::unsupported_scheme}, t.name, "its quant_type is not its name's, or unknown"};
      auto desc = state->desc();
      desc.format = format == NF4::name ? NF4::name : FP4::name;
      found.push_back({t.name.substr(0, at), desc, state->dtype, state->shape,
                       state->nested_offset.value_or(0.f)});
    }
    if (t.name.ends_with(".SCB")) {
      auto const module = t.name.substr(0, t.name.size() - 4);
      TensorInfo const* weight = file.find(module + ".weight");
      if (weight == nullptr) weight = file.find(module);
      TensorInfo const* const format = file.find(module + ".weight_format");
      if (format != nullptr && format->bytes() == 1 && file.bytes(*format)[0] != std::byte{0})
        return Error{{Errc::unsupported_scheme},
                     format->name + " in " + file.path(),
                     "its weight is permuted for one GPU generation; only row order can be read"};
      if (weight != nullptr && weight->dtype == Dtype::I8 && weight->shape.size() == 2)
        found.push_back({weight->name, {Int8::name, 0, true, false}, Dtype::F16, weight->shape});
    }
  }
  return found;
}

/// A view of a weight's bytes in the file, valid while `file` and `weight` live: nothing is copied.
/// Errors: not_found or size_mismatch naming the piece, unsupported_dtype, misaligned, map_mismatch
/// where the file's 16 levels are not the format's.
template <MutableScheme S>
Result<QuantizedSpan<S const>> view_quantized(SafetensorsFile const& file,
                                              QuantizedWeight const& weight) {
  Error error;
  auto const piece = [&](std::string const& name, Dtype dtype, std::int64_t count) {
    TensorInfo const* const t = file.find(name);
    std::string const subject = name + " in " + file.path();
    if (error) return static_cast<std::byte const*>(nullptr);
    if (t == nullptr) {
      error = {{Errc::not_found}, subject, "it is missing"};
    } else if (t->dtype != dtype) {
      error = {{Errc::unsupported_dtype}, subject, "its dtype is not the one of this piece"};
    } else if (std::int64_t const size = traits_of(dtype).bits / 8;
               t->bytes() % size != 0 || t->bytes() / size != count) {
      error = {{Errc::size_mismatch}, subject, "its size does not belong to the weight's shape"};
    }
    return error ? nullptr : file.bytes(*t).data();
  };
  auto const floats = [](std::byte const* p) { return reinterpret_cast<float const*>(p); };
  auto const codes = [](std::byte const* p) { return reinterpret_cast<std::uint8_t const*>(p); };

  auto const count = value_count(weight.name, weight.shape);
  if (!count) return count.error();
  QuantizedSpan<S const> view;
  view.size = *count;
  if constexpr (S::is_row_wise) {
    if (weight.shape.size() != 2)
      return Error{{Errc::unsupported_shape}, weight.name, "one scale a row needs two dimensions"};
    view.codes = codes(piece(weight.name, Dtype::I8, *count));
    view.scales.absmax =
        floats(piece(detail::module_of(weight.name) + ".SCB", Dtype::F32, weight.shape[0]));
    view.scales.row_length = weight.shape[1];
  } else {
    auto const blocks = block_count<S>(*count);
    view.codes = codes(piece(weight.name, Dtype::U8, codes_bytes<S>(*count)));
    if constexpr (S::is_nested) {
      auto& inner = view.scales.absmax;
      inner.codes = codes(piece(weight.name + ".absmax", Dtype::U8, blocks));
      inner.scales.absmax = floats(
          piece(weight.name + ".nested_absmax", Dtype::F32, block_count<AbsmaxScheme>(blocks)));
      inner.scales.levels = floats(piece(weight.name + ".nested_quant_map", Dtype::F32, 256));
      inner.size = blocks;
      view.scales.offset = &weight.offset;
    } else {
      view.scales.absmax = floats(piece(weight.name + ".absmax", Dtype::F32, blocks));
    }
    if (auto const* const map = piece(weight.name + ".quant_map", Dtype::F32, 16)) {
      auto const expected = detail::stored_map<typename S::format>();
      if (std::memcmp(map, expected.data(), sizeof expected) != 0)
        error = {{Errc::map_mismatch}, weight.name + ".quant_map in " + file.path(), {}};
    }
  }
  if (error) return error;
  if (Errc const e = check(view); e != Errc::ok)
    return Error{{e}, weight.name + " in " + file.path(), {}};
  return view;
}

}  // namespace qfmt::inline v0::io
