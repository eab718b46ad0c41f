// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the concepts hold of, and that every view is a trivially copyable aggregate.
#include "qfmt/qfmt.hpp"

#if __has_include(<cuda_fp16.h>)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace concepts {

using namespace qfmt;

// Elements. The CUDA types are elements where they are declared only, too.
static_assert(Element<float> && Element<float16> && Element<bfloat16>);
static_assert(Element<::__half> && Element<::__nv_bfloat16>);
static_assert(!Element<double> && !Element<int> && !Element<std::uint16_t> && !Element<void>);
static_assert(!Element<float const> && !Element<float&> && !Element<float*>);
static_assert(Float16Like<float16> && Float16Like<::__half> && !Float16Like<bfloat16>);
static_assert(Bfloat16Like<bfloat16> && Bfloat16Like<::__nv_bfloat16> && !Bfloat16Like<float>);
static_assert(sizeof(float16) == 2 && sizeof(bfloat16) == 2 && alignof(float16) == 2);
static_assert(std::is_trivially_copyable_v<float16> && std::is_trivial_v<bfloat16>);
#if __has_include(<cuda_fp16.h>)
static_assert(sizeof(__half) == sizeof(float16) && alignof(__half) == alignof(float16));
static_assert(sizeof(__nv_bfloat16) == 2 && alignof(__nv_bfloat16) == alignof(bfloat16));
#endif

// Formats.
struct NoName {
  static constexpr Codebook codebook{-1.f, 1.f};
};
struct NoCodebook {
  static constexpr auto name = "none";
};
struct NoEncode {
  static constexpr auto name = "no encode";
  static constexpr int bits = 8;
  static constexpr float decode(std::uint8_t, float) { return 0.f; }
};
struct NoDecode {
  static constexpr auto name = "no decode";
  static constexpr int bits = 8;
  static constexpr std::uint8_t encode(float, float) { return 0; }
};
struct SixBits : NoDecode {
  static constexpr int bits = 6;
  static constexpr float decode(std::uint8_t, float) { return 0.f; }
};
struct Whole : NoDecode {
  static constexpr float decode(std::uint8_t, float) { return 0.f; }
};
static_assert(CodebookFormat<NF4> && CodebookFormat<FP4> && CodebookFormat<Dynamic8>);
static_assert(CodebookFormat<UnsignedDynamic8> && !CodebookFormat<Int8>);
static_assert(FormulaFormat<Int8> && ScaledFormulaFormat<Int8> && !FormulaFormat<NF4>);
static_assert(FormulaFormat<Whole> && !ScaledFormulaFormat<Whole>);
static_assert(FormatSpec<NF4> && FormatSpec<FP4> && FormatSpec<Int8> && FormatSpec<Dynamic8>);
static_assert(!FormatSpec<NoName> && !FormatSpec<NoCodebook> && !FormatSpec<int>);
static_assert(!FormatSpec<NoEncode> && !FormatSpec<NoDecode> && !FormatSpec<SixBits>);
static_assert(!FormatSpec<Format<NF4>> && !FormatSpec<Scheme<Format<NF4>>>);
static_assert(StoresLevels<Dynamic8> && StoresLevels<UnsignedDynamic8>);
static_assert(!StoresLevels<NF4> && !StoresLevels<FP4> && !StoresLevels<Int8>);

// Schemes.
using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Map = Scheme<Format<Dynamic8>>;
using MapRows = Scheme<Format<Dynamic8>, RowWise>;
static_assert(SchemeSpec<Plain> && SchemeSpec<Plain const> && SchemeSpec<Nested const>);
static_assert(SchemeSpec<Rows> && SchemeSpec<Map> && SchemeSpec<AbsmaxScheme>);
static_assert(!SchemeSpec<NF4> && !SchemeSpec<Format<NF4>> && !SchemeSpec<int>);
static_assert(!SchemeSpec<Plain volatile> && !SchemeSpec<Plain&> && !SchemeSpec<void>);
static_assert(MutableScheme<Plain> && MutableScheme<Rows>);
static_assert(!MutableScheme<Plain const> && !MutableScheme<NF4>);
static_assert(Policy<Format<NF4>> && Policy<BlockSize<64>> && Policy<RowWise>);
static_assert(Policy<DoubleQuant<true>> && !Policy<NF4> && !Policy<Plain> && !Policy<int>);

static_assert(AddsConst<Plain, Plain const> && !AddsConst<Plain const, Plain const>);
static_assert(!AddsConst<Plain, Plain> && !AddsConst<Plain const, Plain>);
static_assert(!AddsConst<Plain, Nested const>);

