// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt against the real bitsandbytes package where the prefix sweep does not go: edge blocks, the
// 8-bit maps, LLM.int8() rows, nested scales, decoding (tests/data/README.md).
//
// The rules of bitsandbytes' two back ends are restated below and must give every one of their
// bytes. Where a byte is not qfmt's, too, the first reason of the table that applies names where
// the rules part, and the table pins how many such bytes there are. NaN equals NaN.
#include "qfmt/format/dynamic8.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantize_activations.hpp"
#include "qfmt/host/quantize_range.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace qfmt;
using Json = nlohmann::json;
using Floats = std::vector<float>;

/// A quantized tensor: qfmt's or bitsandbytes'.
struct Stored {
  std::vector<std::uint8_t> codes;  // packed
  Floats absmax;
};

enum class Kind { nf4, fp4, dynamic8, unsigned8, int8 };
constexpr bool is_4_bit(Kind kind) { return kind == Kind::nf4 || kind == Kind::fp4; }
template <class F>
constexpr Kind kind_of = std::same_as<F, NF4>        ? Kind::nf4
                         : std::same_as<F, FP4>      ? Kind::fp4
                         : std::same_as<F, Dynamic8> ? Kind::dynamic8
                                                     : Kind::unsigned8;

// --- The file ------------------------------------------------------------------------------------

Json const& rows() {
  static Json const json = Json::parse(std::ifstream(QFMT_TEST_DATA "/bnb_rows.json"));
  return json;
}
template <class T>
std::vector<T> unhex(Json const& text) {
  using Narrow = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, Narrow>;
  auto const& t = text.get_ref<std::string const&>();
  std::vector<T> values;
  for (std::size_t i = 0; i < t.size(); i += 2 * sizeof(T))
    values.push_back(
        std::bit_cast<T>(static_cast<Bits>(std::stoul(t.substr(i, 2 * sizeof(T)), nullptr, 16))));
  return values;
}
/// The CPU's fields are there only where they differ.
Json const& field(Json const& row, bool cuda, std::string const& key) {
  return row[!cuda && row["cpu"].contains(key) ? "cpu" : "cuda"][key];
}
Stored stored_in(Json const& row, bool cuda, char const* codes = "codes",
                 char const* absmax = "absmax") {
  return {unhex<std::uint8_t>(field(row, cuda, codes)), unhex<float>(field(row, cuda, absmax))};
}

std::uint64_t mix(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
/// The script's inputs, exact in float before they are rounded to T.
template <Element T>
std::vector<T> inputs(std::uint64_t count) {
  std::vector<T> values;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::int64_t sum = -131070;
    for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(mix(1, i) >> 16 * k & 0xFFFF);
    int const exponent = static_cast<int>(mix(2, i / 37) % 7) - 3 - 16;
    values.push_back(from_float<T>(std::ldexp(static_cast<float>(sum), exponent)));
  }
  return values;
}
template <Element T>
std::string hash(std::vector<T> const& values) {
  auto const* const p = reinterpret_cast<unsigned char const*>(values.data());
  std::uint64_t h = 0xCBF29CE484222325u;
  for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) h = (h ^ p[i]) * 0x100000001B3u;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016llX", static_cast<unsigned long long>(h));
  return text;
}

/// use.operator()<T>(), with the element type of that name; the format alike.
template <class Use>
void with_element(std::string const& dtype, Use use) {
  if (dtype == "fp32") use.template operator()<float>();
  if (dtype == "fp16") use.template operator()<float16>();
  if (dtype == "bf16") use.template operator()<bfloat16>();
}
template <class Use>
void with_format(std::string const& type, Use use) {
  if (type == "nf4") use.template operator()<NF4>();
  if (type == "fp4") use.template operator()<FP4>();
  if (type == "dynamic8" || type == "signed") use.template operator()<Dynamic8>();
  if (type == "unsigned") use.template operator()<UnsignedDynamic8>();
}

// --- qfmt ----------------------------------------------------------------------------------------

template <class F, int N>
using Blocks = Scheme<Format<F>, BlockSize<N>>;

