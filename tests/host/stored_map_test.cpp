// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/qfmt.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using namespace qfmt;
using Plain = Scheme<Format<Dynamic8>, BlockSize<256>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;

/// Five levels in a table of 16, with a map of its own in files.
struct Five {
  static constexpr auto name = "five";
  static constexpr bool stores_levels = true;
  static constexpr Codebook codebook{-1.f, -.5f, 0.f, .5f, 1.f};
};

/// A setting that the call carries: the scale as a share of absmax.
struct Shrunk {
  float share;

  template <FormatSpec F, Element T>
  float scale(T const* values, std::int64_t n) const {
    return share * block_absmax(values, n);
  }
  template <FormatSpec F, Element T>
  void encode(T const* values, std::int64_t n, float scale, std::uint8_t* codes) const {
    encode_block<F>(values, n, scale, codes);
  }
};

}  // namespace

TEST_CASE("a short table's own map is its own", "[host]") {
  std::vector<float> const values{1.f, -0.5f, 0.25f};
  QuantizedTensor<Scheme<Format<Five>>> tensor(3);
  auto view = tensor.span();
  view.scales.levels = Five::codebook.level;
  CHECK(host::quantize(values, view));
}

TEST_CASE("an encoder's settings reach its blocks", "[host]") {
  std::vector<float> const values{1.f, -0.5f, 0.25f};
  QuantizedTensor<Scheme<Format<NF4>>> tensor(3);
  REQUIRE(host::quantize(values, tensor.span(), Shrunk{0.75f}));
  CHECK(tensor.span().scales.absmax[0] == 0.75f);
  REQUIRE(host::quantize_range(values, tensor.span(), {0, 1}, Shrunk{0.5f}));
  CHECK(tensor.span().scales.absmax[0] == 0.5f);
}

TEST_CASE("quantizing into a view with another map is refused, with the same map it is not",
          "[host]") {
  std::vector<float> const values{1.f, -0.5f, 0.25f};
  std::vector<float> map(Dynamic8::codebook.level, Dynamic8::codebook.level + 256);
  QuantizedTensor<Plain> tensor(3);
  auto view = tensor.span();
  view.scales.levels = map.data();
  CHECK(host::quantize(values, view));
  map[200] = -map[200];
  CHECK(host::quantize(values, view).code == Errc::map_mismatch);
  CHECK(host::quantize_range(values, view, {0, 1}).code == Errc::map_mismatch);

  QuantizedTensor<Nested> nested(3);
  auto out = nested.span();
  out.scales.absmax.scales.levels = map.data();
  CHECK(host::quantize(values, out).code == Errc::map_mismatch);
  std::vector<float> const absmax{1.f};
  CHECK(host::encode_range(values, absmax, out, {0, 1}).code == Errc::map_mismatch);
  map[200] = -map[200];
  CHECK(host::quantize(values, out));
}

TEST_CASE("an empty view is not touched, wherever it points", "[host]") {
  alignas(8) std::byte memory[16]{};
  QuantizedSpan<Nested> view;
  view.scales.offset = reinterpret_cast<float*>(memory + 1);
  std::vector<float> const none;
  CHECK(host::quantize(none, view));
  CHECK(host::nested_offset(none, view));
  CHECK(std::all_of(std::begin(memory), std::end(memory),
                    [](std::byte b) { return b == std::byte{}; }));
}
