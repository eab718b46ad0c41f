// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt against the real bitsandbytes package where the prefix sweep does not go: edge blocks, the
// 8-bit maps, LLM.int8() rows, nested scales, decoding (tests/data/README.md).
//
// Each back end's rule is restated below and must give every one of its bytes. Where such a byte is
// not qfmt's, the first of the reasons that applies names what the two rules differ in, and the
// table at the end pins how many bytes each reason accounts for. NaN equals NaN.
#include "qfmt/format/dynamic8.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantize_range.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace qfmt;
using Json = nlohmann::json;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;
using Bits = std::vector<std::uint32_t>;  // of values of any element type

// --- The file ------------------------------------------------------------------------------------

Json const& rows() {
  static Json const json = Json::parse(std::ifstream(QFMT_TEST_DATA "/bnb_rows.json"));
  return json;
}

Bits unhex(Json const& text, std::size_t digits) {
  auto const& t = text.get_ref<std::string const&>();
  Bits values;
  for (std::size_t i = 0; i < t.size(); i += digits)
    values.push_back(static_cast<std::uint32_t>(std::stoul(t.substr(i, digits), nullptr, 16)));
  return values;
}
Bytes bytes_in(Json const& text) {
  Bits const wide = unhex(text, 2);
  return Bytes(wide.begin(), wide.end());
}
Floats floats_in(Json const& text) {
  Floats values;
  for (std::uint32_t const bits : unhex(text, 8)) values.push_back(oracle::from_bits(bits));
  return values;
}
/// The CPU's fields are there only where they differ.
Json const& field(Json const& row, bool cuda, char const* key) {
  return row[!cuda && row["cpu"].contains(key) ? "cpu" : "cuda"][key];
}