template <class S, Element T>
Stored quantize(std::vector<T> const& values) {
  auto const n = static_cast<std::int64_t>(values.size());
  Stored s;
  s.codes.resize(static_cast<std::size_t>(codes_bytes<S>(n)));
  s.absmax.resize(static_cast<std::size_t>(block_count<S>(n)));
  QuantizedSpan<S> const out{s.codes.data(), {s.absmax.data()}, n};
  REQUIRE(host::quantize(values, out, Nearest{}, {.propagate_non_finite = true}));
  return s;
}
template <class S, Element T>
std::vector<T> dequantize(Stored const& s, std::size_t size) {
  std::vector<T> values(size);
  auto const n = static_cast<std::int64_t>(size);
  REQUIRE(host::dequantize(QuantizedSpan<S const>{s.codes.data(), {s.absmax.data()}, n}, values));
  return values;
}

// --- bitsandbytes' rules -------------------------------------------------------------------------

struct Block {
  Kind kind;
  bool cuda;
  bool tail;  // short
  std::span<float const> values;
  float absmax = 0.f;  // of the finite values
  bool finite = true;
};

constexpr float least_normal = 0x1p-126f;
bool subnormal(float x) { return x != 0.f && std::fabs(x) < least_normal; }
float flushed(float x) { return subnormal(x) ? std::copysign(0.f, x) : x; }
float rounded(float x) {
  float volatile const stored = x;  // nothing fuses across it
  return stored;
}

/// CUDA: the greatest of the flushed magnitudes, NaN left out, from a start value that whole blocks
/// of NaN keep; in an LLM.int8() row a leading NaN's thread keeps -0. CPU: NaN wins, but is left
/// out of 8-bit blocks, and a short block of 4-bit values has at least 1e-38.
float their_absmax(Block const& b) {
  bool const keeps_nan = !b.cuda && (is_4_bit(b.kind) || b.kind == Kind::int8);
  float most = 0.f;
  if (b.cuda && b.kind != Kind::int8 && !b.tail) most = -std::numeric_limits<float>::max();
  if (b.cuda && b.kind == Kind::int8 && std::isnan(b.values[0])) most = -0.f;
  for (float const x : b.values) {
    if (keeps_nan && std::isnan(x)) return x;
    float const magnitude = std::fabs(b.cuda ? flushed(x) : x);
    if (magnitude > most) most = magnitude;
  }
  return !b.cuda && b.tail && is_4_bit(b.kind) ? std::max(most, 1e-38f) : most;
}

float level_of(Kind kind, int code) {
  static auto const of_signed = unhex<float>(rows()["map_signed"]);
  static auto const of_unsigned = unhex<float>(rows()["map_unsigned"]);
  auto const c = static_cast<std::size_t>(code);
  if (kind == Kind::nf4) return oracle::from_bits(oracle::nf4_levels[c]);
  if (kind != Kind::fp4) return (kind == Kind::dynamic8 ? of_signed : of_unsigned)[c];
  float const magnitude = oracle::from_bits(oracle::fp4_magnitudes[c % 8]);
  return code < 8 ? magnitude : -magnitude;
}
float midpoint(Kind kind, int code, int next) {
  return rounded(level_of(kind, code) + level_of(kind, next)) * 0.5f;
}

/// CPU, 4 bits: float midpoints of the levels in order of value, where FP4's code 0 is below its
/// code 8; a tie goes to the lower one, NaN to the highest.
int midpoint_code(Kind kind, float t) {
  static constexpr int fp4_order[]{11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};
  auto const code = [&](int rank) { return kind == Kind::nf4 ? rank : fp4_order[rank]; };
  int rank = 0;
  while (rank < 15 && !(t <= midpoint(kind, code(rank), code(rank + 1)))) ++rank;
  return code(rank);
}

/// CPU, 8 bits: 65,536 bins hold -1 to 1; a bin has the code of its centre. NaN takes code 0.
int bin_code(Kind kind, float t) {
  if (std::isnan(t)) return 0;
  float const place = rounded(rounded(rounded(std::clamp(t, -1.f, 1.f) + 1.f) * 0.5f) * 65535.f);
  auto const bin = static_cast<float>(static_cast<int>(rounded(place + 0.5f)));
  float const centre = rounded(-1.f + rounded(rounded(2.f * bin) / 65535.f));
  int code = 0;
  while (code < 255 && midpoint(kind, code, code + 1) < centre) ++code;
  return code;
}