// Views.
template <class V>
constexpr bool is_plain_data = std::is_trivially_copyable_v<V>&& std::is_aggregate_v<V>&&
    std::is_trivially_destructible_v<V>&& std::is_standard_layout_v<V>;

template <class S>
constexpr bool views_are_plain_data = is_plain_data<QuantizedSpan<S>>&&
    is_plain_data<QuantizedMatrix<S>>&& is_plain_data<ScalesOf<S>>;

template <class S>
constexpr bool both = views_are_plain_data<S>&& views_are_plain_data<S const>;

static_assert(both<Plain> && both<Nested> && both<Rows> && both<Map> && both<MapRows>);
static_assert(both<AbsmaxScheme> && both<Scheme<Format<UnsignedDynamic8>, DoubleQuant<true>>>);
static_assert(both<Scheme<Format<FP4>, BlockSize<16>>> &&
              both<Scheme<Format<Int8>, BlockSize<4096>, DoubleQuant<true>>>);

template <class S>
constexpr bool const_view_is_another_type =
    !std::is_same_v<QuantizedSpan<S>, QuantizedSpan<S const>> &&
    sizeof(QuantizedSpan<S>) == sizeof(QuantizedSpan<S const>) &&
    sizeof(QuantizedMatrix<S>) == sizeof(QuantizedMatrix<S const>);
static_assert(const_view_is_another_type<Plain> && const_view_is_another_type<Nested> &&
              const_view_is_another_type<Rows> && const_view_is_another_type<Map>);

// A view costs the pointers and counts it needs: what a format does not store takes no room.
static_assert(sizeof(QuantizedSpan<Plain>) == 3 * 8 && sizeof(QuantizedSpan<Map>) == 4 * 8);
static_assert(sizeof(QuantizedSpan<Rows>) == 4 * 8 && sizeof(QuantizedSpan<Nested>) == 7 * 8);

static_assert(std::is_same_v<decltype(QuantizedSpan<Plain>::codes), std::uint8_t*>);
static_assert(std::is_same_v<decltype(QuantizedSpan<Plain const>::codes), std::uint8_t const*>);
static_assert(std::is_same_v<ScalesOf<Plain>, PlainScales<Plain>>);
static_assert(std::is_same_v<ScalesOf<Nested const>, NestedScales<Nested const>>);
static_assert(std::is_same_v<ScalesOf<Rows>, RowScales<Rows>>);
static_assert(std::is_same_v<decltype(PlainScales<Plain const>::absmax), float const*>);
static_assert(std::is_same_v<decltype(NestedScales<Nested const>::offset), float const*>);
static_assert(std::is_same_v<decltype(NestedScales<Nested const>::absmax),
                             QuantizedSpan<AbsmaxScheme const>>);
static_assert(std::is_same_v<decltype(PlainScales<Map>::levels), float const*>);

// What a call reports and takes.
static_assert(std::is_trivially_copyable_v<Status> && std::is_aggregate_v<Status>);
static_assert(static_cast<bool>(Status{}) && !static_cast<bool>(Status{Errc::misaligned}));
static_assert(!std::is_convertible_v<Status, bool>, "explicit only");
static_assert(is_plain_data<Workspace> && is_plain_data<QuantizeOptions>);
static_assert(is_plain_data<Placement> && std::is_trivially_copyable_v<SchemeDesc>);
static_assert(EncoderFor<Nearest, NF4, float> && EncoderFor<Nearest, Int8, bfloat16>);
static_assert(!EncoderFor<NF4, NF4, float> && !EncoderFor<int, NF4, float>);

// Ranges of the host's functions.
using host::ElementRange;
using host::OutputElementRange;
static_assert(ElementRange<std::vector<float>&> && ElementRange<std::vector<float16> const&>);
static_assert(ElementRange<float (&)[3]> && ElementRange<std::span<bfloat16 const, 3>>);
static_assert(!ElementRange<std::vector<double>&> && !ElementRange<std::string&>);
static_assert(!ElementRange<float*> && !ElementRange<float>);
static_assert(OutputElementRange<std::vector<float>&> && OutputElementRange<float (&)[3]>);
static_assert(OutputElementRange<std::span<float>> && OutputElementRange<std::span<float> const&>);
static_assert(!OutputElementRange<std::vector<float> const&>);
static_assert(!OutputElementRange<std::span<float const>>);

}  // namespace concepts
