// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/scheme/scheme.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"

#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <type_traits>

namespace {

using namespace qfmt;

template <class A, class B>
constexpr bool same = std::same_as<A, B>;

/// What every spelling of one scheme must say.
template <class S, class F, int block_size, bool row_wise, bool nested>
constexpr bool is = SchemeSpec<S>&& same<typename S::format, F>&& S::block_size ==
                    block_size&& S::is_row_wise == row_wise&& S::is_nested == nested;

template <class S, int... expected>
constexpr bool packs() {
  return ((S::values_per_pack == expected) && ...);
}

struct Other8 {
  static constexpr auto name = "other8";
  static constexpr int bits = 8;
  static constexpr float decode(int code, float absmax) { return float(code) * absmax; }
  static constexpr int encode(float, float) { return 0; }
};

}  // namespace

TEST_CASE("the order of policies does not matter", "[scheme]") {
  using S = Scheme<Format<NF4>, BlockSize<128>, DoubleQuant<true>>;
  STATIC_CHECK(same<S, Scheme<Format<NF4>, DoubleQuant<true>, BlockSize<128>>>);
  STATIC_CHECK(same<S, Scheme<BlockSize<128>, Format<NF4>, DoubleQuant<true>>>);
  STATIC_CHECK(same<S, Scheme<BlockSize<128>, DoubleQuant<true>, Format<NF4>>>);
  STATIC_CHECK(same<S, Scheme<DoubleQuant<true>, Format<NF4>, BlockSize<128>>>);
  STATIC_CHECK(same<S, Scheme<DoubleQuant<true>, BlockSize<128>, Format<NF4>>>);
  STATIC_CHECK(is<S, NF4, 128, false, true>);
  STATIC_CHECK(same<Scheme<RowWise, Format<Int8>>, Scheme<Format<Int8>, RowWise>>);
}

TEST_CASE("defaults are BlockSize<64> and DoubleQuant<false>, spelled or not", "[scheme]") {
  using S = Scheme<Format<FP4>>;
  STATIC_CHECK(is<S, FP4, 64, false, false>);
  STATIC_CHECK(same<S, Scheme<Format<FP4>, BlockSize<64>>>);
  STATIC_CHECK(same<S, Scheme<DoubleQuant<false>, Format<FP4>>>);
  STATIC_CHECK(same<S, Scheme<DoubleQuant<false>, BlockSize<64>, Format<FP4>>>);
  STATIC_CHECK(is<Scheme<Format<FP4>, DoubleQuant<true>>, FP4, 64, false, true>);
  STATIC_CHECK(is<Scheme<Format<Int8>, RowWise>, Int8, 0, true, false>);
  STATIC_CHECK(
      same<Scheme<Format<Int8>, RowWise>, Scheme<DoubleQuant<false>, Format<Int8>, RowWise>>);
  STATIC_CHECK(is<Scheme<Format<Other8>, RowWise>, Other8, 0, true, false>);
}

TEST_CASE("schemes that mean different things are different types", "[scheme]") {
  using S = Scheme<Format<NF4>>;
  STATIC_CHECK_FALSE(same<S, Scheme<Format<FP4>>>);
  STATIC_CHECK_FALSE(same<S, Scheme<Format<NF4>, BlockSize<32>>>);
  STATIC_CHECK_FALSE(same<S, Scheme<Format<NF4>, DoubleQuant<true>>>);
  STATIC_CHECK_FALSE(same<Scheme<Format<Int8>>, Scheme<Format<Int8>, RowWise>>);
}

TEST_CASE("block sizes are the powers of two from 16 to 4096", "[scheme]") {
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<16>>::block_size == 16);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<32>>::block_size == 32);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<256>>::block_size == 256);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<512>>::block_size == 512);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<1024>>::block_size == 1024);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<2048>>::block_size == 2048);
  STATIC_CHECK(Scheme<Format<NF4>, BlockSize<4096>>::block_size == 4096);
}

TEST_CASE("a pack is 16 bytes or one block, whichever is less", "[scheme]") {
  STATIC_CHECK(packs<Scheme<Format<NF4>, BlockSize<16>>, 16>());
  STATIC_CHECK(packs<Scheme<Format<NF4>, BlockSize<32>>, 32>());
  STATIC_CHECK(packs<Scheme<Format<NF4>, BlockSize<64>>, 32>());
  STATIC_CHECK(packs<Scheme<Format<NF4>, BlockSize<4096>>, 32>());
  STATIC_CHECK(packs<Scheme<Format<Int8>, BlockSize<16>>, 16>());
  STATIC_CHECK(packs<Scheme<Format<Int8>, BlockSize<64>>, 16>());
  STATIC_CHECK(packs<Scheme<Format<Int8>, RowWise>, 16>());
  STATIC_CHECK(packs<Scheme<Format<Dynamic8>, BlockSize<256>>, 16>());
}

TEST_CASE("bits are those of the format", "[scheme]") {
  STATIC_CHECK(Scheme<Format<NF4>>::bits == 4);
  STATIC_CHECK(Scheme<Format<FP4>>::bits == 4);
  STATIC_CHECK(Scheme<Format<Int8>>::bits == 8);
  STATIC_CHECK(Scheme<Format<Dynamic8>>::bits == 8);
  STATIC_CHECK(Scheme<Format<UnsignedDynamic8>>::bits == 8);
}

TEST_CASE("concepts tell schemes, const schemes and policies apart", "[scheme]") {
  using S = Scheme<Format<NF4>>;
  STATIC_CHECK(SchemeSpec<S>);
  STATIC_CHECK(SchemeSpec<S const>);
  STATIC_CHECK_FALSE(SchemeSpec<S&>);
  STATIC_CHECK_FALSE(SchemeSpec<NF4>);
  STATIC_CHECK_FALSE(SchemeSpec<Format<NF4>>);
  STATIC_CHECK_FALSE(SchemeSpec<void>);
  STATIC_CHECK(MutableScheme<S>);
  STATIC_CHECK_FALSE(MutableScheme<S const>);
  STATIC_CHECK(Policy<Format<NF4>>);
  STATIC_CHECK(Policy<BlockSize<16>>);
  STATIC_CHECK(Policy<RowWise>);
  STATIC_CHECK(Policy<DoubleQuant<false>>);
  STATIC_CHECK_FALSE(Policy<NF4>);
  STATIC_CHECK_FALSE(Policy<int>);
}

TEST_CASE("nested scales are Dynamic8 in blocks of 256", "[scheme]") {
  STATIC_CHECK(same<AbsmaxScheme, Scheme<Format<Dynamic8>, BlockSize<256>>>);
}
