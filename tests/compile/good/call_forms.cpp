// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every ordinary way to call the host's functions. Compiled, without a warning, by every compiler.
#include "qfmt/qfmt.hpp"

#if __has_include(<cuda_fp16.h>)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace qfmt;

using Plain = Scheme<Format<NF4>>;
using Fp4 = Scheme<Format<FP4>, BlockSize<128>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Eight = Scheme<Format<Int8>, BlockSize<256>>;
using Map = Scheme<Format<Dynamic8>, BlockSize<4096>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

/// Counts what failed, so that no Status is dropped.
int failures = 0;
void count(Status s) { failures += !s; }

/// An encoder of one's own: the largest magnitude, halved.
struct Halved {
  template <FormatSpec F, Element T>
  static constexpr float scale(T const* values, std::int64_t n) {
    return Nearest::scale<F>(values, n) * 0.5f;
  }
  template <FormatSpec F, Element T>
  static constexpr void encode(T const* values, std::int64_t n, float s, std::uint8_t* codes) {
    Nearest::encode<F>(values, n, s, codes);
  }
};

/// An engine's own pool.
struct Pool {
  template <class Body>
  void operator()(std::int64_t tasks, Body const& body) const {
    for (std::int64_t task = tasks; task-- > 0;) body(task);
  }
};

template <class S, class T>
void quantize_forms(QuantizedSpan<S> view) {
  std::vector<T> vector(64);
  std::vector<T> const const_vector(64);
  T c_array[64]{};
  T const const_c_array[64]{};
  std::array<T, 64> array{};
  std::array<T, 64> const const_array{};
  std::span<T> const span(vector);
  std::span<T const> const const_span(vector);
  std::span<T, 64> const fixed(c_array);
  std::span<T const, 64> const const_fixed(c_array);

  // Deduced.
  count(host::quantize(vector, view));
  count(host::quantize(const_vector, view));
  count(host::quantize(c_array, view));
  count(host::quantize(const_c_array, view));
  count(host::quantize(array, view));
  count(host::quantize(const_array, view));
  count(host::quantize(span, view));
  count(host::quantize(const_span, view));
  count(host::quantize(fixed, view));
  count(host::quantize(const_fixed, view));
  count(host::quantize(std::span(vector), view));
  count(host::quantize(std::span<T const>(vector.data(), vector.size()), view));
  count(host::quantize(std::vector<T>(64), view));
  count(host::quantize(span.first(64), view));

  // The scheme named.
  count(host::quantize<S>(vector, view));
  count(host::quantize<S>(const_vector, view));
  count(host::quantize<S>(c_array, view));
  count(host::quantize<S>(const_c_array, view));
  count(host::quantize<S>(array, view));
  count(host::quantize<S>(const_array, view));
  count(host::quantize<S>(span, view));
  count(host::quantize<S>(const_span, view));
  count(host::quantize<S>(fixed, view));
  count(host::quantize<S>(const_fixed, view));

  // Scheme and element type named.
  count(host::quantize<S, T>(vector, view));
  count(host::quantize<S, T>(const_vector, view));
  count(host::quantize<S, T>(c_array, view));
  count(host::quantize<S, T>(array, view));
  count(host::quantize<S, T>(const_array, view));
  count(host::quantize<S, T>(span, view));
  count(host::quantize<S, T>(const_span, view));
  count(host::quantize<S, T>(fixed, view));
  count(host::quantize<S, T>(const_fixed, view));
  count(host::quantize<S, T>({vector.data(), vector.size()}, view));
  count(host::quantize<S, T, Nearest>(vector, view));
  count(host::quantize<S, T, Halved>(vector, view));

  // Encoder, options, workspace.
  unsigned long long found = 0;
  QuantizeOptions const options{.propagate_non_finite = true, .non_finite_count = &found};
  std::vector<float> scratch(16);
  Workspace const workspace{scratch.data(), 64};
  count(host::quantize(vector, view, Nearest{}));
  count(host::quantize(vector, view, Halved{}));
  count(host::quantize(vector, view, {}));
  count(host::quantize(vector, view, {}, options));
  count(host::quantize(vector, view, {}, {.propagate_non_finite = true}));
  count(host::quantize(vector, view, Nearest{}, options, workspace));
  count(host::quantize(const_span, view, Nearest{}, {}, {}));
  count(host::quantize(const_span, view, {}, {}, {scratch.data(), 64}));
  count(host::quantize<S>(vector, view, Nearest{}, options, Workspace{}));
  count(host::quantize<S, T>(vector, view, Nearest{}, options, Workspace{}));

  count(host::quantize_parallel(host::Threads{}, vector, view));
  count(host::quantize_parallel(host::Threads{2}, const_span, view, Nearest{}));
  count(host::quantize_parallel(host::Serial{}, c_array, view, Halved{}, options));
  count(host::quantize_parallel(Pool{}, const_array, view, {}, options, workspace));
  count(host::quantize_parallel(Pool{}, fixed, view, {}, {}, {}));
  Pool pool;
  Pool const const_pool;
  count(host::quantize_parallel(pool, span, view));
  count(host::quantize_parallel(const_pool, const_vector, view));
  count(host::quantize_parallel(
      [](std::int64_t tasks, auto const& body) {
        for (std::int64_t task = 0; task < tasks; ++task) body(task);
      },
      const_fixed, view));

  if constexpr (!S::is_nested) {
    host::BlockRange const range{0, 1};
    count(host::quantize_range(vector, view, range));
    count(host::quantize_range(const_vector, view, range));
    count(host::quantize_range(c_array, view, {0, 1}));
    count(host::quantize_range(const_array, view, {0, 1}, Nearest{}));
    count(host::quantize_range(const_span, view, {.first = 0, .last = 1}, Halved{}, options));
    count(host::quantize_range(fixed, view, range, {}, {}));
    count(host::quantize_range<S>(span, view, range));
  } else {
    std::vector<float> absmax(1);
    std::vector<float> const& const_absmax = absmax;
    float c_absmax[1]{};
    std::array<float, 1> array_absmax{};
    host::BlockRange const range{0, 1};
    count(host::absmax_range(vector, absmax, view, range));
    count(host::absmax_range(const_span, c_absmax, view, {0, 1}, Nearest{}));
    count(host::absmax_range(c_array, array_absmax, view, range, {}, options));
    count(host::absmax_range(fixed, std::span(absmax), view, range));
    count(host::absmax_range<S>(const_array, absmax, view, range));
    count(host::nested_offset(absmax, view));
    count(host::nested_offset(const_absmax, view));
    count(host::nested_offset(c_absmax, view));
    count(host::nested_offset(std::span<float const>(array_absmax), view));
    count(host::nested_offset<S>(absmax, view));
    count(host::encode_range(vector, absmax, view, range));
    count(host::encode_range(const_span, const_absmax, view, {0, 1}, Nearest{}));
    count(host::encode_range(c_array, c_absmax, view, range, {}, options));
    count(host::encode_range(const_fixed, std::span<float>(absmax), view, range));
    count(host::encode_range<S>(array, array_absmax, view, range));
  }
}