std::uint64_t mix(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
/// The script's input: exact in float.
float input(std::uint64_t i) {
  std::uint64_t const bits = mix(1, i);
  std::int64_t sum = -131070;
  for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(bits >> 16 * k & 0xFFFF);
  return std::ldexp(static_cast<float>(sum), static_cast<int>(mix(2, i / 37) % 7) - 3 - 16);
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

// --- qfmt ----------------------------------------------------------------------------------------

/// A quantized tensor: qfmt's or bitsandbytes'.
struct Stored {
  Bytes codes;  // packed
  Floats absmax;
};

template <class F, int N>
using Blocks = Scheme<Format<F>, BlockSize<N>>;

template <class S, Element T>
Stored quantize(std::vector<T> const& values) {
  auto const n = static_cast<std::int64_t>(values.size());
  Stored s{Bytes(static_cast<std::size_t>(codes_bytes<S>(n))),
           Floats(static_cast<std::size_t>(block_count<S>(n)))};
  QuantizedSpan<S> const out{s.codes.data(), {s.absmax.data()}, n};
  REQUIRE(host::quantize(values, out, Nearest{}, {.propagate_non_finite = true}));
  return s;
}

template <class S, Element T>
std::vector<T> dequantize(Stored const& s, std::size_t size) {
  std::vector<T> values(size);
  QuantizedSpan<S const> const in{
      s.codes.data(), {s.absmax.data()}, static_cast<std::int64_t>(size)};
  REQUIRE(host::dequantize(in, values));
  return values;
}

template <Element T>
std::vector<T> elements(Bits const& bits) {
  std::vector<T> values;
  for (std::uint32_t const b : bits)
    if constexpr (sizeof(T) == 4) {
      values.push_back(oracle::from_bits(b));
    } else {
      values.push_back(T::from_bits(static_cast<std::uint16_t>(b)));
    }
  return values;
}
template <Element T>
bool same_value(T a, T b) {  // the conversions to float are exact
  return oracle::same(to_float(a), to_float(b));
}
template <Element T>
std::vector<T> inputs(std::uint64_t count) {
  std::vector<T> values;
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(from_float<T>(input(i)));
  return values;
}
template <Element T>
Floats widened(std::vector<T> const& values) {
  return Floats(values.begin(), values.end());
}

/// use.operator()<T>() with the element type of that name.
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

// --- bitsandbytes' rules -------------------------------------------------------------------------

enum class Kind { nf4, fp4, dynamic8, unsigned8, int8 };
template <class F>
constexpr Kind kind_of = std::same_as<F, NF4>        ? Kind::nf4
                         : std::same_as<F, FP4>      ? Kind::fp4
                         : std::same_as<F, Dynamic8> ? Kind::dynamic8
                                                     : Kind::unsigned8;
constexpr bool is_4_bit(Kind kind) { return kind == Kind::nf4 || kind == Kind::fp4; }

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
float neighbour(float x, int ulps) {
  return ulps == 0 ? x : std::bit_cast<float>(std::bit_cast<std::int32_t>(x) + ulps);
}

std::array<float, 256> map_of(Kind kind) {
  Floats const levels = floats_in(rows()[kind == Kind::unsigned8 ? "map_unsigned" : "map_signed"]);
  std::array<float, 256> map{};
  std::copy_n(levels.begin(), 256, map.begin());
  return map;
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

/// Float midpoints of the levels in order of value, where FP4's code 0 is below its code 8; a tie
/// goes to the lower one, NaN to the highest.
int midpoint_code(Kind kind, float t) {
  static constexpr std::array<int, 16> fp4_order{11, 10, 13, 12, 15, 14, 9, 0,
                                                 8,  1,  6,  7,  4,  5,  2, 3};
  auto const code = [&](std::size_t rank) {
    return kind == Kind::nf4 ? static_cast<int>(rank) : fp4_order[rank];
  };
  auto const level = [&](std::size_t rank) {
    if (kind == Kind::nf4) return oracle::from_bits(oracle::nf4_levels[rank]);
    float const m =
        oracle::from_bits(oracle::fp4_magnitudes[static_cast<std::size_t>(code(rank) % 8)]);
    return code(rank) < 8 ? m : -m;
  };
  std::size_t rank = 0;
  while (rank < 15 && !(t <= rounded(level(rank) + level(rank + 1)) / 2.f)) ++rank;
  return code(rank);
}

/// One of 65,536 bins holds -1 to 1; a bin has the code of its centre, found by f32 midpoints.
int bin_code(Kind kind, float t) {
  static auto const signed_map = map_of(Kind::dynamic8), unsigned_map = map_of(Kind::unsigned8);
  if (std::isnan(t)) return 0;
  auto const& map = kind == Kind::dynamic8 ? signed_map : unsigned_map;
  float const place = rounded(rounded(rounded(std::clamp(t, -1.f, 1.f) + 1.f) * 0.5f) * 65535.f);
  auto const bin = static_cast<int>(rounded(place + 0.5f));
  float const centre = rounded(-1.f + rounded(rounded(2.f * static_cast<float>(bin)) / 65535.f));
  int code = 0;
  while (code < 255 &&
         rounded(map[static_cast<std::size_t>(code)] + map[static_cast<std::size_t>(code) + 1]) *
                 0.5f <
             centre)
    ++code;
  return code;
}

/// The code of x by the back end's rule; ulps: how far off the IEEE quotient CUDA's approximation
/// of 1/absmax or 127/absmax is.
int their_code(Block const& b, float x, float absmax, int ulps) {
  static oracle::MapEncoder const encode_signed(map_of(Kind::dynamic8)),
      encode_unsigned(map_of(Kind::unsigned8));
  float const peak = b.kind == Kind::int8 ? 127.f : 1.f;
  if (!b.cuda && is_4_bit(b.kind)) {
    float const divisor = absmax < 1e-38f ? 1e-38f : absmax;
    return midpoint_code(b.kind, rounded(b.tail ? x / divisor : x * rounded(1.f / divisor)));
  }
  if (!b.cuda && b.kind != Kind::int8)
    return absmax == 0.f ? 0 : bin_code(b.kind, rounded(x * rounded(1.f / absmax)));
  float const quotient = neighbour(rounded(peak / absmax), ulps);
  float const t = b.cuda ? flushed(rounded(flushed(x) * flushed(quotient))) : rounded(x * quotient);
  switch (b.kind) {
    case Kind::nf4: return oracle::nf4_code(t);
    case Kind::fp4: return oracle::fp4_code(t);
    case Kind::dynamic8: return encode_signed(t);
    case Kind::unsigned8: return encode_unsigned(t);
    case Kind::int8: break;
  }
  return std::isnan(t) ? 0 : static_cast<int>(std::nearbyint(t)) & 0xFF;
}

// --- Reasons -------------------------------------------------------------------------------------

struct Difference {
  Block const& block;
  float x;
  int ours, theirs, ulps;
};
template <class D>
struct Reason {
  char const* name;
  bool (*applies)(D const&);
};

/// Of codes, in this order.
Reason<Difference> const code_reasons[]{
    {"NaN or infinity: qfmt's whole block is NaN", [](auto& d) { return !d.block.finite; }},
    {"CUDA: a block of zeros is 0/0, code 0",
     [](auto& d) { return d.block.cuda && d.block.absmax == 0.f; }},
    {"CUDA: a subnormal absmax is flushed, then 0/0",
     [](auto& d) { return d.block.cuda && subnormal(d.block.absmax); }},
    {"CUDA: 1/absmax is subnormal and flushed",
     [](auto& d) { return d.block.cuda && d.block.absmax > 0x1p126f; }},
    {"CUDA: a subnormal value is flushed", [](auto& d) { return d.block.cuda && subnormal(d.x); }},
    {"CUDA: approximate division", [](auto& d) { return d.block.cuda && d.ulps != 0; }},
    {"CPU: divides by 1e-38 at least",
     [](auto& d) { return is_4_bit(d.block.kind) && d.block.absmax < 1e-38f; }},
    {"CPU: FP4's sign of zero",
     [](auto& d) { return d.block.kind == Kind::fp4 && d.ours % 8 == 0 && d.theirs % 8 == 0; }},
    {"CPU: a short block divides",
     [](auto& d) {
       float const product = rounded(d.x * rounded(1.f / d.block.absmax));
       return d.block.tail && is_4_bit(d.block.kind) &&
              midpoint_code(d.block.kind, product) != d.theirs;
     }},
    {"CPU: float midpoints", [](auto& d) { return is_4_bit(d.block.kind); }},
    {"CPU: an 8-bit block of zeros holds code 0",
     [](auto& d) { return d.block.kind != Kind::int8 && d.block.absmax == 0.f; }},
    {"CPU: one of 65,536 bins", [](auto& d) { return d.block.kind != Kind::int8; }},
};

/// Of scales.
struct Scale {
  Block const& block;
};
Reason<Scale> const scale_reasons[]{
    {"NaN or infinity: qfmt's whole block is NaN", [](auto& d) { return !d.block.finite; }},
    {"CUDA: subnormals are flushed", [](auto& d) { return d.block.cuda; }},
    {"CPU: a short block has at least 1e-38", [](auto& d) { return d.block.tail; }},
};

/// Of decoded values.
struct Value {
  Kind kind;
  bool cuda, bf16;
  int code;
};
Reason<Value> const value_reasons[]{
    {"CUDA: a subnormal product is flushed", [](auto& d) { return d.cuda; }},
    {"CPU: FP4's code 8 is +0", [](auto& d) { return d.kind == Kind::fp4 && d.code == 8; }},
    {"CPU: the conversion to bf16 flushes", [](auto& d) { return d.bf16 && is_4_bit(d.kind); }},
};

struct Tally {
  std::map<std::string, int> counts;     // differences by what and why
  std::vector<std::string> unexplained;  // what the back end's rule does not give

  template <class D>
  void count(bool cuda, Kind kind, char const* what, std::span<Reason<D> const> reasons,
             D const& difference) {
    auto const r = std::find_if(reasons.begin(), reasons.end(),
                                [&](auto& reason) { return reason.applies(difference); });
    auto const name = label(cuda, kind, what);
    if (r == reasons.end()) unexplained.push_back(name);
    if (r != reasons.end()) ++counts[name + ": " + r->name];
  }
  void expect(bool holds, Block const& b, std::string const& what) {
    if (!holds) unexplained.push_back(label(b.cuda, b.kind, what.c_str()));
  }
  static std::string label(bool cuda, Kind kind, char const* what) {
    static constexpr std::array names{"nf4", "fp4", "dynamic8", "unsigned8", "int8"};
    return std::string(cuda ? "cuda " : "cpu ") + names[static_cast<std::size_t>(kind)] + " " +
           what;
  }
};

// --- Comparisons ---------------------------------------------------------------------------------

int code_at(Stored const& s, Kind kind, std::size_t i) {
  return is_4_bit(kind) ? s.codes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15 : s.codes[i];
}

/// One of bitsandbytes' blocks against its rule and against qfmt's; `first`: its first value.
void compare_block(Tally& tally, Block& b, std::size_t first, std::size_t index, Stored const& ours,
                   Stored const& theirs) {
  for (float const x : b.values) {
    b.finite = b.finite && std::isfinite(x);
    if (std::isfinite(x)) b.absmax = std::max(b.absmax, std::fabs(x));
  }
  float const absmax = theirs.absmax[index];
  tally.expect(b.finite != std::isnan(ours.absmax[index]), b, "qfmt's absmax");
  tally.expect(oracle::same(their_absmax(b), absmax), b, "absmax");
  if (!oracle::same(ours.absmax[index], absmax))
    tally.count<Scale>(b.cuda, b.kind, "absmax", scale_reasons, {b});

  // The unused half of a last byte: CUDA encodes a 0 of the block, the CPU a 0 of its own.
  std::size_t const n = b.values.size(), slots = is_4_bit(b.kind) ? n + n % 2 : n;
  auto const expected = [&](std::size_t i, int ulps) {
    return their_code(b, i < n ? b.values[i] : 0.f, i < n || b.cuda ? absmax : 1.f, ulps);
  };
  auto const rule_holds = [&](int ulps) {
    for (std::size_t i = 0; i < slots; ++i)
      if (expected(i, ulps) != code_at(theirs, b.kind, first + i)) return false;
    return true;
  };
  static constexpr std::array reciprocal_error{0, 1, -1, 2, -2};  // the last two: a quotient's
  auto const tries = reciprocal_error.begin() + (!b.cuda ? 1 : b.kind != Kind::int8 ? 3 : 5);
  auto const ulps = std::find_if(reciprocal_error.begin(), tries, rule_holds);
  tally.expect(ulps != tries, b, "codes");
  for (std::size_t i = 0; i < slots && ulps != tries; ++i) {
    Difference const d{b, i < n ? b.values[i] : 0.f, code_at(ours, b.kind, first + i),
                       code_at(theirs, b.kind, first + i), *ulps};
    if (d.ours != d.theirs) tally.count<Difference>(b.cuda, b.kind, "codes", code_reasons, d);
  }
}

void compare(Tally& tally, bool cuda, Kind kind, std::size_t length, Floats const& values,
             Stored const& ours, Stored const& theirs) {
  REQUIRE(ours.codes.size() == theirs.codes.size());
  REQUIRE(ours.absmax.size() == theirs.absmax.size());
  for (std::size_t first = 0; first < values.size(); first += length) {
    auto const n = std::min(length, values.size() - first);
    Block b{kind, cuda, n < length, std::span(values).subspan(first, n)};
    compare_block(tally, b, first, first / length, ours, theirs);
  }
}

float level_of(Kind kind, int code) {
  static auto const map = map_of(Kind::dynamic8);
  auto const c = static_cast<std::size_t>(code);
  if (kind == Kind::nf4) return oracle::from_bits(oracle::nf4_levels[c]);
  if (kind == Kind::dynamic8) return map[c];
  float const m = oracle::from_bits(oracle::fp4_magnitudes[c % 8]);
  return code < 8 ? m : -m;
}

/// What the back end decodes: CUDA flushes what is subnormal before rounding, the CPU has no -0 in
/// its FP4 levels and converts 4-bit values to bf16 by an instruction that flushes.
float their_value(Value const& v, float absmax) {
  float const level =
      !v.cuda && v.kind == Kind::fp4 && v.code == 8 ? 0.f : level_of(v.kind, v.code);
  float const product = oracle::rounded_product(level, absmax);
  bool const tiny = std::fabs(double{level} * double{absmax}) < double{least_normal};
  if (v.cuda && tiny) return std::copysign(0.f, product);
  return !v.cuda && v.bf16 && is_4_bit(v.kind) ? flushed(product) : product;
}

/// qfmt's decoding of bitsandbytes' bytes against bitsandbytes' own.
template <class F, int N, Element T>
void compare_decoded(Tally& tally, bool cuda, Stored const& stored, Bits const& theirs) {
  auto const ours = dequantize<Blocks<F, N>, T>(stored, theirs.size());
  auto const values = elements<T>(theirs);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    Value const v{kind_of<F>, cuda, std::same_as<T, bfloat16>, code_at(stored, kind_of<F>, i)};
    T const expected = from_float<T>(their_value(v, stored.absmax[i / N]));
    auto const same = [&](T x) { return same_value(x, values[i]); };
    if (!same(expected)) tally.unexplained.push_back(Tally::label(cuda, v.kind, "values"));
    if (!same(ours[i])) tally.count<Value>(cuda, v.kind, "values", value_reasons, v);
  }
}

/// Turns qfmt's decoded values into what the CPU decodes: FP4's code 8 has the other sign.
template <Element T>
void as_on_cpu(Tally& tally, Kind kind, Bytes const& codes, std::vector<T>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (Value const v{kind, false, false, code_at({codes, {}}, kind, i)};
        kind == Kind::fp4 && v.code == 8) {
      values[i] = from_float<T>(-to_float(values[i]));
      tally.count<Value>(false, kind, "values", value_reasons, v);
    }
}

// --- The table: how many bytes of each part differ, and why -------------------------------------

struct Row {
  char const* part;
  char const* what;
  int count;
};
constexpr Row table[]{
    {"", "", 0},
};

void check_counts(char const* part, Tally const& tally) {
  CHECK(tally.unexplained == std::vector<std::string>{});
  std::map<std::string, int> expected;
  for (Row const& row : table)
    if (row.part == std::string_view(part)) expected[row.what] = row.count;
  std::string got;
  for (auto const& [what, count] : tally.counts)
    got +=
        std::string("    {\"") + part + "\", \"" + what + "\", " + std::to_string(count) + "},\n";
  INFO(got);
  CHECK(tally.counts == expected);
}

Stored stored_in(Json const& row, bool cuda) {
  return {bytes_in(field(row, cuda, "codes")), floats_in(field(row, cuda, "absmax"))};
}

/// bitsandbytes' offset given: codes and scales; then the decoding of bitsandbytes' own bytes.
template <class F, Element T>
void compare_nested(Tally& tally, Json const& e, bool cuda) {
  using S = Scheme<Format<F>, DoubleQuant<true>>;
  auto values = inputs<T>(e["count"]);
  if (e["variant"] == "zero block")
    for (std::size_t const block : {7, 299}) std::fill_n(&values[64 * block], 64, T(0.f));
  auto const size = static_cast<std::int64_t>(values.size());
  host::BlockRange const all{0, size / 64};
  Stored const theirs{bytes_in(field(e, cuda, "codes")),
                      floats_in(field(e, cuda, "absmax_before"))};
  Stored their_scales{bytes_in(field(e, cuda, "absmax")),
                      floats_in(field(e, cuda, "nested_absmax"))};
  float offset = floats_in(field(e, cuda, "offset"))[0];

  Stored ours = theirs, scales = their_scales;
  auto const view = [&](Stored& codes, Stored& absmax) {
    QuantizedSpan<AbsmaxScheme> const inner{absmax.codes.data(), {absmax.absmax.data()}, all.last};
    return QuantizedSpan<S>{codes.codes.data(), {inner, &offset}, size};
  };
  REQUIRE(host::absmax_range(values, std::span(ours.absmax), view(ours, scales), all));
  REQUIRE(host::encode_range(values, ours.absmax, view(ours, scales), all));
  compare(tally, cuda, kind_of<F>, 64, widened(values), ours, theirs);
  Floats centred;
  for (float const a : ours.absmax) centred.push_back(rounded(a - offset));
  compare(tally, cuda, Kind::dynamic8, 256, centred, scales, their_scales);

  Stored stored = theirs;
  auto absmax = dequantize<AbsmaxScheme, float>(their_scales, their_scales.codes.size());
  for (float& a : absmax) a = rounded(a + offset);
  CHECK(absmax == floats_in(field(e, cuda, "absmax_after")));
  for (std::string const to : {"fp32", "fp16", "bf16"})
    with_element(to, [&]<class To>() {
      std::vector<To> decoded(values.size());
      REQUIRE(host::dequantize(view(stored, their_scales), decoded));
      if (!cuda) as_on_cpu(tally, kind_of<F>, stored.codes, decoded);
      CHECK(hash(decoded) == field(e, cuda, ("decoded_" + to + "_fnv").c_str()));
    });
}

/// The codes of a back end by its rule; one block's reciprocal may be off.
template <int N>
Stored by_rule(Kind kind, bool cuda, Floats const& values, Floats const& absmax,
               std::size_t block_off, int ulps) {
  Stored s{Bytes(values.size() / 2), absmax};
  for (std::size_t i = 0; i < values.size(); ++i) {
    Block const b{kind, cuda, false, {}};
    int const code = their_code(b, values[i], absmax[i / N], i / N == block_off ? ulps : 0);
    s.codes[i / 2] = static_cast<std::uint8_t>(s.codes[i / 2] | code << (i % 2 == 0 ? 4 : 0));
  }
  return s;
}

/// Only hashes of the decoded values are on file: the back end's rule, for CUDA with at most one
/// reciprocal an ulp off, has to give them.
template <class F, Element T, int N>
void compare_hashes(Tally& tally, std::string const& name) {
  auto const values = inputs<T>(4096);
  auto const ours = quantize<Blocks<F, N>>(values);
  for (bool const cuda : {true, false}) {
    auto const matches = [&](Stored const& stored, Tally& found) {
      bool all = true;
      for (std::string const to : {"fp32", "fp16", "bf16"})
        with_element(to, [&]<class To>() {
          auto const key = name + " " + std::to_string(N) + " " + to;
          auto decoded = dequantize<Blocks<F, N>, To>(stored, values.size());
          if (!cuda) as_on_cpu(found, kind_of<F>, stored.codes, decoded);
          auto const& fnv = rows()["decoded_fnv"];
          all =
              all && hash(decoded) == fnv[!cuda && fnv["cpu"].contains(key) ? "cpu" : "cuda"][key];
        });
      return all;
    };
    Tally found;
    auto theirs = by_rule<N>(kind_of<F>, cuda, widened(values), ours.absmax, 0, 0);
    bool explained = matches(theirs, found);
    for (std::size_t i = 0; cuda && !explained && i < 2 * ours.absmax.size(); ++i) {
      theirs =
          by_rule<N>(kind_of<F>, cuda, widened(values), ours.absmax, i / 2, i % 2 == 0 ? 1 : -1);
      explained = matches(theirs, found);
    }
    INFO(name << " block " << N << (cuda ? " cuda" : " cpu"));
    CHECK(explained);
    compare(tally, cuda, kind_of<F>, N, widened(values), ours, theirs);
    for (auto const& [what, count] : found.counts) tally.counts[what] += count;
  }
}

/// added: to the first code of each of bitsandbytes' blocks.
Tally compare_edges(int added) {
  Tally tally;
  for (Json const& e : rows()["edges"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["type"], [&]<class F>() {
        std::string const name = e["name"];
        auto const values =
            elements<T>(unhex(rows()["edge_values"][e["dtype"]][name], sizeof(T) * 2));
        auto const ours = quantize<Blocks<F, 64>>(values);
        for (bool const cuda : {true, false}) {
          auto theirs = stored_in(e, cuda);
          int const first = theirs.codes[0] + added;
          theirs.codes[0] = static_cast<std::uint8_t>(first);
          compare(tally, cuda, kind_of<F>, 64, widened(values), ours, theirs);
          if (added == 0 && e["cuda"].contains("decoded"))
            compare_decoded<F, 64, float>(tally, cuda, theirs, unhex(field(e, cuda, "decoded"), 8));
        }
      });
    });
  return tally;
}

}  // namespace