oracle::MapEncoder encoder_of(Kind kind) {
  std::array<float, 256> map{};
  for (int c = 0; c < 256; ++c) map[static_cast<std::size_t>(c)] = level_of(kind, c);
  return oracle::MapEncoder(map);
}

/// The code of x. ulps: how far CUDA's approximation of 1/absmax or 127/absmax is off the IEEE one.
int their_code(Block const& b, float x, float absmax, int ulps) {
  static auto const signed_code = encoder_of(Kind::dynamic8);
  static auto const unsigned_code = encoder_of(Kind::unsigned8);
  if (!b.cuda && is_4_bit(b.kind)) {
    float const divisor = absmax < 1e-38f ? 1e-38f : absmax;
    return midpoint_code(b.kind, rounded(b.tail ? x / divisor : x * rounded(1.f / divisor)));
  }
  if (!b.cuda && b.kind != Kind::int8)
    return absmax == 0.f ? 0 : bin_code(b.kind, rounded(x * rounded(1.f / absmax)));
  float factor = rounded((b.kind == Kind::int8 ? 127.f : 1.f) / absmax);
  if (ulps != 0) factor = std::bit_cast<float>(std::bit_cast<std::int32_t>(factor) + ulps);
  float const t = b.cuda ? flushed(rounded(flushed(x) * flushed(factor))) : rounded(x * factor);
  switch (b.kind) {
    case Kind::nf4: return oracle::nf4_code(t);
    case Kind::fp4: return oracle::fp4_code(t);
    case Kind::dynamic8: return signed_code(t);
    case Kind::unsigned8: return unsigned_code(t);
    case Kind::int8: break;
  }
  return std::isnan(t) ? 0 : static_cast<int>(std::nearbyint(t)) & 0xFF;
}

/// What a code decodes to, before rounding to the output type. CUDA flushes what is subnormal
/// before it is rounded to float; the CPU has no -0 among its FP4 levels, and the instruction with
/// which it converts 4-bit values to bf16 flushes.
float their_value(Kind kind, bool cuda, bool bf16, int code, float absmax) {
  float const level = !cuda && kind == Kind::fp4 && code == 8 ? 0.f : level_of(kind, code);
  float const product = oracle::rounded_product(level, absmax);
  bool const tiny = std::fabs(double{level} * double{absmax}) < double{least_normal};
  if (cuda && tiny) return std::copysign(0.f, product);
  return !cuda && bf16 && is_4_bit(kind) ? flushed(product) : product;
}

// --- Reasons -------------------------------------------------------------------------------------

enum class What { absmax, code, value };
struct Difference {
  What what;
  Block const& block;
  float x = 0.f;  // the value; of a decoded one the product
  int ours = 0, theirs = 0, ulps = 0;
  bool bf16 = false;
};

template <What what, bool cuda, class Test>
constexpr auto where(Test) {
  return [](Difference const& d) {
    return d.what == what && d.block.cuda == cuda && Test{}(d, d.block);
  };
}

enum Part { edges, blocks8, int8_rows, nested, grids, decoded };
struct Reason {
  char const* name;
  bool (*applies)(Difference const&);
  std::array<int, 6> count;  // by Part
};
using D = Difference const&;
using B = Block const&;
constexpr auto absmax = What::absmax, code = What::code, value = What::value;