/// View: QuantizedSpan<S> or QuantizedSpan<S const>, const itself or not.
template <class S, class T, class View>
void dequantize_forms(View& view) {
  std::vector<T> vector(64);
  T c_array[64]{};
  std::array<T, 64> array{};
  std::span<T> const span(vector);
  std::span<T, 64> const fixed(c_array);

  count(host::dequantize(view, vector));
  count(host::dequantize(view, c_array));
  count(host::dequantize(view, array));
  count(host::dequantize(view, span));
  count(host::dequantize(view, fixed));
  count(host::dequantize(view, std::span(vector)));
  count(host::dequantize(view, std::span(vector.data(), vector.size())));
  count(host::dequantize(view, span.first(64)));
  count(host::dequantize(std::as_const(view), vector));
  count(host::dequantize(std::remove_const_t<View>(view), vector));

  count(host::dequantize<S>(view, vector));
  count(host::dequantize<S>(view, c_array));
  count(host::dequantize<S>(view, array));
  count(host::dequantize<S>(view, span));
  count(host::dequantize<S>(view, fixed));

  count(host::dequantize<S, T>(view, vector));
  count(host::dequantize<S, T>(view, c_array));
  count(host::dequantize<S, T>(view, array));
  count(host::dequantize<S, T>(view, span));
  count(host::dequantize<S, T>(view, fixed));
  count(host::dequantize<S, T>(view, {vector.data(), vector.size()}));

  host::BlockRange const range{0, 1};
  count(host::dequantize_range(view, vector, range));
  count(host::dequantize_range(view, c_array, {0, 1}));
  count(host::dequantize_range(view, array, {.first = 0, .last = 1}));
  count(host::dequantize_range(view, span, range));
  count(host::dequantize_range(view, fixed, range));
  count(host::dequantize_range(view, std::span(vector), range));

  count(host::dequantize_parallel(host::Threads{}, view, vector));
  count(host::dequantize_parallel(host::Threads{.count = 2}, view, span));
  count(host::dequantize_parallel(host::Serial{}, view, fixed));
  count(host::dequantize_parallel(Pool{}, view, c_array));
  Pool const pool;
  count(host::dequantize_parallel(pool, view, array));
}

