// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing quantized weights as bitsandbytes stores them (io/quantized_weight.hpp).
#pragma once

#include "qfmt/codec/decode.hpp"
#include "qfmt/io/find_quantized.hpp"
#include "qfmt/layout/check.hpp"
#include "qfmt/layout/placement.hpp"
#include "qfmt/layout/shards.hpp"

namespace qfmt::inline v0::io {

namespace detail {

/// The 16 levels as files hold them: bitsandbytes writes +0 where its kernels decode -0.
template <CodebookFormat F>
std::array<float, 16> stored_map() {
  std::array<float, 16> map{};
  for (int c = 0; c < F::codebook.count && c < 16; ++c)
    map[static_cast<std::size_t>(c)] = F::codebook.level[c] + 0.f;
  return map;
}

inline std::span<std::byte const> as_bytes(void const* data, std::int64_t bytes) {
  return {static_cast<std::byte const*>(data), static_cast<std::size_t>(bytes)};
}

/// A view that has the weight's shape and can be read.
template <SchemeSpec S>
Error check_shape(QuantizedWeight const& weight, QuantizedSpan<S const> const& values) {
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

/// Writes pieces one after another until one fails.
class PieceWriter {
 public:
  explicit PieceWriter(SafetensorsWriter& writer) : writer_(writer) {}

  void operator()(std::string const& name, void const* data, std::int64_t bytes) {
    if (!error && bytes > 0) error = writer_.write(name, as_bytes(data, bytes));
  }

  Error error;

 private:
  SafetensorsWriter& writer_;
};

template <SchemeSpec S>
void write_row_scales(PieceWriter& write, QuantizedWeight const& weight,
                      QuantizedSpan<S const> const& values) {
  auto const name = int8_scales_name(weight.name);
  std::int64_t const rows = weight.shape[0];
  std::uint8_t const row_major = 0;
  if (values.size == 0) {  // rows without values still have scales
    std::vector<float> const zeros(static_cast<std::size_t>(rows));
    write(name, zeros.data(), rows * 4);
  } else {
    write(name, values.scales.absmax, rows * 4);
  }
  write(int8_format_name(weight.name), &row_major, 1);
}

}  // namespace detail

/// What follows the scales of a 4-bit weight: the maps and the state; of nested scales, `levels` is
/// the map they were made with, null for the built-in one. For writers that stream codes and scales
/// themselves. Errors: those of the writer.
template <CodebookFormat F>
[[nodiscard]] Error write_maps_and_state(SafetensorsWriter& writer, QuantizedWeight const& weight,
                                         float const* levels = nullptr) {
  detail::PieceWriter write(writer);
  auto const map = detail::stored_map<F>();
  write(weight.name + ".quant_map", map.data(), 16 * 4);
  if (weight.desc.double_quant)
    write(weight.name + ".nested_quant_map", levels != nullptr ? levels : Dynamic8::codebook.level,
          256 * 4);
  auto const blob = serialize_quant_state(detail::state_of(weight));
  write(detail::state_name(weight), blob.data(), static_cast<std::int64_t>(blob.size()));
  return write.error;
}

/// Bytes that follow the codes so that they fill the last value of the type they are stored as.
inline std::int64_t storage_padding(QuantizedWeight const& weight, std::int64_t codes) {
  std::int64_t const cell = weight.desc.row_wise ? 1 : traits_of(weight.stored.dtype).bits / 8;
  return ceil_div(codes, cell) * cell - codes;
}

/// Writes the pieces of a weight to a writer that was laid out with pieces_of(weight). Its offset
/// is the view's. Errors: those of the view and the writer; size_mismatch where the view's shape is
/// another.
template <SchemeSpec S>
[[nodiscard]] Error write_quantized(SafetensorsWriter& writer, QuantizedWeight weight,
                                    QuantizedSpan<S const> values) {
  static_assert(has_bitsandbytes_layout<S>(),
                "qfmt::io: bitsandbytes' layout holds 4-bit codebooks in blocks and row-wise Int8");
  if (Error e = detail::check_shape<S>(weight, values)) return e;
  detail::PieceWriter write(writer);
  std::int64_t const codes = codes_bytes<S>(values.size);
  write(weight.name, values.codes, codes);
  if constexpr (S::is_row_wise) {
    detail::write_row_scales<S>(write, weight, values);
    return write.error;
  } else {
    constexpr std::array<std::byte, 8> zeros{};
    write(weight.name, zeros.data(), storage_padding(weight, codes));
    auto const blocks = block_count<S>(values.size);
    float const* levels = nullptr;
    weight.offset = 0.f;
    if constexpr (S::is_nested) {
      auto const& inner = values.scales.absmax;
      if (values.size > 0) weight.offset = *values.scales.offset;
      levels = stored_levels(inner.scales);  // what the codes were made with
      write(weight.name + ".absmax", inner.codes, blocks);
      write(weight.name + ".nested_absmax", inner.scales.absmax,
            block_count<AbsmaxScheme>(blocks) * 4);
    } else {
      write(weight.name + ".absmax", values.scales.absmax, blocks * 4);
    }
    if (write.error) return write.error;
    return write_maps_and_state<typename S::format>(writer, weight, levels);
  }
}
/// The same for a weight of this name, type and shape under S. Errors: those above.
template <SchemeSpec S>
[[nodiscard]] Error write_quantized(SafetensorsWriter& writer, TensorInfo const& weight,
                                    QuantizedSpan<S const> values) {
  return write_quantized<S>(writer, described<S>(weight), values);
}

namespace detail {

/// The bytes of a weight's pieces, which must be where pieces_of says; the first fault stays.
template <TensorSource Source>
class PieceReader {
 public:
  PieceReader(Source const& source, std::vector<TensorInfo> const& pieces)
      : source_(source), pieces_(pieces) {}