Reason const reasons[]{
    {"CUDA absmax where there is NaN or infinity; qfmt's is NaN",
     where<absmax, true>([](D, B b) { return !b.finite; }),
     {105, 0, 11, 0, 0, 0}},
    {"CUDA absmax flushes subnormals",
     where<absmax, true>([](D, B b) { return subnormal(b.absmax); }),
     {21, 0, 0, 0, 0, 0}},
    {"CPU absmax where there is NaN or infinity; qfmt's is NaN",
     where<absmax, false>([](D, B b) { return !b.finite; }),
     {69, 0, 6, 0, 0, 0}},
    {"CPU absmax of a short block is at least 1e-38",
     where<absmax, false>([](D, B b) { return b.tail && b.absmax < 1e-38f; }),
     {36, 0, 0, 0, 0, 0}},
    {"CUDA code where there is NaN or infinity; qfmt's block is NaN",
     where<code, true>([](D, B b) { return !b.finite; }),
     {936, 0, 6, 0, 0, 0}},
    {"CUDA a block of zeros is 0/0, code 0",
     where<code, true>([](D d, B b) { return b.absmax == 0.f && d.theirs == 0; }),
     {2732, 0, 0, 128, 0, 0}},
    {"CUDA a subnormal absmax is flushed, then 0/0, code 0",
     where<code, true>([](D d, B b) { return subnormal(b.absmax) && d.theirs == 0; }),
     {684, 0, 0, 0, 0, 0}},
    {"CUDA above 2^126 1/absmax is subnormal and flushed",
     where<code, true>([](D, B b) { return b.absmax > 0x1p126f; }),
     {54, 0, 0, 0, 0, 0}},
    {"CUDA a subnormal value is flushed",
     where<code, true>([](D d, B) { return subnormal(d.x); }),
     {36, 0, 0, 0, 0, 0}},
    {"CUDA divides approximately, the block's factor is ulps off",
     where<code, true>([](D d, B) { return d.ulps != 0; }),
     {0, 6, 2, 2, 0, 1}},
    {"CPU code where there is NaN or infinity; qfmt's block is NaN",
     where<code, false>([](D, B b) { return !b.finite; }),
     {3819, 0, 0, 0, 0, 0}},
    {"CPU 4 bits: divides by 1e-38 at least",
     where<code, false>([](D, B b) { return is_4_bit(b.kind) && b.absmax < 1e-38f; }),
     {30, 0, 0, 0, 0, 0}},
    {"CPU FP4's sign of zero",
     where<code, false>(
         [](D d, B b) { return b.kind == Kind::fp4 && d.ours % 8 == 0 && d.theirs % 8 == 0; }),
     {63, 0, 0, 2440, 0, 5904}},
    {"CPU 4 bits: float midpoints of the levels, ties by value",
     where<code, false>([](D d, B b) {
       float const t = rounded(d.x * rounded(1.f / b.absmax));
       return is_4_bit(b.kind) && midpoint_code(b.kind, t) == d.theirs;
     }),
     {116, 0, 0, 11, 0, 11}},
    {"CPU 8 bits: a block of zeros holds code 0",
     where<code, false>([](D d, B b) { return b.absmax == 0.f && d.theirs == 0; }),
     {1358, 0, 0, 0, 0, 0}},
    {"CPU 8 bits: 1/absmax overflows",
     where<code, false>([](D, B b) { return std::isinf(1.f / b.absmax); }),
     {126, 0, 0, 0, 0, 0}},
    {"CPU 8 bits: one of 65,536 bins, at most 4 codes off",
     where<code, false>(
         [](D d, B b) { return !is_4_bit(b.kind) && std::abs(d.ours - d.theirs) <= 4; }),
     {2756, 528, 0, 2, 0, 0}},
    {"CUDA a subnormal product is flushed",
     where<value, true>([](D d, B) { return std::fabs(d.x) <= least_normal; }),
     {0, 0, 0, 0, 4389, 0}},
    {"CPU FP4's code 8 is +0",
     where<value, false>([](D d, B b) { return b.kind == Kind::fp4 && d.theirs == 8; }),
     {36, 0, 0, 3642, 186, 8919}},
    {"CPU 4 bits: the conversion to bf16 flushes",
     where<value, false>([](D d, B b) { return is_4_bit(b.kind) && d.bf16 && subnormal(d.x); }),
     {0, 0, 0, 0, 181, 0}},
};

struct Tally {
  std::array<int, std::size(reasons)> count{};
  std::vector<std::string> unexplained;