template <class S, class T>
void forms() {
  QuantizedTensor<S> tensor(64);
  QuantizedTensor<S> const& const_tensor = tensor;
  QuantizedSpan<S> view = tensor.span();
  QuantizedSpan<S> const const_handle = view;
  QuantizedSpan<S const> read_only = view;
  QuantizedSpan<S const> const const_read_only = const_tensor.span();
  quantize_forms<S, T>(view);
  quantize_forms<S, T>(const_handle);
  dequantize_forms<S, T>(view);
  dequantize_forms<S, T>(const_handle);
  dequantize_forms<S, T>(read_only);
  dequantize_forms<S, T>(const_read_only);

  std::vector<T> values(64);
  count(host::quantize(values, tensor.span()));
  count(host::quantize(values, tensor.matrix().values));
  count(host::dequantize(tensor.span(), values));
  count(host::dequantize(const_tensor.span(), values));
  count(host::dequantize(const_tensor.matrix().values, values));
}

template <class S>
void tensor_forms() {
  QuantizedTensor<S> empty;
  QuantizedTensor<S> flat(std::int64_t{64});
  QuantizedTensor<S> matrix(2, 32);
  QuantizedTensor<S> moved(std::move(matrix));
  matrix = std::move(moved);
  QuantizedTensor<S> const& read = flat;
  count(empty.status());
  count(flat.status());
  QuantizedSpan<S> const a = flat.span();
  QuantizedSpan<S const> const b = flat.span();
  QuantizedSpan<S const> const c = read.span();
  QuantizedMatrix<S> const d = matrix.matrix();
  QuantizedMatrix<S const> const e = matrix.matrix();
  QuantizedMatrix<S const> const f = read.matrix();
  failures += a.size != b.size || c.size != b.size || d.rows != e.rows || f.cols != 64;
  failures += flat.bytes() != storage_bytes<S>(1, 64) || read.bits_per_value() <= 0.0;
  static_assert(!std::is_copy_constructible_v<QuantizedTensor<S>>);

  static_assert(storage_bytes<S>(2, 32) > 0 && storage_bytes<S>(-1, 1) == -1);
  static_assert(quantize_workspace_bytes<S>(64) == (S::is_nested ? 4 + 4 + 16 : 0));
  std::int64_t const rows = 2;
  std::vector<float> storage(static_cast<std::size_t>(storage_bytes<S>(rows, 32)) / 4 + 1);
  QuantizedMatrix<S> const placed = place<S>(storage.data(), rows, 32);
  QuantizedMatrix<S const> const placed_const = place<S>(storage.data(), 2, 32);
  QuantizedMatrix<S> const nowhere = place<S>(nullptr, 2, 32);
  failures += placed.values.size != placed_const.values.size || nowhere.rows != 0;
  failures += check(placed.values) != Errc::ok || check(placed_const.values) != Errc::ok;
}

/// Each view type of S, as it converts by initialisation, by argument and by cast.
template <class View, class ConstView>
void converts_one(View view) {
  ConstView const implicit = view;
  ConstView const direct(view);
  ConstView assigned{};
  assigned = view;
  auto const cast = static_cast<ConstView>(view);
  auto const pass = [](ConstView v) { return v; };
  ConstView const again = pass(pass(view));
  (void)implicit, (void)direct, (void)assigned, (void)cast, (void)again;
  static_assert(std::is_convertible_v<View, ConstView>);
  static_assert(std::is_convertible_v<View const&, ConstView>);
  static_assert(!std::is_convertible_v<ConstView, View>);
}

