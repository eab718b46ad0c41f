// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing whole tensors on the GPU.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/grid/nested_kernels.cuh"
#include "qfmt/device/grid/quantize_kernel.cuh"
#include "qfmt/device/grid/quantize_rows_kernel.cuh"
#include "qfmt/device/grid/quantize_typed_kernel.cuh"
#include "qfmt/device/launch.cuh"

namespace qfmt::inline v0::device {

/// ok, or why quantize refuses: null_pointer, misaligned, size_mismatch, unsupported_shape;
/// workspace_too_small where a nested scheme is given less than
/// `quantize_workspace_bytes<S>(size)`. Reads no device memory.
template <MutableScheme S, Element T>
constexpr Errc check_quantize(T const* values, QuantizedSpan<S> const& out, Workspace workspace) {
  if (Errc const e = check_tensor(out, values); e != Errc::ok) return e;
  if (!S::is_nested || out.size == 0) return Errc::ok;
  if (workspace.data == nullptr) return Errc::null_pointer;
  if (workspace.bytes < quantize_workspace_bytes<S>(out.size)) return Errc::workspace_too_small;
  return check_pointer(static_cast<float const*>(workspace.data));
}

/// What device::quantize asks of an encoder.
template <class E, class F, class T>
concept DeviceEncoder = FormatSpec<F> && Element<T> && requires(float absmax) {
  thread::BlockPeak<E, T>{}.absmax();
  thread::BlockRounding<E, F>(absmax).code(absmax);
};

namespace detail {

/// Codes, and one f32 scale a block of S or a row of row_length. Nested: `sums` gets nodes of the
/// tree of scales, one a quantize_tile of values.
template <SchemeSpec S, class Encoder, Element T>
Status quantize_plain(T const* values, int64_t size, [[maybe_unused]] int64_t row_length,
                      warp::Encoded out, [[maybe_unused]] ScaleSum* sums, cudaStream_t stream) {
  constexpr int pack = thread::elements_per_vector<T>;
  bool const aligned = is_aligned(values, 16) && is_aligned(out.codes, pack * S::bits / 8);
  if constexpr (S::is_row_wise) {
    bool const rows_aligned = aligned && row_length % pack == 0;
    auto const launch_with = [&]<int threads>() {
      return launch(rows_aligned ? grid::quantize_rows_kernel<S, T, Encoder, threads, true>
                                 : grid::quantize_rows_kernel<S, T, Encoder, threads, false>,
                    {.blocks = size / row_length, .threads = threads}, stream, values, row_length,
                    out);
    };
    int64_t const threads = row_length / (grid::row_packs * pack);  // that keep a row in registers
    if (threads <= 128) return launch_with.template operator()<128>();
    if (threads <= 256) return launch_with.template operator()<256>();
    return launch_with.template operator()<512>();
  } else {
    constexpr int tile = grid::quantize_tile<S, T>;
    LaunchShape shape{.threads = grid::QuantizeTuning<S::bits, T>::warps * warp::size};
    int64_t const whole = aligned ? size - size % tile : 0;
    shape.blocks = whole / tile;
    if (Status const s = launch(grid::quantize_kernel<S, T, Encoder, true>, shape, stream, values,
                                whole, out, sums);
        !s)
      return s;
    out.codes += whole * S::bits / 8;  // what is left, or all of it
    out.absmax += whole / S::block_size;
    if constexpr (S::is_nested) sums += whole / tile;
    shape.blocks = ceil_div(size - whole, tile);
    return launch(grid::quantize_kernel<S, T, Encoder, false>, shape, stream, values + whole,
                  size - whole, out, sums);
  }
}

/// Nested scales of `blocks` plain ones, given at most last_scale_sums nodes whose sum is theirs;
/// null: the offset.
template <class Encoder>
Status encode_scales(float const* absmax, int64_t blocks, ScaleSum const* nodes, int64_t node_count,
                     grid::NestedOutput out, cudaStream_t stream) {
  constexpr int tile = grid::encode_scales_tile<>, warps = grid::EncodeScalesTuning::warps;
  bool const aligned = is_aligned(absmax, 16) && is_aligned(out.inner.codes, 4);
  int64_t const whole = aligned ? blocks - blocks % tile : 0;
  LaunchShape shape{.threads = warps * warp::size, .begins_early = true};
  shape.blocks = ceil_div(whole, int64_t{tile} * warps);
  if (Status const s = launch(grid::encode_scales_kernel<Encoder, true>, shape, stream, absmax,
                              whole, nodes, node_count, out);
      !s)
    return s;
  out.inner.codes += whole;  // what is left, or all of it
  out.inner.absmax += whole / AbsmaxScheme::block_size;
  shape.blocks = ceil_div(blocks - whole, int64_t{tile} * warps);
  return launch(grid::encode_scales_kernel<Encoder, false>, shape, stream, absmax + whole,
                blocks - whole, nodes, node_count, out);
}

template <MutableScheme S>
grid::NestedOutput nested_output(QuantizedSpan<S> const& out) {
  return {{out.scales.absmax.codes, out.scales.absmax.scales.absmax, nullptr}, out.scales.offset};
}

/// The mean of the plain scales from `count` sums of neighbours, in levels of 2048, then their
/// codes. Behind `sums` is room for what scale_sum_count says.
template <class Encoder, MutableScheme S>
Status nest_scales(float const* absmax, ScaleSum* sums, int64_t count, QuantizedSpan<S> const& out,
                   cudaStream_t stream) {
  while (count > last_scale_sums) {
    int64_t const next = ceil_div(count, scale_sum_fan_in);
    if (Status const s =
            launch(grid::sum_scales_kernel<block::ScaleSummer>,
                   {.blocks = next, .threads = block::ScaleSummer::threads, .begins_early = true},
                   stream, sums, count, sums + count);
        !s)
      return s;
    sums += count;
    count = next;
  }
  return encode_scales<Encoder>(absmax, block_count<S>(out.size), sums, count, nested_output(out),
                                stream);
}

/// Scales of a type of their own, after the tensor's where the scheme has one.
template <MutableScheme S, Element T>
Status quantize_typed(T const* values, QuantizedSpan<S> const& out, unsigned long long* count,
                      cudaStream_t stream) {
  LaunchShape const one{}, shape{.blocks = ceil_div(block_count<S>(out.size), grid::typed_threads),
                                 .threads = grid::typed_threads};
  if constexpr (S::has_tensor_scale) {
    float* const scale = out.scales.tensor_scale;
    if (Status const s = launch(grid::clear_tensor_scale_kernel<S>, one, stream, scale); !s)
      return s;
    if (Status const s =
            launch(grid::tensor_absmax_kernel<S, T>, shape, stream, values, out.size, scale);
        !s)
      return s;
    if (Status const s = launch(grid::finish_tensor_scale_kernel<S>, one, stream, scale); !s)
      return s;
  }
  return launch(grid::quantize_typed_kernel<S, T>, shape, stream, values, out, count);
}

/// Where the sums begin: behind the floats.
inline ScaleSum* sums_behind(float* end) {
  auto const address = reinterpret_cast<uintptr_t>(end);
  return reinterpret_cast<ScaleSum*>(address + address % alignof(ScaleSum));
}

}  // namespace detail

/// Quantizes a whole tensor.     values: (out.size), device memory, row-major
///
/// Workspace: `quantize_workspace_bytes<S>(out.size)` bytes of device memory, aligned to 4; nested
/// schemes need it. Stream-ordered: returns before the work is done, allocates nothing, may be
/// captured into a graph. Determinism: gpu_to_gpu with Nearest; BnbCuda as it says.
/// Numerics: the encoder's. Nearest (default): the bytes of host::quantize. BnbCuda: those of
/// bitsandbytes' kernels. NaN and infinity always propagate: no error, the block decodes to NaN
/// (BnbCuda: as it says), and options.non_finite_count, device memory, grows by their number. Where
/// `out` carries a stored map it must be the format's own; a device cannot check that. Errors:
/// those of check_quantize; device_error with the cudaError_t of a launch.
template <MutableScheme S, Element T, class Encoder = Nearest>
Status quantize(T const* values, QuantizedSpan<S> out, Workspace workspace, cudaStream_t stream,
                Encoder = {}, QuantizeOptions options = {}) {
  using E = kernel_element_t<T>;
  static_assert(
      DeviceEncoder<Encoder, typename S::format, E>,
      "qfmt::device::quantize: the argument after the stream is an encoder that runs on a "
      "device, Nearest{} or BnbCuda{}; options follow it");
  if (Errc const e = check_quantize(values, out, workspace); e != Errc::ok) return {e};
  if (out.size == 0) return {};
  E const* const from = as_kernel_elements(values);
  warp::Encoded to{out.codes, nullptr, options.non_finite_count};
  if constexpr (S::is_typed) {
    static_assert(stl::same_as<Encoder, Nearest>,
                  "qfmt::device::quantize: scales with a type of their own take Nearest alone");
    return detail::quantize_typed(from, out, options.non_finite_count, stream);
  } else if constexpr (S::is_nested) {
    to.absmax = static_cast<float*>(workspace.data);
    ScaleSum* const sums = detail::sums_behind(to.absmax + block_count<S>(out.size));
    if (Status const s = detail::quantize_plain<S, Encoder>(from, out.size, 0, to, sums, stream);
        !s)
      return s;
    return detail::nest_scales<Encoder>(to.absmax, sums,
                                        ceil_div(out.size, grid::quantize_tile<S, E>), out, stream);
  } else {
    int64_t row_length = 0;
    if constexpr (S::is_row_wise) row_length = out.scales.row_length;
    to.absmax = out.scales.absmax;
    return detail::quantize_plain<S, Encoder>(from, out.size, row_length, to, nullptr, stream);
  }
}

/// Quantizes the scales of a nested tensor whose offset is given: codes and absmax2 of
/// absmax - *out.scales.offset in groups of 256. For engines that split a tensor over GPUs, or
/// whose offset comes from elsewhere.     absmax: (`block_count<S>(out.size)`), device memory
///
/// Stream-ordered as quantize. Numerics: those of host::encode_range.
/// Errors: those of check; device_error.
template <MutableScheme S, class Encoder = Nearest>
  requires(S::is_nested)
Status quantize_scales(float const* absmax, QuantizedSpan<S> out, cudaStream_t stream,
                       Encoder = {}) {
  if (Errc const e = check_tensor(out, absmax); e != Errc::ok) return {e};
  if (out.size == 0) return {};
  return detail::encode_scales<Encoder>(absmax, block_count<S>(out.size), nullptr, 0,
                                        detail::nested_output(out), stream);
}

}  // namespace qfmt::inline v0::device