  template <class T>
  T const* operator()(std::string const& name) {
    if (error) return nullptr;
    for (TensorInfo const& piece : pieces_)
      if (piece.name == name) error = check_piece(source_, piece);
    return error ? nullptr : reinterpret_cast<T const*>(source_.locate(name)->bytes.data());
  }

  Error error;

 private:
  Source const& source_;
  std::vector<TensorInfo> const& pieces_;
};

/// A stored map of 256 levels is whatever its author's build made, but numbers.
inline Error check_levels(float const* levels, std::string const& name) {
  for (int i = 0; levels != nullptr && i < 256; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, levels + i, sizeof bits);  // the address may be odd
    if ((bits & 0x7F800000u) == 0x7F800000u)
      return {{Errc::map_mismatch}, name, "it holds a NaN or an infinity"};
  }
  return {};
}

template <SchemeSpec S, class Reader>
QuantizedSpan<S const> view_blocks(Reader& read, QuantizedWeight const& weight,
                                   std::int64_t count) {
  QuantizedSpan<S const> view;
  view.size = count;
  view.codes = read.template operator()<std::uint8_t>(weight.name);
  if constexpr (S::is_nested) {
    auto& inner = view.scales.absmax;
    inner.codes = read.template operator()<std::uint8_t>(weight.name + ".absmax");
    inner.scales.absmax = read.template operator()<float>(weight.name + ".nested_absmax");
    inner.scales.levels = read.template operator()<float>(weight.name + ".nested_quant_map");
    inner.size = block_count<S>(count);
    view.scales.offset = &weight.offset;
    if (!read.error)
      read.error = check_levels(inner.scales.levels, weight.name + ".nested_quant_map");
  } else {
    view.scales.absmax = read.template operator()<float>(weight.name + ".absmax");
  }
  if (auto const* const map = read.template operator()<char>(weight.name + ".quant_map")) {
    auto const expected = stored_map<typename S::format>();
    if (std::memcmp(map, expected.data(), sizeof expected) != 0)
      read.error = {{Errc::map_mismatch}, weight.name + ".quant_map", {}};
  }
  return view;
}

}  // namespace detail

/// A view of a weight's bytes in its file, valid while `source` and `weight` live: nothing is
/// copied. Of a packed slice these are its flat values; view_matrix gives the slice.
/// Errors: unsupported_scheme where the weight is of another; not_found, unsupported_dtype or
/// size_mismatch naming the piece; misaligned; map_mismatch where the stored 16 levels are not the
/// format's, or the stored 256 not numbers.
template <MutableScheme S, TensorSource Source>
Result<QuantizedSpan<S const>> view_quantized(Source const& source, QuantizedWeight const& weight) {
  if (weight.desc != desc_of<S>)
    return Error{{Errc::unsupported_scheme}, weight.name, "it is stored under another scheme"};
  auto const pieces = pieces_of(weight);
  if (!pieces) return pieces.error();
  std::int64_t const count = *value_count(weight.name, weight.shape);  // pieces_of has checked it
  detail::PieceReader read(source, *pieces);
  QuantizedSpan<S const> view;
  if constexpr (S::is_row_wise) {
    view.size = count;
    view.codes = read.template operator()<std::uint8_t>(weight.name);
    view.scales.absmax = read.template operator()<float>(int8_scales_name(weight.name));
    view.scales.row_length = weight.shape[1];
  } else {
    view = detail::view_blocks<S>(read, weight, count);
  }
  if (read.error) return read.error;
  if (Errc const e = check(view); e != Errc::ok) return Error{{e}, weight.name, {}};
  return view;
}

/// The same as a matrix: a packed slice with its phase; a weight of two dimensions as it is; others
/// as (first dimension, all others). Errors: also unsupported_shape for a weight without
/// dimensions.
template <MutableScheme S, TensorSource Source>
Result<QuantizedMatrix<S const>> view_matrix(Source const& source, QuantizedWeight const& weight) {
  auto const view = view_quantized<S>(source, weight);
  if (!view) return view.error();
  if (weight.slice) {
    auto const& s = *weight.slice;
    QuantizedMatrix<S const> const m{*view, s.rows, s.cols, s.row_stride, s.origin};
    if (Errc const e = check_bounds(m); e != Errc::ok) return Error{{e}, weight.name, {}};
    return m;
  }
  if (weight.shape.empty())
    return Error{{Errc::unsupported_shape}, weight.name, "it has no dimensions"};
  std::int64_t const rows = weight.shape[0];
  return QuantizedMatrix<S const>{*view, rows, rows == 0 ? 0 : view->size / rows};
}

}  // namespace qfmt::inline v0::io
