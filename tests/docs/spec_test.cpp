// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The vectors of include/qfmt/format/SPEC.md, which were made without the library, against it.
#include <qfmt/qfmt.hpp>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace qfmt;
using Json = nlohmann::json;

struct Af4 {
  static constexpr auto name = "af4";
  static constexpr Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                     .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};
struct Mixed {
  static constexpr auto name = "mixed";
  static constexpr Codebook codebook{.5f, -.0f, -1.f, 0.f, .25f, 1.f, -.5f};
};

template <class F, int N, bool Nested = false>
using Blocks = Scheme<Format<F>, BlockSize<N>, DoubleQuant<Nested>>;
using Int8Rows = Scheme<Format<Int8>, RowWise>;

Json const& vectors() {
  static Json const read = Json::parse(std::ifstream(QFMT_TEST_DATA "/spec_vectors.json"));
  return read;
}

std::vector<std::uint32_t> words(Json const& text) {
  std::istringstream in(text.get_ref<std::string const&>());
  in >> std::hex;
  std::vector<std::uint32_t> result;
  for (std::uint32_t word = 0; in >> word;) result.push_back(word);
  return result;
}

/// The bits, every NaN as 7FFFFFFF: which one it is, is not specified.
std::uint32_t bits(float x) { return std::isnan(x) ? canonical_nan_bits : float_bits(x); }

std::vector<std::uint32_t> bits(float const* x, std::int64_t n) {
  std::vector<std::uint32_t> result;
  for (std::int64_t i = 0; i < n; ++i) result.push_back(bits(x[i]));
  return result;
}

std::vector<std::uint32_t> bytes(std::uint8_t const* x, std::int64_t n) { return {x, x + n}; }

template <Element T>
std::vector<T> values(Json const& test) {
  std::vector<T> result;
  for (std::uint32_t const word : words(test["values"]))
    result.push_back(element_from_bits<T>(static_cast<decltype(element_bits(T{}))>(word)));
  return result;
}

template <SchemeSpec S>
void compare_scales(QuantizedSpan<S const> const& q, Json const& test) {
  std::int64_t const blocks = host::block_count_of(q);
  if constexpr (S::is_nested) {
    auto const& inner = q.scales.absmax;
    CHECK(bytes(inner.codes, blocks) == words(test["absmax_codes"]));
    CHECK(bits(inner.scales.absmax, ceil_div(blocks, 256)) == words(test["absmax2"]));
    CHECK(bits(q.scales.offset, 1) == words(test["offset"]));
  } else {
    CHECK(bits(q.scales.absmax, blocks) == words(test["absmax"]));
  }
}

template <SchemeSpec S, Element T>
void check_encode(Json const& test, SimdLevel level) {
  using F = typename S::format;
  if constexpr (CodebookFormat<F>)
    if (test.contains("levels"))
      REQUIRE(bits(F::codebook.level, F::codebook.count) == words(test["levels"]));
  std::vector<T> const x = values<T>(test);
  auto const size = static_cast<std::int64_t>(x.size());
  std::int64_t const cols = S::is_row_wise ? test["row_length"].get<std::int64_t>() : size;
  QuantizedTensor<S> tensor(cols == 0 ? 0 : size / cols, cols);
  REQUIRE(tensor.status());
  QuantizeOptions options;
  options.propagate_non_finite = true;
  options.simd = level;
  REQUIRE(host::quantize(x, tensor.span(), Nearest{}, options));
  QuantizedSpan<S const> const q = tensor.span();
  CHECK(bytes(q.codes, codes_bytes<S>(size)) == words(test["codes"]));
  compare_scales<S>(q, test);
  std::vector<float> decoded(x.size());
  DequantizeOptions how;
  how.simd = level;
  REQUIRE(host::dequantize(q, decoded, how));
  CHECK(bits(decoded.data(), size) == words(test["decoded"]));
}

/// Runs the case if it is of scheme S and one of the types; says so.
template <SchemeSpec S, Element... Ts>
bool runs(Json const& test) {
  constexpr SchemeDesc desc = desc_of<S>;
  bool const fits = test["format"] == std::string(desc.format) &&
                    test["nested"] == desc.double_quant && test["block"] == desc.block_size;
  auto const with = [&]<class T>(char const* dtype) {
    if (!fits || test["dtype"] != dtype) return false;
    check_encode<S, T>(test, SimdLevel::scalar);
    check_encode<S, T>(test, SimdLevel::best);
    return true;
  };
  auto const named = [&]<class T>() {
    return with.template operator()<T>(sizeof(T) == 4 ? "f32" : Float16Like<T> ? "f16" : "bf16");
  };
  return (named.template operator()<Ts>() || ...);
}

