// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of whole operations share: schemes and types, values of every kind, tensors in
// device memory piece by piece, and their comparison with the host's.
#pragma once

#include "qfmt/qfmt.cuh"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "gpu_free/device_buffer.hpp"
#include "gpu_free/settings.hpp"

namespace codec_cases {

using namespace qfmt;
using gpu_free::DeviceBuffer;

struct Custom16 {
  static constexpr auto name = "custom16";
  static constexpr Codebook codebook{-1.f,  -.8f, -.5f, -.35f, -.2f, -.1f, -.02f, 0.f,
                                     .015f, .08f, .2f,  .3f,   .45f, .6f,  .75f,  .9f};
};
/// Out of order, with both zeros and levels too close for a table of steps.
struct Custom9 {
  static constexpr auto name = "custom9";
  static constexpr Codebook codebook{.5f, -0.f, 1.f, -1.f, 0.f, 1e-3f, 2e-3f, -.25f, .25f};
};

template <SchemeSpec S, Element T>
struct Case {
  using Scheme = S;
  using Type = T;
};

// The full lists, and for faults (mutate.py) the fewest that reach every kernel.
template <Element T>
using NormalFloat =
    std::tuple<Case<Scheme<Format<NF4>>, T>, Case<Scheme<Format<NF4>, DoubleQuant<true>>, T>,
               Case<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, T>,
               Case<Scheme<Format<NF4>, BlockSize<256>>, T>,
               Case<Scheme<Format<NF4>, BlockSize<512>>, T>,
               Case<Scheme<Format<NF4>, BlockSize<4096>>, T>>;
template <Element T>
using OtherFourBit =
    std::tuple<Case<Scheme<Format<FP4>>, T>,
               Case<Scheme<Format<FP4>, BlockSize<2048>, DoubleQuant<true>>, T>,
               Case<Scheme<Format<Custom16>, BlockSize<32>>, T>, Case<Scheme<Format<Custom9>>, T>>;
template <Element T>
using EightBit = std::tuple<Case<Scheme<Format<Int8>>, T>, Case<Scheme<Format<Int8>, RowWise>, T>,
                            Case<Scheme<Format<Int8>, BlockSize<1024>, DoubleQuant<true>>, T>,
                            Case<Scheme<Format<Dynamic8>, BlockSize<256>>, T>,
                            Case<Scheme<Format<Dynamic8>, BlockSize<16>>, T>,
                            Case<Scheme<Format<Dynamic8>, RowWise>, T>>;
using Few = std::tuple<Case<Scheme<Format<NF4>, DoubleQuant<true>>, bfloat16>,
                       Case<Scheme<Format<FP4>, BlockSize<512>>, float>,
                       Case<Scheme<Format<Custom9>>, float16>,
                       Case<Scheme<Format<Dynamic8>, BlockSize<16>>, bfloat16>,
                       Case<Scheme<Format<Int8>, RowWise>, float16>>;
#if defined(GPU_FREE_FEW)
using Cases = Few;
#else
template <class... Tuples>
using Joined = decltype(std::tuple_cat(std::declval<Tuples>()...));
using Cases =
    Joined<NormalFloat<GPU_FREE_TYPE>, OtherFourBit<GPU_FREE_TYPE>, EightBit<GPU_FREE_TYPE>>;
#endif

constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/// Values in runs of 64, each run of one kind: near-Gaussian of many sizes, zeros, any finite bits,
/// subnormals, the largest; with `specials` NaN and infinities here and there.
template <Element T>
std::vector<T> values_of(std::int64_t n, std::uint64_t seed, bool specials = false) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(n));
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n); ++i) {
    std::uint64_t const r = mix(seed, i), run = mix(seed ^ 0x5DEECE66Du, i / 64);
    auto const bits = static_cast<std::uint32_t>(r);
    float x = (static_cast<float>(r & 0xFFFF) - 32768.f) *
              (static_cast<float>(r >> 16 & 0xFF) + 1.f) * 0x1p-20f;
    switch (run % 13) {
      case 0: x = r % 5 == 0 ? -0.f : 0.f; break;
      case 1: x = float_from_bits(bits); break;
      case 2: x = float_from_bits(bits & 0x80FFFFFFu); break;  // below 2^-125
      case 3: x = float_from_bits((bits & 0x80FFFFFFu) | 0x7E000000u); break;
      case 4: x *= 1000.f; break;
      case 5: x *= 1e-4f; break;
      default: break;
    }
    if (!is_finite(to_float(from_float<T>(x)))) x = 1.5f;
    if (specials && r % 499 == 0)
      x = float_from_bits(r >> 40 & 1 ? 0x7FC00000u : r >> 41 & 1 ? 0x7F800000u : 0xFF800000u);
    values.push_back(from_float<T>(x));
  }
  return values;
}