TEST_CASE("the 8-bit maps are bitsandbytes' bits", "[bnb]") {
  auto const same = [](Codebook<8> const& ours, char const* key) {
    auto const theirs = floats_in(rows()[key]);
    return std::equal(theirs.begin(), theirs.end(), ours.level, ours.level + 256, oracle::same);
  };
  CHECK(same(Dynamic8::codebook, "map_signed"));
  CHECK(same(UnsignedDynamic8::codebook, "map_unsigned"));
}

TEST_CASE("edge blocks: every difference has a reason", "[bnb]") {
  check_counts("edges", compare_edges(0));
}

TEST_CASE("a reason cannot be had for any code of an edge block", "[bnb]") {
  CHECK(compare_edges(0x50).unexplained.size() == 2 * rows()["edges"].size());
}

TEST_CASE("8-bit blocks: every difference has a reason", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["blockwise8"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["map"], [&]<class F>() {
        auto values = inputs<T>(4097);
        if (e["map"] == "unsigned")
          for (T& x : values) x = from_float<T>(std::fabs(to_float(x)));
        auto const ours = e["block"] == 256 ? quantize<Blocks<F, 256>>(values)
                                            : quantize<Blocks<F, 4096>>(values);
        for (bool const cuda : {true, false})
          compare(tally, cuda, kind_of<F>, e["block"], widened(values), ours, stored_in(e, cuda));
      });
    });
  check_counts("blockwise8", tally);
}

