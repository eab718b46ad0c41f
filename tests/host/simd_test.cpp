// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every SIMD level gives the scalar codec's bits, whatever the values, and touches nothing beside
// its operands. The scalar codec itself is held against reference.hpp by the other tests.
#include "support/sweep.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "host/simd_cases.hpp"

using namespace simd_test;

TEST_CASE("SIMD levels: what is asked for, limited to what there is", "[host][simd]") {
  using host::simd::limited;
  using enum SimdLevel;
  STATIC_REQUIRE(limited(best, avx2) == avx2);
  STATIC_REQUIRE(limited(avx512, avx2) == avx2);
  STATIC_REQUIRE(limited(avx2, avx512_bf16) == avx2);
  STATIC_REQUIRE(limited(scalar, avx512) == scalar);
  STATIC_REQUIRE(limited(neon, avx512) == scalar);
  STATIC_REQUIRE(limited(avx512, neon) == neon);
  STATIC_REQUIRE(limited(neon, neon) == neon);
  STATIC_REQUIRE(limited(avx512, scalar) == scalar);
  STATIC_REQUIRE(host::simd::level_named("avx2") == avx2);
  STATIC_REQUIRE(host::simd::level_named("AVX2") == best);
  CHECK(host::simd_level(scalar) == scalar);
  CHECK(host::simd_level() <= host::simd::detect());
#if defined(__x86_64__)
  if (levels().empty()) SKIP("this CPU has no AVX2: nothing to compare");
#endif
}

TEMPLATE_TEST_CASE("SIMD: every 16-bit value, finite or not", "[host][simd]", float16, bfloat16) {
  std::vector<TestType> ordered, scattered, beside_one;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    ordered.push_back(TestType::from_bits(static_cast<std::uint16_t>(i)));
    scattered.push_back(TestType::from_bits(static_cast<std::uint16_t>(i * 40503u)));
    auto const x = TestType::from_bits(static_cast<std::uint16_t>(i));
    bool const fits = is_finite(to_float(x)) && std::abs(to_float(x)) <= 1.f;
    beside_one.push_back(i % 16 == 0 || !fits ? TestType(1.f) : x);
  }
  check_all_schemes(ordered);
  check_all_schemes(scattered);
  check_all_schemes(beside_one);
}

TEST_CASE("SIMD: floats of any bits", "[host][simd]") {
  std::mt19937 random(7);
  std::vector<float> values(1 << 17);
  for (float& x : values) x = float_from_bits(static_cast<std::uint32_t>(random()));
  check_all_schemes(values);  // a NaN in most blocks of the large sizes
  for (float& x : values)
    if (!is_finite(x)) x = 0x1p-140f;
  check_all_schemes(values);
  for (std::size_t i = 0; i < values.size(); ++i)  // each block has exponents of its own
    values[i] = float_from_bits((float_bits(values[i]) & 0x807FFFFFu) |
                                static_cast<std::uint32_t>((i / 16 * 7 + i % 5) % 255) << 23);
  check_all_schemes(values);
}

/// Values within three floats of every decision point of F times absmax, and on both sides of zero.
template <class F>
std::vector<float> near_points(float absmax, std::size_t block) {
  std::vector<float> points{0.f, 0x1p-149f, 0x1p-126f, 1.f, 0x1p-24f, 0x1p-31f, 0x1p-32f};
  if constexpr (CodebookFormat<F>) {
    for (float const p : qfmt::detail::host_points<F>.below)
      if (is_finite(p)) points.push_back(p);
    for (int c = 0; c < F::codebook.count; ++c) points.push_back(F::codebook.level[c]);
    if constexpr (host::simd::PointFormat<F> && bits_of<F> == 4)
      for (float const p : host::simd::points_of<F>.below)
        if (is_finite(p)) points.push_back(p);
  } else {
    for (int k = 0; k < 127; ++k) points.push_back((static_cast<float>(k) + .5f) / 127.f);
  }
  for (int k = 0; k < 16; ++k)
    points.push_back((static_cast<float>(k) + .5f) / 15.f);  // bins' ends
  std::vector<float> values;
  for (float const p : points)
    for (float const sign : {1.f, -1.f})
      for (int ulps = -3; ulps <= 3; ++ulps) {
        if (values.size() % block == 0) values.push_back(absmax);
        std::uint32_t const bits = float_bits(p * sign * absmax);
        float const x = float_from_bits(bits + static_cast<std::uint32_t>(ulps));
        values.push_back(is_finite(x) && std::abs(x) <= absmax ? x : -absmax);
      }
  return values;
}

template <class... Schemes>
void check_near_points() {
  float const scales[]{1.f,  0x1p-126f,     0x1p126f, 0x1p-127f,
                       3.7f, 0x1.fffffep3f, 1e-30f,   0x1.8p-140f};
  for (float const absmax : scales)
    (check_values<Schemes>(near_points<typename Schemes::format>(
         absmax, Schemes::block_size == 0 ? 64 : std::size_t{Schemes::block_size})),
     ...);
}

