// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The quantized weights of a file or checkpoint, each checked to the last piece before anything of
// it is read: names, element types, shapes, the state's JSON, and nothing that bitsandbytes does
// not know.
#pragma once

#include "qfmt/checked.hpp"
#include "qfmt/io/quantized_weight.hpp"
#include "qfmt/io/safetensors.hpp"

#include <unordered_map>

namespace qfmt::inline v0::io {

namespace detail {

/// The key of a 4-bit state in a tensor's name.
struct StateKey {
  std::size_t at = std::string::npos;  // where the weight's name ends
  std::string_view format;             // what follows the key; a view of the tensor's name
  StateRules rules = StateRules::bitsandbytes;
};

inline std::optional<StateKey> state_key_in(std::string const& name) {
  for (auto const rules : {StateRules::bitsandbytes, StateRules::native}) {
    auto const key = rules == StateRules::native ? native_state_key : state_key;
    if (auto const at = name.rfind(key); at != std::string::npos)
      return StateKey{at, std::string_view(name).substr(at + key.size()), rules};
  }
  return std::nullopt;
}

/// One of the weight's tensors is there as it must be; a scalar may have the shape [1].
template <TensorSource Source>
Error check_piece(Source const& source, TensorInfo const& expected) {
  auto const found = source.locate(expected.name);
  if (!found) return {{Errc::not_found}, expected.name, "it is missing"};
  if (found->info->dtype != expected.dtype)
    return {{Errc::unsupported_dtype},
            found->subject(),
            "its dtype is " + std::string(traits_of(found->info->dtype).name) + ", not " +
                std::string(traits_of(expected.dtype).name)};
  bool const is_scalar =
      expected.shape.empty() && found->info->shape == std::vector<std::int64_t>{1};
  if (found->info->shape != expected.shape && !is_scalar)
    return {{Errc::size_mismatch}, found->subject(), "its shape does not belong to the weight's"};
  return {};
}

/// The weight that a state describes, with the form that its codes are stored in.
template <TensorSource Source>
Result<QuantizedWeight> weight_of_state(Source const& source, StoredTensor const& tensor,
                                        StateKey const& key) {
  if (tensor.info->dtype != Dtype::U8)
    return Error{{Errc::unsupported_dtype}, tensor.subject(), "its dtype is not U8"};
  auto const state = parse_quant_state(tensor.bytes, tensor.subject(), key.rules);
  if (!state) return state.error();
  if (key.format != state->quant_type)
    return Error{{Errc::unsupported_scheme},
                 tensor.subject(),
                 "its quant_type is '" + printable(state->quant_type) + "', not that of its name"};
  QuantizedWeight weight{tensor.info->name.substr(0, key.at),
                         state->desc(),
                         state->dtype,
                         state->shape,
                         state->nested_offset.value_or(0.f),
                         {},
                         state->slice};
  weight.desc.format = key.format;
  for_each_format(Formats{}, [&]<class F>() {
    if (key.format == F::name) weight.desc.format = F::name;
  });
  if (auto const layout = element_layout(key.format)) {
    weight.desc = layout->desc;
    weight.desc.block_size = state->block_size;
    if (!layout->is_native || state->nested_offset || state->slice)
      return Error{{Errc::unsupported_scheme}, tensor.subject(), "no such scheme is stored so"};
  }
  if (key.rules == StateRules::bitsandbytes && !bitsandbytes_loads(weight.desc))
    return Error{{Errc::unsupported_scheme}, tensor.subject(), "bitsandbytes knows no such scheme"};
  auto const codes = source.locate(weight.name);
  if (!codes) return Error{{Errc::not_found}, weight.name, "it is missing"};
  weight.stored.dtype = codes->info->dtype;
  weight.stored.transposed =
      codes->info->shape.size() == 2 && codes->info->shape[0] == 1 && codes->info->shape[1] != 1;
  return weight;
}

/// Every piece of a 4-bit weight of a known form. Of a format that only its author knows, the bits
/// of a code are unknown too: view_quantized checks it.
template <TensorSource Source>
Error check_pieces(Source const& source, QuantizedWeight const& weight) {
  auto const pieces = pieces_of(weight);
  if (!pieces) return pieces.error();
  bool known = false;
  for_each_format(Formats{}, [&]<class F>() { known = known || weight.desc.format == F::name; });
  for (std::size_t i = 0; i + 1 < pieces->size(); ++i)  // the last is the state, which was read
    if (known || i > 0)
      if (Error e = check_piece(source, (*pieces)[i])) return e;
  if (weight.slice) {
    StoredSlice const& s = *weight.slice;
    std::int64_t last = 0;
    if (multiply_overflows(s.rows > 0 ? s.rows - 1 : 0, s.row_stride, &last) ||
        add_overflows(last, s.origin, &last) || add_overflows(last, s.cols, &last) ||
        last > weight.shape[0])
      return {{Errc::size_mismatch}, weight.name, "its slice does not lie within its values"};
  }
  return {};
}

/// The LLM.int8() weight whose scales these are; nothing where a tensor is only called so.
template <TensorSource Source>
Result<std::optional<QuantizedWeight>> weight_of_scales(Source const& source,
                                                        StoredTensor const& scales) {
  auto const& name = scales.info->name;
  auto const module = name.substr(0, name.size() - 4);
  auto weight = source.locate(module + ".weight");
  if (!weight) weight = source.locate(module);
  if (!weight || weight->info->dtype != Dtype::I8) return std::optional<QuantizedWeight>();
  QuantizedWeight found{
      weight->info->name, {Int8::name, 0, true, false}, Dtype::F16, weight->info->shape};
  auto const pieces = pieces_of(found);
  if (!pieces) return pieces.error();
  if (Error e = check_piece(source, (*pieces)[1])) return e;
  auto const format = source.locate(module + ".weight_format");
  if (!format) return std::optional(std::move(found));  // older files: row order, too
  if (format->info->dtype != Dtype::U8 || format->bytes.size() != 1)
    return Error{{Errc::unsupported_dtype}, format->subject(), "it is no single byte"};
  if (format->bytes[0] != std::byte{0})
    return Error{{Errc::unsupported_scheme},
                 format->subject(),
                 "its weight is permuted for one GPU generation; only row order can be read"};
  return std::optional(std::move(found));
}

/// Whether what is there of a weight in the layout of existing checkpoints leaves no doubt that it
/// is one: the tensor's scale, or codes and scales that have the types or the form of such.
template <TensorSource Source>
bool is_checkpoint_weight(Source const& source, ElementLayout const& layout,
                          std::string const& weight) {
  if (layout.tensor_ending != nullptr && source.locate(weight + layout.tensor_ending)) return true;
  auto const codes = source.locate(weight + layout.codes_ending);
  auto const scales = source.locate(weight + layout.scales_ending);
  if (!codes || !scales) return false;
  bool const of_codes = codes->info->dtype == layout.codes;
  bool const of_scales = scales->info->dtype == layout.scales;
  if (!layout.has_block_dimension) return of_codes && of_scales;
  auto blocks = codes->info->shape;
  if (blocks.size() < 2 || !(of_codes || of_scales)) return false;
  bool const fits = blocks.back() == layout.desc.block_size / 2;
  blocks.pop_back();
  return fits || blocks == scales->info->shape;
}

/// The weight of this name in the layout of existing checkpoints, checked to the last piece.
template <TensorSource Source>
Result<QuantizedWeight> checkpoint_weight(Source const& source, ElementLayout const& layout,
                                          std::string const& name) {
  auto const codes = source.locate(name + layout.codes_ending);
  if (!codes) return Error{{Errc::not_found}, name + layout.codes_ending, "it is missing"};
  auto const shape = shape_of_codes(layout, codes->info->shape);
  if (!shape)
    return Error{{Errc::size_mismatch},
                 codes->subject(),
                 "its shape is not that of codes in blocks of " +
                     std::to_string(layout.desc.block_size) + " values"};
  QuantizedWeight found{name, layout.desc, Dtype::BF16, *shape};
  auto const pieces = pieces_of(found);
  if (!pieces) return pieces.error();
  for (TensorInfo const& piece : *pieces)
    if (Error e = check_piece(source, piece)) return e;
  return found;
}

/// The weight that this tensor is the last piece of, in the layout of existing checkpoints; nothing
/// where a tensor is only called so.
template <TensorSource Source>
Result<std::optional<QuantizedWeight>> weight_of_checkpoint(Source const& source,
                                                            StoredTensor const& last) {
  std::string const& tensor = last.info->name;
  for (auto const& layout : element_layouts()) {
    if (layout.is_native) continue;
    for (char const* const ending : {layout.scales_ending, layout.tensor_ending}) {
      if (ending == nullptr || !tensor.ends_with(ending)) continue;
      std::string const name = tensor.substr(0, tensor.size() - std::string_view(ending).size());
      bool const more_follows = ending != layout.tensor_ending && layout.tensor_ending != nullptr &&
                                source.locate(name + layout.tensor_ending);
      if (name.empty() || more_follows || !is_checkpoint_weight(source, layout, name)) continue;
      auto found = checkpoint_weight(source, layout, name);
      if (!found) return found.error();
      return std::optional(std::move(*found));
    }
  }
  return std::optional<QuantizedWeight>();
}

/// An error where the tensor would be a piece of a 4-bit weight and is none that bitsandbytes
/// knows, or that this weight has.
inline Error check_surplus(StoredTensor const& tensor,
                           std::unordered_map<std::string, SchemeDesc> const& weights) {
  std::string const& name = tensor.info->name;
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    auto const weight = weights.find(name.substr(0, dot));
    if (weight == weights.end()) continue;
    std::string_view const piece = std::string_view(name).substr(dot + 1);
    SchemeDesc const& desc = weight->second;
    bool const is_element = element_layout(desc.format).has_value();
    bool const known = piece.starts_with("quant_state.") ||
                       (is_element ? piece == "scale" || (piece == "zero_point" && desc.zero_point)
                                   : piece == "absmax" || piece == "quant_map");
    bool const of_nested = piece == "nested_absmax" || piece == "nested_quant_map";
    if (!known && !(of_nested && desc.double_quant))
      return {{Errc::invalid_header}, tensor.subject(), "its weight has no such piece"};
  }
  return {};
}

}  // namespace detail

