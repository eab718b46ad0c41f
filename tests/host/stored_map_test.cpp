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

}  // namespace

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