bool runs_any(Json const& test) {
  return runs<Blocks<NF4, 64>, float, float16, bfloat16>(test) ||
         runs<Blocks<NF4, 16>, float>(test) || runs<Blocks<NF4, 4096>, bfloat16>(test) ||
         runs<Blocks<NF4, 64, true>, float>(test) || runs<Blocks<NF4, 16, true>, float>(test) ||
         runs<Blocks<FP4, 64>, float>(test) || runs<Blocks<FP4, 16>, float>(test) ||
         runs<Blocks<FP4, 64, true>, bfloat16>(test) || runs<Blocks<Dynamic8, 64>, float>(test) ||
         runs<Blocks<Dynamic8, 16>, float>(test) ||
         runs<Blocks<Dynamic8, 256>, float, float16, bfloat16>(test) ||
         runs<Blocks<UnsignedDynamic8, 64>, float>(test) ||
         runs<Blocks<UnsignedDynamic8, 16>, float>(test) ||
         runs<Blocks<UnsignedDynamic8, 256>, float>(test) || runs<Blocks<Int8, 64>, float>(test) ||
         runs<Blocks<Int8, 16>, float>(test) || runs<Blocks<Int8, 256>, float>(test) ||
         runs<Int8Rows, float, float16, bfloat16>(test) || runs<Blocks<Af4, 32>, float>(test) ||
         runs<Blocks<Mixed, 32>, float>(test);
}

template <class F>
void check_table() {
  INFO(F::name);
  CHECK(bits(F::codebook.level, F::codebook.count) == words(vectors()["tables"][F::name]));
}

/// Every code under one scale, if the case is of F; says so.
template <class F>
bool decodes(Json const& test) {
  if (test["format"] != std::string(F::name)) return false;
  float const scale = float_from_bits(words(test["scale"]).front());
  std::vector<std::uint32_t> f32, f16, bf16;
  for (int c = 0; c < 1 << bits_of<F>; ++c) {
    float const x = decode<F>(static_cast<std::uint8_t>(c), scale);
    f32.push_back(bits(x));
    f16.push_back(element_bits(from_float<float16>(x)));
    bf16.push_back(element_bits(from_float<bfloat16>(x)));
  }
  CHECK(f32 == words(test["f32"]));
  CHECK(f16 == words(test["f16"]));
  CHECK(bf16 == words(test["bf16"]));
  return true;
}

}  // namespace

TEST_CASE("SPEC.md: the tables are the library's", "[docs][spec]") {
  CHECK(vectors()["version"] == "1.1");
  REQUIRE(vectors()["tables"].size() == 4);
  check_table<NF4>();
  check_table<FP4>();
  check_table<Dynamic8>();
  check_table<UnsignedDynamic8>();
}

TEST_CASE("SPEC.md: every encoded vector, by the scalar codec and the best", "[docs][spec]") {
  REQUIRE(vectors()["encode"].size() >= 50);
  for (Json const& test : vectors()["encode"]) {
    INFO(test["name"]);
    CHECK(runs_any(test));  // false: no scheme of the list above is the case's
  }
}

TEST_CASE("SPEC.md: every code under every scale", "[docs][spec]") {
  REQUIRE(vectors()["decode"].size() >= 25);
  for (Json const& test : vectors()["decode"]) {
    INFO(test["format"] << " " << test["scale"]);
    CHECK((decodes<NF4>(test) || decodes<FP4>(test) || decodes<Dynamic8>(test) ||
           decodes<UnsignedDynamic8>(test) || decodes<Int8>(test)));
  }
}

TEST_CASE("SPEC.md: the nested offset's order of summation", "[docs][spec]") {
  using S = Blocks<NF4, 16, true>;
  REQUIRE(vectors()["offset"].size() >= 17);
  for (Json const& test : vectors()["offset"]) {
    std::vector<float> absmax;
    for (std::uint32_t const word : words(test["absmax"])) absmax.push_back(float_from_bits(word));
    QuantizedTensor<S> tensor(16 * static_cast<std::int64_t>(absmax.size()));
    REQUIRE(host::nested_offset(std::span<float const>(absmax), tensor.span()));
    CHECK(bits(tensor.span().scales.offset, 1) == words(test["offset"]));
  }
}
