// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Formats of one's own, each in under ten lines, serve every codec.
#include "qfmt/qfmt.hpp"

#include <cstdint>
#include <vector>

namespace custom_formats {

using namespace qfmt;

struct Sixteen {
  static constexpr auto name = "sixteen";
  static constexpr Codebook codebook{-1.f,  -.75f, -.5f,  -.375f, -.25f, -.125f, -.0625f, 0.f,
                                     .125f, .25f,  .375f, .5f,    .625f, .75f,   .875f,   1.f};
};
static_assert(round_trips<Sixteen>());
static_assert(bits_of<Sixteen> == 4 && Sixteen::codebook.count == 16);
static_assert(encode<Sixteen>(0.f) == 7 && zero_code<Sixteen> == 7);
static_assert(encode<Sixteen>(-1.f) == 0 && encode<Sixteen>(1.f) == 15);
static_assert(encode<Sixteen>(.0625f) == 7, "a tie goes to the lower level");
static_assert(encode<Sixteen>(0x1.000002p-4f) == 8, "one float above the tie does not");
static_assert(encode<Sixteen>(-1.5f, 2.f) == 1 && decode<Sixteen>(1, 2.f) == -1.5f);

struct Eight {
  static constexpr auto name = "eight";
  static constexpr Codebook codebook{-1.f, -.5f, -.2f, 0.f, .2f, .5f, .7f, 1.f};
};
static_assert(round_trips<Eight>());
static_assert(bits_of<Eight> == 4 && Eight::codebook.count == 8, "the low codes of 4 bits");
static_assert(encode<Eight>(100.f) == 7 && encode<Eight>(-100.f) == 0);
static_assert(encode<Eight>(-.25f) == 2 && decode<Eight>(2, 10.f) == -2.f);
static_assert(!is_finite(Eight::codebook.level[8]), "a code that is never written shows");

/// Codes in another order than levels: sign and magnitude.
struct SignMagnitude {
  static constexpr auto name = "sign_magnitude";
  static constexpr Codebook codebook{.0f, .25f, .5f, 1.f, -.125f, -.25f, -.5f, -1.f};
};
static_assert(round_trips<SignMagnitude>());
static_assert(encode<SignMagnitude>(-1.f) == 7 && encode<SignMagnitude>(.5f) == 2);
static_assert(encode<SignMagnitude>(.375f) == 1 && encode<SignMagnitude>(-.375f) == 6);

struct Levels17 {
  static constexpr auto name = "levels17";
  static constexpr Codebook codebook{-8.f / 8, -7.f / 8, -6.f / 8, -5.f / 8, -4.f / 8, -3.f / 8,
                                     -2.f / 8, -1.f / 8, 0.f / 8,  1.f / 8,  2.f / 8,  3.f / 8,
                                     4.f / 8,  5.f / 8,  6.f / 8,  7.f / 8,  8.f / 8};
};
static_assert(round_trips<Levels17>() && bits_of<Levels17> == 8, "17 levels take 8 bits");
static_assert(encode<Levels17>(.3f) == 10 && decode<Levels17>(10, 4.f) == 1.f);

struct Binary {
  static constexpr auto name = "binary";
  static constexpr Codebook codebook{-1.f, 1.f};
};
static_assert(round_trips<Binary>() && encode<Binary>(.5f) == 1 && encode<Binary>(-.5f) == 0);

/// A formula with the scale as argument: 4-bit integers, excess 8. QFMT_HD, so that
/// kernels can call it; a codebook needs nothing.
struct Int4 {
  static constexpr auto name = "int4";
  static constexpr int bits = 4;
  QFMT_HD static constexpr float decode(std::uint8_t code, float absmax) {
    return static_cast<float>(code - 8) * (absmax / 7.f);
  }
  QFMT_HD static constexpr std::uint8_t encode(float x, float absmax) {
    return static_cast<std::uint8_t>(static_cast<int>(x / absmax * 7.f + 8.5f));
  }
};
static_assert(FormulaFormat<Int4> && !CodebookFormat<Int4> && !ScaledFormulaFormat<Int4>);
static_assert(encode<Int4>(2.f, 2.f) == 15 && encode<Int4>(-2.f, 2.f) == 1);
static_assert(encode<Int4>(0.f, 1.f) == 8 && zero_code<Int4> == 8);
static_assert(decode<Int4>(15, 14.f) == 14.f && decode<Int4>(1, 7.f) == -7.f);

template <class F>
using Of = Scheme<Format<F>, BlockSize<16>>;

static_assert(Of<Eight>::bits == 4 && Of<Levels17>::bits == 8 && Of<Int4>::bits == 4);
static_assert(round_trips<NF4>() && round_trips<FP4>() && round_trips<Dynamic8>());
static_assert(round_trips<UnsignedDynamic8>());

/// Encodes 5 values as a block and decodes them one by one, at compile time.
template <class F>
constexpr bool block_comes_back(float const (&values)[5]) {
  std::uint8_t codes[5]{};
  float absmax = block_absmax(values, 5);
  encode_block<F>(values, 5, absmax, codes);
  QuantizedSpan<Of<F> const> const view{codes, {&absmax}, 5};
  for (int i = 0; i < 5; ++i)
    if (decode_at(view, i) != values[i]) return false;
  return true;
}
static_assert(block_comes_back<Sixteen>({4.f, -3.f, 0.f, -.25f, 2.5f}));
static_assert(block_comes_back<Eight>({4.f, -2.f, 0.f, -4.f, 2.f}));
static_assert(block_comes_back<SignMagnitude>({4.f, -2.f, 0.f, -4.f, 1.f}));
static_assert(block_comes_back<Levels17>({4.f, -3.5f, 0.f, -4.f, .5f}));
static_assert(block_comes_back<Binary>({4.f, -4.f, 4.f, -4.f, 4.f}));
static_assert(block_comes_back<Int4>({7.f, -6.f, 0.f, -7.f, 1.f}));
static_assert(!block_comes_back<Eight>({4.f, -1.9f, 0.f, -4.f, 2.f}), "a value between levels");

template <class F>
Status host_round_trip() {
  std::vector<float> values(33);
  QuantizedTensor<Of<F>> tensor(33);
  QuantizedTensor<Scheme<DoubleQuant<true>, Format<F>>> nested(33);
  if (Status const s = host::quantize(values, tensor.span()); !s) return s;
  if (Status const s = host::quantize(values, nested.span()); !s) return s;
  if (Status const s = host::dequantize(nested.span(), values); !s) return s;
  return host::dequantize(tensor.span(), values);
}

bool round_trip_all() {
  return host_round_trip<Sixteen>() && host_round_trip<Eight>() && host_round_trip<Binary>() &&
         host_round_trip<SignMagnitude>() && host_round_trip<Levels17>() && host_round_trip<Int4>();
}

}  // namespace custom_formats