template <class S>
void conversions() {
  QuantizedTensor<S> tensor(2, 32);
  auto const matrix = tensor.matrix();
  converts_one<QuantizedSpan<S>, QuantizedSpan<S const>>(matrix.values);
  converts_one<QuantizedMatrix<S>, QuantizedMatrix<S const>>(matrix);
  converts_one<ScalesOf<S>, ScalesOf<S const>>(matrix.values.scales);
  QuantizedMatrix<S> const slice{matrix.values, 1, 16, 32, 8};
  QuantizedMatrix<S const> const slice_const = slice;
  failures += slice_const.origin != 8 || slice_const.row_stride != 32;
}

void dispatch_forms() {
  using Served = SchemeList<Plain, Fp4, Rows, Nested>;
  std::vector<float> values(64);
  auto const run = [&]<SchemeSpec S>() -> Status {
    QuantizedTensor<S> tensor(2, 32);
    if (!tensor.status()) return tensor.status();
    return host::quantize(values, tensor.span());
  };
  count(dispatch(Served{}, {.format = "nf4"}, run));
  count(dispatch(Served{}, {.format = "nf4", .block_size = 64, .double_quant = true}, run));
  count(dispatch(Served{}, {.format = "int8", .block_size = 0, .row_wise = true}, run));
  count(dispatch(Served{}, desc_of<Fp4>, run));
  SchemeDesc const desc{"fp4", 128};
  count(dispatch(Served{}, desc, [&]<class S>() { return run.template operator()<S>(); }));
  count(dispatch(SchemeList<Plain>{}, desc_of<Plain>, [&]<SchemeSpec S>() {
    return Status{Errc::ok, static_cast<std::int64_t>(values.size())};
  }));
}

template <class T>
void int8_forms() {
  std::vector<T> w(64), y(16), bias(4);
  std::vector<T> const x(64), kept(4);
  std::vector<float> memory(1024);
  std::int64_t const columns[]{3};
  Workspace const workspace{memory.data(), 4096};
  QuantizedTensor<LlmInt8> tensor(4, 16);
  QuantizedMatrix<LlmInt8 const> const read_only = tensor.matrix();
  host::Int8Options options;
  options.simd = SimdLevel::scalar;
  OutlierWeights<T> const whole{w.data(), nullptr, 16};
  count(host::int8_matmul(tensor.matrix(), x.data(), 4, y.data(), nullptr, 6, workspace));
  count(host::int8_matmul(read_only, w.data(), 4, y.data(), bias.data(), 6.f, workspace, options));
  count(host::int8_matmul(read_only, whole, x.data(), 4, y.data(), nullptr, 6.f, workspace));
  count(host::int8_matmul(tensor.matrix(), {kept.data(), columns, 1}, x.data(), 4, y.data(),
                          nullptr, 6.f, workspace));
  count(host::int8_matmul(w.data(), 4, 16, x.data(), 4, y.data(), nullptr, 0.f, workspace));
  count(host::int8_matmul_parallel(host::Threads{}, read_only, x.data(), 4, y.data(), nullptr, 6.f,
                                   workspace));
  count(host::quantize_activations(x.data(), 6.f, place_activations(memory.data(), 4, 16)));
}

char const* message_forms(Status s) {
  if (!s) return message(s.code);
  Status const failed{Errc::non_finite, 7};
  Status const native{.code = Errc::device_error, .native = 2};
  bool const fine = static_cast<bool>(failed) || native.native != 2 || failed.index != 7;
  static_assert(static_cast<bool>(Status{}) && Status{}.index == -1);
  return message(fine ? Errc::ok : Errc::null_pointer);
}

template <class T>
void element_forms() {
  forms<Plain, T>();
  forms<Nested, T>();
  forms<Rows, T>();
  int8_forms<T>();
}

}  // namespace

int call_forms() {
  element_forms<float>();
  element_forms<float16>();
  element_forms<bfloat16>();
#if __has_include(<cuda_fp16.h>)
  element_forms<__half>();
  element_forms<__nv_bfloat16>();
#endif
  forms<Fp4, float>();
  forms<Eight, bfloat16>();
  forms<Map, float16>();
  tensor_forms<Plain>();
  tensor_forms<Nested>();
  tensor_forms<Rows>();
  tensor_forms<Map>();
  conversions<Plain>();
  conversions<Nested>();
  conversions<Rows>();
  conversions<Map>();
  dispatch_forms();
  return failures + (message_forms({}) == nullptr);
}