  void add(Difference const& d) {
    auto const r = std::find_if(std::begin(reasons), std::end(reasons),
                                [&](Reason const& reason) { return reason.applies(d); });
    expect(r != std::end(reasons), d.block, "a difference without a reason");
    if (r != std::end(reasons)) ++count[static_cast<std::size_t>(r - std::begin(reasons))];
  }
  void expect(bool holds, Block const& b, char const* what) {
    static constexpr std::array names{"nf4", "fp4", "dynamic8", "unsigned8", "int8"};
    if (!holds)
      unexplained.push_back(std::string(b.cuda ? "CUDA " : "CPU ") +
                            names[static_cast<std::size_t>(b.kind)] + ": " + what);
  }
  void check(Part part) const {
    CHECK(unexplained == std::vector<std::string>{});
    for (std::size_t i = 0; i < count.size(); ++i) {
      INFO(reasons[i].name);
      CHECK(count[i] == reasons[i].count[part]);
    }
  }
};

// --- Comparisons ---------------------------------------------------------------------------------

int code_at(Stored const& s, Kind kind, std::size_t i) {
  return is_4_bit(kind) ? s.codes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15 : s.codes[i];
}

/// One of bitsandbytes' blocks against its rule and against qfmt's; `first`: its first value.
void compare_block(Tally& tally, Block& b, std::size_t first, float our_absmax, float their_scale,
                   Stored const& ours, Stored const& theirs) {
  for (float const x : b.values) {
    b.finite = b.finite && std::isfinite(x);
    if (std::isfinite(x)) b.absmax = std::max(b.absmax, std::fabs(x));
  }
  tally.expect(b.finite != std::isnan(our_absmax), b, "qfmt's absmax");
  tally.expect(oracle::same(their_absmax(b), their_scale), b, "absmax");
  if (!oracle::same(our_absmax, their_scale)) tally.add({absmax, b});

  // The unused half of a last byte: CUDA encodes a 0 of the block, the CPU a 0 of its own.
  std::size_t const n = b.values.size(), slots = is_4_bit(b.kind) ? n + n % 2 : n;
  auto const x_at = [&](std::size_t i) { return i < n ? b.values[i] : 0.f; };
  auto const rule_holds = [&](int ulps) {
    for (std::size_t i = 0; i < slots; ++i) {
      float const scale = i < n || b.cuda ? their_scale : 1.f;
      if (their_code(b, x_at(i), scale, ulps) != code_at(theirs, b.kind, first + i)) return false;
    }
    return true;
  };
  static constexpr std::array errors{0, 1, -1, 2, -2};  // the last two: of a quotient
  auto const end = errors.begin() + (!b.cuda ? 1 : b.kind != Kind::int8 ? 3 : 5);
  auto const ulps = std::find_if(errors.begin(), end, rule_holds);
  tally.expect(ulps != end, b, "codes");
  for (std::size_t i = 0; i < slots && ulps != end; ++i) {
    int const our_code = code_at(ours, b.kind, first + i);
    int const their = code_at(theirs, b.kind, first + i);
    if (our_code != their) tally.add({code, b, x_at(i), our_code, their, *ulps});
  }
}

template <Element T>
void compare(Tally& tally, bool cuda, Kind kind, std::size_t length, std::vector<T> const& values,
             Stored const& ours, Stored const& theirs) {
  REQUIRE(ours.codes.size() == theirs.codes.size());
  REQUIRE(ours.absmax.size() == theirs.absmax.size());
  Floats const wide(values.begin(), values.end());
  for (std::size_t first = 0; first < wide.size(); first += length) {
    auto const n = std::min(length, wide.size() - first);
    Block b{kind, cuda, n < length, std::span(wide).subspan(first, n)};
    auto const at = first / length;
    compare_block(tally, b, first, ours.absmax[at], theirs.absmax[at], ours, theirs);
  }
}