/// The quantized weights of a file or checkpoint, in the order of their states and scales. Formats
/// that only their author knows are among them. Errors, with the tensor as subject: not_found,
/// unsupported_dtype, size_mismatch for a piece; invalid_json, duplicate_name, header_too_large,
/// invalid_header for a state; unsupported_scheme; duplicate_name where a weight has two states;
/// invalid_header for a piece that no such weight has.
template <TensorSource Source>
Result<std::vector<QuantizedWeight>> find_quantized(Source const& source) {
  std::vector<QuantizedWeight> found;
  std::unordered_map<std::string, SchemeDesc> states;  // of weights that have one, by name
  Error error;
  source.visit([&](StoredTensor const& tensor) {
    if (error) return;
    if (auto const key = detail::state_key_in(tensor.info->name)) {
      auto weight = detail::weight_of_state(source, tensor, *key);
      error = weight ? detail::check_pieces(source, *weight) : weight.error();
      if (error) return;
      if (!states.emplace(weight->name, weight->desc).second) {
        error = {{Errc::duplicate_name}, tensor.subject(), "its weight has a second state"};
        return;
      }
      found.push_back(std::move(*weight));
    } else if (tensor.info->name.ends_with(".SCB")) {
      auto weight = detail::weight_of_scales(source, tensor);
      if (!weight) error = weight.error();
      if (weight && *weight) found.push_back(std::move(**weight));
    } else {
      auto weight = detail::weight_of_checkpoint(source, tensor);
      if (!weight) error = weight.error();
      if (weight && *weight) found.push_back(std::move(**weight));
    }
  });
  if (error) return error;
  source.visit([&](StoredTensor const& tensor) {
    if (!error) error = detail::check_surplus(tensor, states);
  });
  if (error) return error;
  return found;
}

}  // namespace qfmt::inline v0::io
