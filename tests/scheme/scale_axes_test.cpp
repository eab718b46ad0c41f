// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The axes of the scale: one type for each meaning, and every spelling that there was before them.
#include "qfmt/format/formats.hpp"
#include "qfmt/layout/placement.hpp"
#include "qfmt/scheme/scheme_list.hpp"

#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <type_traits>

namespace {

using namespace qfmt;

template <class A, class B>
constexpr bool same = std::same_as<A, B>;

}  // namespace

TEST_CASE("f32 scales are DoubleQuant<false>, however they are spelled", "[scheme]") {
  STATIC_CHECK(same<Scheme<Format<NF4>, ScaleType<float>>, Scheme<Format<NF4>>>);
  STATIC_CHECK(same<Scheme<Format<NF4>, ScaleType<float>, TensorScale<false>, ZeroPoint<false>>,
                    BasicScheme<NF4, BlockSize<64>, DoubleQuant<false>>>);
  STATIC_CHECK(same<Scheme<Format<NF4>, DoubleQuant<true>>,
                    BasicScheme<NF4, BlockSize<64>, DoubleQuant<true>>>);
  STATIC_CHECK_FALSE(Scheme<Format<NF4>>::is_typed);
}

TEST_CASE("the order of the scale's policies does not matter", "[scheme]") {
  using S = Scheme<Format<NF4>, BlockSize<32>, ScaleType<E4M3>, TensorScale<true>>;
  STATIC_CHECK(same<S, Scheme<TensorScale<true>, BlockSize<32>, Format<NF4>, ScaleType<E4M3>>>);
  STATIC_CHECK((S::is_typed && S::has_tensor_scale && !S::has_zero_point && !S::is_nested));
  STATIC_CHECK_FALSE(same<S, Scheme<Format<NF4>, BlockSize<32>, ScaleType<E4M3>>>);
  STATIC_CHECK_FALSE(
      same<Scheme<Format<NF4>, ScaleType<float16>>, Scheme<Format<NF4>, ScaleType<bfloat16>>>);
}

TEST_CASE("a format says what its scheme is where nothing else is said", "[scheme]") {
  STATIC_CHECK(
      same<Scheme<Format<SymmetricInt4>>,
           BasicScheme<SymmetricInt4, BlockSize<128>, TypedScale<bfloat16, false, false>>>);
  STATIC_CHECK(same<Scheme<Format<SymmetricInt4>, DoubleQuant<true>>,
                    BasicScheme<SymmetricInt4, BlockSize<128>, DoubleQuant<true>>>);
  STATIC_CHECK(same<Scheme<Format<NVFP4>, ScaleType<E8M0>>,
                    BasicScheme<NVFP4, BlockSize<16>, TypedScale<E8M0, false, false>>>);
  STATIC_CHECK(
      same<Scheme<Format<FP8E4M3>, RowWise>, BasicScheme<FP8E4M3, RowWise, DoubleQuant<false>>>);
}

TEST_CASE("views of typed scales are kernel parameters and become const", "[scheme]") {
  using S = Scheme<Format<AsymmetricInt4>>;
  STATIC_CHECK(std::is_trivially_copyable_v<QuantizedSpan<S>>);
  STATIC_CHECK(std::is_aggregate_v<QuantizedSpan<S>>);
  STATIC_CHECK(std::is_convertible_v<QuantizedSpan<S>, QuantizedSpan<S const>>);
  STATIC_CHECK_FALSE(std::is_convertible_v<QuantizedSpan<S const>, QuantizedSpan<S>>);
  STATIC_CHECK(same<decltype(QuantizedSpan<S const>::scales.zero_point), std::uint8_t const*>);
}

TEST_CASE("descriptions tell schemes apart by their scales", "[scheme]") {
  constexpr auto nv = desc_of<Scheme<Format<NVFP4>>>;
  STATIC_CHECK((nv.scale_type == "e4m3" && nv.tensor_scale && !nv.zero_point));
  STATIC_CHECK(desc_of<Scheme<Format<AsymmetricInt4>>>.zero_point);
  STATIC_CHECK(desc_of<Scheme<Format<NF4>>>.scale_type == "f32");
  STATIC_CHECK_FALSE(desc_of<Scheme<Format<NF4>, ScaleType<float16>>> ==
                     desc_of<Scheme<Format<NF4>>>);
  STATIC_CHECK_FALSE(desc_of<Scheme<Format<NF4>, ScaleType<float16>>> ==
                     desc_of<Scheme<Format<NF4>, ScaleType<bfloat16>>>);
}

TEST_CASE("the pieces of a typed tensor lie apart, each aligned", "[scheme]") {
  using S = Scheme<Format<AsymmetricInt4>>;
  constexpr Placement p = placement<S>(2, 1000);  // 16 blocks
  STATIC_CHECK((p.scales == 1024 && p.zero_point == 1152 && p.bytes == 1168));
  STATIC_CHECK(p.payload == 1000 + 32 + 16);
  constexpr Placement nv = placement<Scheme<Format<NVFP4>>>(1, 160);
  STATIC_CHECK((nv.scales == 128 && nv.tensor_scale == 256 && nv.payload == 80 + 10 + 4));
  alignas(128) std::uint8_t storage[1168];
  auto const m = place<S>(storage, 2, 1000);
  CHECK(reinterpret_cast<std::uint8_t*>(m.values.scales.scale) == storage + 1024);
  CHECK(m.values.scales.zero_point == storage + 1152);
  CHECK(m.values.scales.tensor_scale == nullptr);
}