/// qfmt's decoding of bitsandbytes' bytes against bitsandbytes' own.
template <class F, int N, Element T>
void compare_decoded(Tally& tally, bool cuda, Stored const& stored, std::vector<T> const& theirs) {
  constexpr bool bf16 = std::same_as<T, bfloat16>;
  auto const ours = dequantize<Blocks<F, N>, T>(stored, theirs.size());
  Block const b{kind_of<F>, cuda, false, {}};
  for (std::size_t i = 0; i < ours.size(); ++i) {
    int const c = code_at(stored, b.kind, i);
    float const scale = stored.absmax[i / N];
    float const product = oracle::rounded_product(level_of(b.kind, c), scale);
    auto const same = [](T x, T y) { return oracle::same(to_float(x), to_float(y)); };
    tally.expect(same(ours[i], from_float<T>(product)), b, "qfmt's values");
    tally.expect(same(theirs[i], from_float<T>(their_value(b.kind, cuda, bf16, c, scale))), b,
                 "values");
    if (!same(ours[i], theirs[i])) tally.add({value, b, product, c, c, 0, bf16});
  }
}

/// The hash that qfmt's decoded values would have on the back end: the CPU's FP4 has no -0.
template <Element T>
std::string hash_there(Tally& tally, bool cuda, Kind kind, Stored const& stored,
                       std::vector<T> values) {
  Block const b{kind, cuda, false, {}};
  for (std::size_t i = 0; !cuda && kind == Kind::fp4 && i < values.size(); ++i)
    if (code_at(stored, kind, i) == 8) {
      values[i] = from_float<T>(-to_float(values[i]));
      tally.add({value, b, 0.f, 8, 8});
    }
  return hash(values);
}

/// added: to the first code of each of bitsandbytes' blocks.
Tally compare_edges(int added) {
  Tally tally;
  for (Json const& e : rows()["edges"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["type"], [&]<class F>() {
        std::string const dtype = e["dtype"], name = e["name"];
        auto const values = unhex<T>(rows()["edge_values"][dtype][name]);
        auto const ours = quantize<Blocks<F, 64>>(values);
        for (bool const cuda : {true, false}) {
          auto theirs = stored_in(e, cuda);
          theirs.codes[0] = static_cast<std::uint8_t>(theirs.codes[0] + added);
          compare(tally, cuda, kind_of<F>, 64, values, ours, theirs);
          if (added == 0 && e["cuda"].contains("decoded"))
            compare_decoded<F, 64>(tally, cuda, theirs, unhex<float>(field(e, cuda, "decoded")));
        }
      });
    });
  return tally;
}

/// bitsandbytes' offset given: codes and scales; then the decoding of bitsandbytes' own bytes.
template <class F, Element T>
void compare_nested(Tally& tally, Json const& e, bool cuda) {
  using S = Scheme<Format<F>, DoubleQuant<true>>;
  auto values = inputs<T>(e["count"]);
  if (e["variant"] == "zero block")
    for (std::size_t const block : {7u, 299u}) std::fill_n(&values[64 * block], 64, T(0.f));
  auto const size = static_cast<std::int64_t>(values.size());
  host::BlockRange const all{0, size / 64};
  auto theirs = stored_in(e, cuda, "codes", "absmax_before");
  auto their_scales = stored_in(e, cuda, "absmax", "nested_absmax");
  float offset = unhex<float>(field(e, cuda, "offset"))[0];

  auto ours = theirs, scales = their_scales;  // for the sizes
  auto const view = [&](Stored& codes, Stored& absmax) {
    QuantizedSpan<AbsmaxScheme> const inner{absmax.codes.data(), {absmax.absmax.data()}, all.last};
    return QuantizedSpan<S>{codes.codes.data(), {inner, &offset}, size};
  };
  REQUIRE(host::absmax_range(values, std::span(ours.absmax), view(ours, scales), all));
  REQUIRE(host::encode_range(values, ours.absmax, view(ours, scales), all));
  compare(tally, cuda, kind_of<F>, 64, values, ours, theirs);
  Floats centred;
  for (float const a : ours.absmax) centred.push_back(rounded(a - offset));
  compare(tally, cuda, Kind::dynamic8, 256, centred, scales, their_scales);

  auto decoded_scales = dequantize<AbsmaxScheme, float>(their_scales, their_scales.codes.size());
  for (float& a : decoded_scales) a = rounded(a + offset);
  CHECK(decoded_scales == unhex<float>(field(e, cuda, "absmax_after")));
  for (std::string const to : {"fp32", "fp16", "bf16"})
    with_element(to, [&]<class To>() {
      std::vector<To> result(values.size());
      REQUIRE(host::dequantize(view(theirs, their_scales), result));
      CHECK(hash_there(tally, cuda, kind_of<F>, theirs, result) ==
            field(e, cuda, "decoded_" + to + "_fnv"));
    });
}

