// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensors in which every finite 16-bit value leads a block, for formats of blocks of elements.
#pragma once

#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/small_floats.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace every_input {

using namespace qfmt;

/// Each block begins with another finite value of T; the others are smaller, of both signs.
template <Element T>
std::vector<T> values(std::int64_t block) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> part(-1.f, 1.f);
  std::vector<T> all;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    auto const first = element_from_bits<T>(static_cast<std::uint16_t>(bits));
    if (!is_finite(to_float(first))) continue;
    all.push_back(first);
    for (std::int64_t i = 1; i < block; ++i)
      all.push_back(from_float<T>(to_float(first) * part(random)));
  }
  return all;
}

/// Quantizes them and holds each code to be the element nearest to x / scale, in double, where
/// `scale_of(absmax, stored)` is the scale by the format's rule, given what was stored.
template <SchemeSpec S, Element T, class ScaleOf>
void check(small_floats::Layout layout, ScaleOf const& scale_of) {
  auto const all = values<T>(S::block_size);
  auto const n = static_cast<std::int64_t>(all.size());
  QuantizedTensor<S> tensor(n);
  REQUIRE(host::quantize(all, tensor.span()));
  auto const out = tensor.span();
  for (std::int64_t b = 0; b < block_count<S>(n); ++b) {
    double absmax = 0;
    for (std::int64_t i = b * S::block_size; i < (b + 1) * S::block_size; ++i)
      absmax = std::fmax(absmax, std::fabs(double{to_float(all[static_cast<std::size_t>(i)])}));
    float const scale = scale_of(absmax, out.scales, b);
    if (float_bits(scale) != float_bits(scale_at(out.scales, b)))
      FAIL("block " << b << " absmax " << absmax << ": scale " << scale_at(out.scales, b)
                    << ", not " << scale);
    for (std::int64_t i = b * S::block_size; i < (b + 1) * S::block_size; ++i) {
      float const x = to_float(all[static_cast<std::size_t>(i)]);
      float const t = x / scale;  // rounds once, as the format says
      int const expected = scale == 0.f ? 0 : small_floats::nearest(layout, t);
      if (code_at<S::bits>(out.codes, i) != expected)
        FAIL("value " << i << " " << x << " / " << scale << ": code "
                      << int{code_at<S::bits>(out.codes, i)} << ", not " << expected);
    }
  }
}

}  // namespace every_input