/// A tensor whose pieces each lie between guard pages; codes begin `shift` bytes behind a multiple
/// of 16.
template <SchemeSpec S>
class DeviceTensor {
 public:
  DeviceTensor(std::int64_t rows, std::int64_t cols, std::size_t shift = 0)
      : size_(rows * cols),
        blocks_(block_count<S>(size_, cols)),
        codes_(codes_bytes<S>(size_), shift),
        absmax_(S::is_nested ? 0 : blocks_, 4),
        inner_codes_(S::is_nested ? blocks_ : 0, shift % 7),
        absmax2_(S::is_nested ? block_count<AbsmaxScheme>(blocks_) : 0, 8),
        offset_(1, 4),
        workspace_(S::is_nested ? quantize_workspace_bytes<S>(size_) / 4 : 0, 4) {
    view_.codes = codes_.data();
    view_.size = size_;
    if constexpr (S::is_nested) {
      view_.scales.absmax = {inner_codes_.data(), {absmax2_.data()}, blocks_};
      view_.scales.offset = offset_.data();
    } else {
      view_.scales.absmax = absmax_.data();
      if constexpr (S::is_row_wise) view_.scales.row_length = cols;
    }
  }

  QuantizedSpan<S> span() const { return view_; }
  Workspace workspace() const { return {workspace_.data(), workspace_.size() * 4}; }

  void upload(QuantizedSpan<S> const& from) {
    write(codes_, from.codes);
    if constexpr (S::is_nested) {
      write(inner_codes_, from.scales.absmax.codes);
      write(absmax2_, from.scales.absmax.scales.absmax);
      if (size_ > 0) write(offset_, from.scales.offset);
    } else {
      write(absmax_, from.scales.absmax);
    }
  }

  /// What differs from a host tensor, in words; empty if nothing does. NaN equals NaN.
  std::string differences(QuantizedSpan<S> const& host) const {
    std::string text = compare("codes", codes_, host.codes);
    if constexpr (S::is_nested) {
      text += compare("codes of scales", inner_codes_, host.scales.absmax.codes);
      text += compare("absmax2", absmax2_, host.scales.absmax.scales.absmax);
      if (size_ > 0) text += compare("offset", offset_, host.scales.offset);
    } else {
      text += compare("absmax", absmax_, host.scales.absmax);
    }
    return text;
  }

 private:
  template <class V>
  static void write(DeviceBuffer<V>& to, V const* from) {
    to.write(std::span<V const>(from, static_cast<std::size_t>(to.size())));
  }
  template <class V>
  static std::string compare(char const* what, DeviceBuffer<V> const& device, V const* host) {
    if (!device.is_written()) return std::string(what) + " not all written; ";
    auto const values = device.host();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (std::memcmp(&values[i], host + i, sizeof(V)) != 0 &&
          !(values[i] != values[i] && host[i] != host[i]))
        return std::string(what) + " differ at " + std::to_string(i) + " of " +
               std::to_string(values.size()) + "; ";
    return {};
  }

  std::int64_t size_, blocks_;
  DeviceBuffer<std::uint8_t> codes_;
  DeviceBuffer<float> absmax_;
  DeviceBuffer<std::uint8_t> inner_codes_;
  DeviceBuffer<float> absmax2_;
  DeviceBuffer<float> offset_;
  DeviceBuffer<float> workspace_;
  QuantizedSpan<S> view_{};
};

/// Where decoded values differ, in words. Which NaN a NaN is, is not specified.
template <Element T>
std::string differences(std::vector<T> const& found, std::vector<T> const& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    float const a = to_float(found[i]), b = to_float(expected[i]);
    if (element_bits(found[i]) != element_bits(expected[i]) && !(a != a && b != b))
      return "value " + std::to_string(i) + " of " + std::to_string(expected.size()) + " is " +
             std::to_string(a) + ", not " + std::to_string(b);
  }
  return {};
}

/// A host tensor quantized from values of every kind.
template <SchemeSpec S, Element T>
QuantizedTensor<S> host_tensor(std::int64_t rows, std::int64_t cols, std::vector<T> const& values) {
  QuantizedTensor<S> tensor(rows, cols);
  Status const s = host::quantize(values, tensor.span(), Nearest{}, {.propagate_non_finite = true});
  REQUIRE(s.code == Errc::ok);
  return tensor;
}

/// Values of a tile of the kernels, roughly: sizes around its multiples are worth trying.
inline std::vector<std::int64_t> sizes_around(std::int64_t tile) {
  return {0,
          1,
          2,
          3,
          7,
          8,
          9,
          15,
          16,
          17,
          31,
          33,
          63,
          64,
          65,
          127,
          129,
          255,
          257,
          1001,
          tile - 1,
          tile,
          tile + 1,
          tile + 8,
          tile + 7,
          2 * tile,
          2 * tile - 9,
          2 * tile + 100};
}

}  // namespace codec_cases