/// Only hashes of the decoded values are on file: the codes of the back end's rule, for CUDA with
/// at most one reciprocal an ulp off, have to give them.
template <class F, int N, Element T>
void compare_hashes(Tally& tally, bool cuda, std::string const& name) {
  auto const values = inputs<T>(4096);
  auto const ours = quantize<Blocks<F, N>>(values);
  Block const b{kind_of<F>, cuda, false, {}};
  auto const by_rule = [&](std::size_t block_off, int ulps) {
    Stored s{std::vector<std::uint8_t>(values.size() / 2), ours.absmax};
    for (std::size_t i = 0; i < values.size(); ++i) {
      int const c = their_code(b, values[i], ours.absmax[i / N], i / N == block_off ? ulps : 0);
      s.codes[i / 2] = static_cast<std::uint8_t>(s.codes[i / 2] << 4 | c);
    }
    return s;
  };
  Json const& hashes = rows()["decoded_fnv"];
  auto const wrong = [&](Stored const& s, Tally& found) {
    int count = 0;
    for (std::string const to : {"fp32", "fp16", "bf16"})
      with_element(to, [&]<class To>() {
        auto const key = name + " " + std::to_string(N) + " " + to;
        auto const got = dequantize<Blocks<F, N>, To>(s, values.size());
        bool const own = !cuda && hashes["cpu"].contains(key);
        count += hash_there(found, cuda, b.kind, s, got) != hashes[own ? "cpu" : "cuda"][key];
      });
    return count;
  };
  auto theirs = by_rule(0, 0);
  Tally ignored;
  for (std::size_t i = 0; cuda && wrong(theirs, ignored) && i < 2 * ours.absmax.size(); ++i)
    theirs = by_rule(i / 2, i % 2 == 0 ? 1 : -1);
  INFO(name << " block " << N << (cuda ? " cuda" : " cpu"));
  CHECK(wrong(theirs, tally) == 0);
  compare(tally, cuda, b.kind, N, values, ours, theirs);
}

}  // namespace

TEST_CASE("the 8-bit maps are bitsandbytes' bits", "[bnb]") {
  auto const same = [](Codebook<8> const& ours, char const* key) {
    auto const theirs = unhex<float>(rows()[key]);
    return std::equal(theirs.begin(), theirs.end(), ours.level, ours.level + 256, oracle::same);
  };
  CHECK(same(Dynamic8::codebook, "map_signed"));
  CHECK(same(UnsignedDynamic8::codebook, "map_unsigned"));
}

TEST_CASE("edge blocks differ from bitsandbytes' for the listed reasons", "[bnb]") {
  compare_edges(0).check(edges);
}

TEST_CASE("a reason cannot be had for any code of an edge block", "[bnb]") {
  CHECK(compare_edges(0x50).unexplained.size() == 2 * rows()["edges"].size());
}

TEST_CASE("8-bit blocks differ from bitsandbytes' for the listed reasons", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["blockwise8"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["map"], [&]<class F>() {
        auto values = inputs<T>(4097);
        if (kind_of<F> == Kind::unsigned8)
          for (T& x : values) x = from_float<T>(std::fabs(to_float(x)));
        auto const ours = e["block"] == 256 ? quantize<Blocks<F, 256>>(values)
                                            : quantize<Blocks<F, 4096>>(values);
        for (bool const cuda : {true, false})
          compare(tally, cuda, kind_of<F>, e["block"], values, ours, stored_in(e, cuda));
      });
    });
  tally.check(blocks8);
}