TEST_CASE("LLM.int8() rows: every difference has a reason", "[bnb]") {
  using S = Scheme<Format<Int8>, RowWise>;
  Tally tally;
  for (Json const& e : rows()["int8"]) {
    if (e["threshold"] != 0.0) continue;
    auto const values = elements<float16>(unhex(e["values"], 4));
    std::size_t const count = e["rows"], columns = e["columns"];
    Stored ours{Bytes(values.size()), Floats(count)};
    QuantizedSpan<S> const out{ours.codes.data(),
                               {ours.absmax.data(), static_cast<std::int64_t>(columns)},
                               static_cast<std::int64_t>(values.size())};
    REQUIRE(host::quantize(values, out, Nearest{}, {.propagate_non_finite = true}));
    for (bool const cuda : {true, false})
      compare(tally, cuda, Kind::int8, columns, widened(values), ours, stored_in(e, cuda));
  }
  check_counts("int8", tally);
}

TEST_CASE("nested scales under bitsandbytes' offset: every difference has a reason", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["nested"])
    for (bool const cuda : {true, false})
      with_element(e["dtype"], [&]<class T>() {
        with_format(e["type"], [&]<class F>() { compare_nested<F, T>(tally, e, cuda); });
      });
  check_counts("nested", tally);
}

TEST_CASE("every code times 64 scales: every difference has a reason", "[bnb]") {
  Tally tally;
  for (Json const& e : rows()["grids"])
    with_element(e["dtype"], [&]<class T>() {
      with_format(e["type"], [&]<class F>() {
        constexpr bool four = is_4_bit(kind_of<F>);
        Stored stored{{}, floats_in(rows()["grid_absmax"])};
        for (int i = 0; i < 64 * (four ? 8 : 256); ++i)
          stored.codes.push_back(static_cast<std::uint8_t>(four ? i % 8 * 0x22 + 1 : i));
        for (bool const cuda : {true, false})
          compare_decoded<F, four ? 16 : 256, T>(tally, cuda, stored,
                                                 unhex(field(e, cuda, "decoded"), sizeof(T) * 2));
      });
    });
  check_counts("grids", tally);
}

TEST_CASE("decoded inputs have bitsandbytes' hash, up to the reasons", "[bnb]") {
  Tally tally;
  for (std::string const type : {"nf4", "fp4"})
    for (std::string const dtype : {"fp32", "fp16", "bf16"})
      with_element(dtype, [&]<class T>() {
        with_format(type, [&]<class F>() {
          if constexpr (is_4_bit(kind_of<F>)) [&]<int... Ns>(std::integer_sequence<int, Ns...>) {
              (compare_hashes<F, T, Ns>(tally, type + " " + dtype), ...);
            }
          (std::integer_sequence<int, 32, 64, 128, 256, 512, 1024, 2048, 4096>{});
        });
      });
  check_counts("decoded", tally);
}
