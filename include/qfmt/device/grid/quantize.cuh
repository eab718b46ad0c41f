// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing whole tensors on the GPU.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/grid/nested_kernels.cuh"
#include "qfmt/device/grid/quantize_kernel.cuh"
#include "qfmt/device/grid/quantize_rows_kernel.cuh"
#include "qfmt/device/launch.cuh"

namespace qfmt::inline v0::device {

/// ok, or why quantize refuses: null_pointer, misaligned, size_mismatch, unsupported_shape;
/// workspace_too_small where a nested scheme is given less than quantize_workspace_bytes<S>(size).
/// Reads no device memory.
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

/// Codes, and one f32 scale a block of S or a row of row_length.
template <SchemeSpec S, class Encoder, Element T>
Status quantize_plain(T const* values, int64_t size, [[maybe_unused]] int64_t row_length,
                      warp::Encoded out, cudaStream_t stream) {
  constexpr int pack = thread::elements_per_vector<T>;
  bool const aligned = is_aligned(values, 16) && is_aligned(out.codes, pack * S::bits / 8);
  if constexpr (S::is_row_wise) {
    constexpr int narrow = 64, wide = 512;
    bool const rows_aligned = aligned && row_length % pack == 0;
    bool const fits_narrow = row_length <= int64_t{narrow} * grid::row_packs * pack;
    auto* const kernel =
        fits_narrow ? (rows_aligned ? grid::quantize_rows_kernel<S, T, Encoder, narrow, true>
                                    : grid::quantize_rows_kernel<S, T, Encoder, narrow, false>)
                    : (rows_aligned ? grid::quantize_rows_kernel<S, T, Encoder, wide, true>
                                    : grid::quantize_rows_kernel<S, T, Encoder, wide, false>);
    return launch(kernel, {.blocks = size / row_length, .threads = fits_narrow ? narrow : wide},
                  stream, values, row_length, out);
  } else {
    using Tuning = grid::QuantizeTuning;
    using Blocks = warp::BlockEncoder<typename S::format, S::block_size, T, Encoder, Tuning::packs>;
    auto* const kernel = aligned ? grid::quantize_kernel<S, T, Encoder, true>
                                 : grid::quantize_kernel<S, T, Encoder, false>;
    return launch(kernel,
                  {.blocks = ceil_div(size, int64_t{Blocks::tile} * Tuning::warps),
                   .threads = Tuning::warps * warp::size},
                  stream, values, size, out);
  }
}

/// Groups of scales share the work of finding the mean again: not more blocks than this.
inline constexpr int64_t most_scale_encoders = 256;

/// Nested scales of `blocks` plain ones, given the nodes whose sum is theirs; null: the offset.
template <class Encoder, class Node>
Status encode_scales(float const* absmax, int64_t blocks, Node const* nodes, int64_t node_count,
                     grid::NestedOutput out, cudaStream_t stream) {
  constexpr int64_t scales_per_block = 8 * AbsmaxScheme::block_size;
  int64_t const wanted = ceil_div(blocks, scales_per_block);
  return launch(grid::encode_scales_kernel<Encoder, Node>,
                {.blocks = wanted < most_scale_encoders ? wanted : most_scale_encoders,
                 .threads = block::ScaleSummer::threads,
                 .begins_early = true},
                stream, absmax, blocks, nodes, node_count, out);
}

template <MutableScheme S>
grid::NestedOutput nested_output(QuantizedSpan<S> const& out) {
  return {{out.scales.absmax.codes, out.scales.absmax.scales.absmax, nullptr}, out.scales.offset};
}

/// The mean of the plain scales in levels of 2048, then their codes.
template <class Encoder, MutableScheme S>
Status nest_scales(float* absmax, QuantizedSpan<S> const& out, cudaStream_t stream) {
  int64_t const blocks = block_count<S>(out.size);
  grid::NestedOutput const output = nested_output(out);
  if (blocks <= scale_sum_fan_in)
    return encode_scales<Encoder>(absmax, blocks, absmax, blocks, output, stream);

  auto const end = reinterpret_cast<uintptr_t>(absmax + blocks);
  auto* sums = reinterpret_cast<ScaleSum*>(end + end % alignof(ScaleSum));
  LaunchShape shape{.threads = block::ScaleSummer::threads, .begins_early = true};
  int64_t nodes = shape.blocks = ceil_div(blocks, scale_sum_fan_in);
  if (Status const s = launch(grid::sum_scales_kernel<float>, shape, stream, absmax, blocks, sums);
      !s)
    return s;
  while (nodes > scale_sum_fan_in) {
    ScaleSum* const next = sums + nodes;
    shape.blocks = ceil_div(nodes, scale_sum_fan_in);
    if (Status const s =
            launch(grid::sum_scales_kernel<ScaleSum>, shape, stream, sums, nodes, next);
        !s)
      return s;
    sums = next;
    nodes = shape.blocks;
  }
  return encode_scales<Encoder>(absmax, blocks, sums, nodes, output, stream);
}

}  // namespace detail

/// Quantizes a whole tensor.     values: (out.size), device memory, row-major
///
/// Workspace: quantize_workspace_bytes<S>(out.size) bytes of device memory, aligned to 4; nested
/// schemes need it. Stream-ordered: returns before the work is done, allocates nothing, may be
/// captured into a graph. Determinism: gpu_to_gpu with Nearest; BnbCuda as it says.
/// Encoders: Nearest (default): the bytes of host::quantize. BnbCuda: those of bitsandbytes'
/// kernels. NaN and infinity always propagate: no error, the block decodes to NaN (BnbCuda: as it
/// says), and options.non_finite_count, device memory, grows by their number. Where `out` carries a
/// stored map it must be the format's own; a device cannot check that. Errors: those of
/// check_quantize; device_error with the cudaError_t of a launch.
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
  if constexpr (S::is_nested) {
    to.absmax = static_cast<float*>(workspace.data);
    if (Status const s = detail::quantize_plain<S, Encoder>(from, out.size, 0, to, stream); !s)
      return s;
    return detail::nest_scales<Encoder>(to.absmax, out, stream);
  } else {
    int64_t row_length = 0;
    if constexpr (S::is_row_wise) row_length = out.scales.row_length;
    to.absmax = out.scales.absmax;
    return detail::quantize_plain<S, Encoder>(from, out.size, row_length, to, stream);
  }
}

/// Quantizes the scales of a nested tensor whose offset is given: codes and absmax2 of
/// absmax - *out.scales.offset in groups of 256. For engines that split a tensor over GPUs, or
/// whose offset comes from elsewhere.     absmax: (block_count<S>(out.size)), device memory
///
/// Stream-ordered as quantize. Numerics: those of host::encode_range.
/// Errors: those of check; device_error.
template <MutableScheme S, class Encoder = Nearest>
  requires(S::is_nested)
Status quantize_scales(float const* absmax, QuantizedSpan<S> out, cudaStream_t stream,
                       Encoder = {}) {
  if (Errc const e = check_tensor(out, absmax); e != Errc::ok) return {e};
  if (out.size == 0) return {};
  return detail::encode_scales<Encoder, float>(absmax, block_count<S>(out.size), nullptr, 0,
                                               detail::nested_output(out), stream);
}

}  // namespace qfmt::inline v0::device