TEST_CASE("LLM.int8() rows differ from bitsandbytes' for the listed reasons", "[bnb]") {
  using S = Scheme<Format<Int8>, RowWise>;
  Tally tally;
  for (Json const& e : rows()["int8"]) {
    if (e["threshold"] != 0.0) continue;
    auto const values = unhex<float16>(e["values"]);
    std::int64_t const columns = e["columns"], size = e["rows"].get<std::int64_t>() * columns;
    auto ours = stored_in(e, true);  // for the sizes
    QuantizedSpan<S> const out{ours.codes.data(), {ours.absmax.data(), columns}, size};
    REQUIRE(host::quantize(values, out, Nearest{}, {.propagate_non_finite = true}));
    for (bool const cuda : {true, false})
      compare(tally, cuda, Kind::int8, e["columns"], values, ours, stored_in(e, cuda));
  }
  tally.check(int8_rows);
}

TEST_CASE("LLM.int8() activations under a threshold are those of bitsandbytes' CUDA kernels",
          "[bnb]") {
  for (Json const& e : rows()["int8"]) {
    if (e["threshold"] == 0.0) continue;
    auto const x = unhex<float16>(e["values"]);
    std::int64_t const m = e["rows"], k = e["columns"];
    std::vector<float> memory(static_cast<std::size_t>(int8_matmul_workspace_bytes(m, k) / 4 + 1));
    auto const a = place_activations(memory.data(), m, k);
    REQUIRE(host::quantize_activations(x.data(), e["threshold"].get<float>(), a));
    CAPTURE(e["name"].get<std::string>());
    Stored const theirs = stored_in(e, true);
    Floats const ours(a.values.values.scales.absmax, a.values.values.scales.absmax + m);
    CHECK(ours == theirs.absmax);  // -0 where a row begins with NaN
    std::vector<bool> has_nan(static_cast<std::size_t>(k));
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::isnan(to_float(x[i]))) has_nan[i % static_cast<std::size_t>(k)] = true;
    auto const columns = field(e, true, "outlier_columns").get<std::vector<std::int64_t>>();
    for (std::int64_t c = 0; c < k; ++c) {
      // A NaN makes an outlier column here, and is dropped there.
      bool const nan_column = has_nan[static_cast<std::size_t>(c)];
      bool const listed = std::find(columns.begin(), columns.end(), c) != columns.end();
      CHECK(is_outlier_column(a.outliers, c) == (listed || nan_column));
      for (std::int64_t r = 0; r < m && !nan_column; ++r)
        CHECK(a.values.values.codes[r * a.values.row_stride + c] ==
              theirs.codes[static_cast<std::size_t>(r * k + c)]);
    }
  }
}

TEST_CASE("nested scales under bitsandbytes' offset differ for the listed reasons", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["nested"])
    for (bool const cuda : {true, false})
      with_element(e["dtype"], [&]<class T>() {
        if (e["type"] == "nf4") compare_nested<NF4, T>(tally, e, cuda);
        if (e["type"] == "fp4") compare_nested<FP4, T>(tally, e, cuda);
      });
  tally.check(nested);
}

TEST_CASE("every code times 64 scales decodes as in bitsandbytes, but for the reasons", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["grids"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["type"], [&]<class F>() {
        constexpr bool four = is_4_bit(kind_of<F>);
        Stored stored{{}, unhex<float>(rows()["grid_absmax"])};
        for (int i = 0; i < 64 * (four ? 8 : 256); ++i)
          stored.codes.push_back(static_cast<std::uint8_t>(four ? i % 8 * 0x22 + 1 : i));
        for (bool const cuda : {true, false})
          compare_decoded<F, four ? 16 : 256>(tally, cuda, stored,
                                              unhex<T>(field(e, cuda, "decoded")));
      });
    });
  tally.check(grids);
}

TEST_CASE("decoded inputs have bitsandbytes' hashes, but for the reasons", "[bnb]") {
  Tally tally;
  for (std::string const dtype : {"fp32", "fp16", "bf16"})
    with_element(dtype, [&]<class T>() {
      [&]<int... Ns>(std::integer_sequence<int, Ns...>) {
        for (bool const cuda : {true, false}) {
          (compare_hashes<NF4, Ns, T>(tally, cuda, "nf4 " + dtype), ...);
          (compare_hashes<FP4, Ns, T>(tally, cuda, "fp4 " + dtype), ...);
        }
      }
      (std::integer_sequence<int, 32, 64, 128, 256, 512, 1024, 2048, 4096>{});
    });
  tally.check(decoded);
}