TEST_CASE("SIMD: values beside every decision", "[host][simd]") {
  check_near_points<Nf4, Nf4Short, Nf4Nested, Fp4, Fp4Nested, Own, Close, Rows, Int8Blocks, Map8,
                    UnsignedMap8>();
}

/// All of [-1, 1] in steps, with absmax 1: the encoder's whole domain.
template <class S>
void sweep_codes(std::uint64_t stride) {
  constexpr std::size_t run = 1 << 20;
  std::vector<float> values;
  values.reserve(run);
  std::uint64_t phase = 12345;
  for (std::uint64_t begin = 0; begin < std::uint64_t{1} << 32; begin += stride) {
    phase = phase * 6364136223846793005u + 1442695040888963407u;
    float const x = float_from_bits(static_cast<std::uint32_t>(begin + (phase >> 33) % stride));
    if (!is_finite(x) || std::abs(x) > 1.f) continue;
    if (values.size() % 16 == 0) values.push_back(1.f);
    values.push_back(x);
    if (values.size() < run) continue;
    auto const expected = quantized<S>(values.data(), std::int64_t{run}, SimdLevel::scalar);
    for (SimdLevel const level : levels())
      REQUIRE(quantized<S>(values.data(), std::int64_t{run}, level) == expected);
    values.clear();
  }
}

TEMPLATE_TEST_CASE("SIMD: a sweep of the values that encoders see", "[host][simd]", Nf4, Fp4, Own,
                   Map8, Int8Blocks) {
  sweep_codes<TestType>(sweep::sanitized ? 16384 : 512);
}

TEMPLATE_TEST_CASE("SIMD: every value that encoders see", "[.][long][simd]", Nf4, Fp4, Own, Map8,
                   Int8Blocks) {
  sweep_codes<TestType>(1);
}

/// Every code under scales of every kind.
template <class S>
void check_scales() {
  constexpr std::uint32_t scales[]{
      0x3F800000, 0xBF800000, 0,          0x80000000, 1,          0x80000001, 0x007FFFFF,
      0x00800000, 0x7F7FFFFF, 0x7F000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
      0xFFC12345, 0x33800000, 0x38800000, 0x477FE000, 0x477FF000, 0x0C800000, 0x3DCCCCCD};
  constexpr std::int64_t length = S::block_size;
  auto const blocks = static_cast<std::int64_t>(std::size(scales)) * 8;
  Tensor<S> t(blocks * length);
  for (std::size_t i = 0; i < t.codes.size(); ++i) t.codes[i] = static_cast<unsigned char>(i * 7);
  for (std::size_t b = 0; b < t.scales.size(); ++b)
    t.scales[b] = float_from_bits(scales[b % std::size(scales)]);
  auto const compare = [&](auto zero) {
    using T = decltype(zero);
    auto const expected = decoded<T>(t.span(), SimdLevel::scalar);
    for (SimdLevel const level : levels()) {
      CAPTURE(S::format::name, level, sizeof(T));
      REQUIRE(same(decoded<T>(t.span(), level).data(), expected.data(), expected.size()));
    }
  };
  compare(float{});
  compare(float16{});
  compare(bfloat16{});
}

TEST_CASE("SIMD: every code under scales of every kind", "[host][simd]") {
  check_scales<Nf4>();
  check_scales<Nf4Short>();
  check_scales<Fp4>();
  check_scales<Own>();
  check_scales<Close>();
  check_scales<Scheme<Format<Int8>, BlockSize<256>>>();
  check_scales<Map8>();
}

TEST_CASE("SIMD: maps that files store, and nested scales under them", "[host][simd]") {
  std::vector<float> map(Dynamic8::codebook.level, Dynamic8::codebook.level + 256);
  auto const values = normal_values<float>(70001, 3);
  Tensor<Map8> t = quantized<Map8>(values.data(), 70001, SimdLevel::scalar);
  Tensor<Nf4Nested> nested = quantized<Nf4Nested>(values.data(), 70001, SimdLevel::scalar);
  for (int change = 0; change < 4; ++change) {
    if (change == 1) std::reverse(map.begin(), map.end());
    if (change == 2) map[200] = float_from_bits(0x7FC12345u);
    if (change == 3) map[3] = float_from_bits(0xFF800000u);
    QuantizedSpan<Map8> v = t.span();
    v.scales.levels = map.data();
    QuantizedSpan<Nf4Nested> w = nested.span();
    w.scales.absmax.scales.levels = map.data();
    for (SimdLevel const level : levels()) {
      CAPTURE(change, level);
      auto const compare = [&](auto zero) {
        using T = decltype(zero);
        REQUIRE(same(decoded<T>(v, level).data(), decoded<T>(v, SimdLevel::scalar).data(), 70001));
        REQUIRE(same(decoded<T>(w, level).data(), decoded<T>(w, SimdLevel::scalar).data(), 70001));
      };
      compare(float{});
      compare(float16{});
      compare(bfloat16{});
    }
  }
}
