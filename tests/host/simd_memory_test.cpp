// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// SIMD levels at every length and alignment, between pages that fault when touched.
#include "support/sweep.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/simd_cases.hpp"

using namespace simd_test;

namespace {

constexpr std::int64_t most = 4097;

struct Memory {
  Fenced values{4 * most + 64}, codes{most + 64}, inner{most + 64}, scales{4 * most + 64},
      offset{64};
};

/// Operands of n values against the page behind them, or `shift` bytes behind the page before.
template <class S, class T>
struct Placed {
  T* values;
  QuantizedSpan<S> span;

  Placed(Memory const& m, std::int64_t n, bool at_end, std::size_t shift) {
    auto const blocks = static_cast<std::size_t>(block_count<S>(n, std::max<std::int64_t>(1, n)));
    auto const bytes = static_cast<std::size_t>(codes_bytes<S>(n));
    std::size_t const groups = S::is_nested ? (blocks + 255) / 256 : blocks;
    auto const place = [&](Fenced const& f, std::size_t size, std::size_t align) {
      return at_end ? f.at_end(size) : f.at_begin(shift / align * align);
    };
    values =
        reinterpret_cast<T*>(place(m.values, static_cast<std::size_t>(n) * sizeof(T), sizeof(T)));
    span =
        view<S>(place(m.codes, bytes, 1), reinterpret_cast<float*>(place(m.scales, groups * 4, 4)),
                place(m.inner, blocks, 1), reinterpret_cast<float*>(m.offset.at_end(4)), n);
  }
};

template <class S, class T>
void check_placed(Memory const& m, std::vector<T> const& from, std::int64_t n, SimdLevel level,
                  Tensor<S>& expected, std::vector<T> const& expected_values, bool at_end,
                  std::size_t shift) {
  Placed<S, T> p(m, n, at_end, shift);
  auto const count = static_cast<std::size_t>(n);
  std::copy_n(from.begin(), count, p.values);
  QuantizeOptions options;
  options.simd = level;
  std::span<T> const values(p.values, count);
  REQUIRE(host::quantize(values, p.span, Nearest{}, options));
  REQUIRE(std::equal(expected.codes.begin(), expected.codes.end(), p.span.codes));
  REQUIRE(host::dequantize(p.span, values, DequantizeOptions{shift % 2 != 0, level}));
  REQUIRE(same(p.values, expected_values.data(), count));
}

template <class S, class T>
void check_lengths() {
  Memory const memory;
  auto const from = normal_values<T>(std::size_t{most}, 11);
  int const step = sweep::sanitized ? 61 : 1;
  for (std::int64_t n = 0; n <= most; n += n < 200 || n > most - 10 ? 1 : step) {
    Tensor<S> expected = quantized<S>(from.data(), n, SimdLevel::scalar);
    auto const values = decoded<T>(expected.span(), SimdLevel::scalar);
    for (SimdLevel const level : levels()) {
      CAPTURE(S::format::name, S::block_size, S::is_nested, sizeof(T), n, level);
      check_placed<S, T>(memory, from, n, level, expected, values, true, 0);
      check_placed<S, T>(memory, from, n, level, expected, values, false, 0);
    }
  }
}

template <class S, class T>
void check_alignments() {
  Memory const memory;
  auto const from = normal_values<T>(std::size_t{most}, 12);
  for (std::int64_t const n : {std::int64_t{1}, std::int64_t{63}, std::int64_t{64},
                               std::int64_t{129}, std::int64_t{4096}, most}) {
    Tensor<S> expected = quantized<S>(from.data(), n, SimdLevel::scalar);
    auto const values = decoded<T>(expected.span(), SimdLevel::scalar);
    for (std::size_t shift = 0; shift < 64; ++shift)
      for (SimdLevel const level : levels()) {
        CAPTURE(S::format::name, S::block_size, sizeof(T), n, shift, level);
        check_placed<S, T>(memory, from, n, level, expected, values, false, shift);
      }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("SIMD: lengths 0 to 4097 between guard pages", "[host][simd]", Nf4, Nf4Short,
                   Nf4Nested, Fp4, Own, Rows, Int8Blocks, Map8) {
  check_lengths<TestType, float>();
  check_lengths<TestType, float16>();
  check_lengths<TestType, bfloat16>();
}

TEMPLATE_TEST_CASE("SIMD: alignments 0 to 63, cached and past the caches", "[host][simd]", Nf4,
                   Nf4Nested, Fp4Nested, Own, Rows, Map8) {
  check_alignments<TestType, float>();
  check_alignments<TestType, float16>();
  check_alignments<TestType, bfloat16>();
}
