// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The scale axis admits a scale type that the library does not know: one E8M0 byte per block, a
// power of two, as the OCP microscaling formats keep it.
#include "qfmt/qfmt.hpp"

#include <cstdint>
#include <type_traits>
#include <vector>

namespace mine {

template <qfmt::SchemeSpec S>
struct E8M0View {
  qfmt::same_const_t<S, std::uint8_t>* exponent = nullptr;  // (blocks)

  template <class C>
  requires qfmt::AddsConst<S, C> QFMT_HD constexpr operator E8M0View<C>() const {
    return {exponent};
  }
};

/// The policy: its axis, and the view that its schemes carry.
struct E8M0 {
  using policy_axis = qfmt::axis::scale;
  template <class S>
  using scales = E8M0View<S>;
};

/// Found by argument-dependent lookup from the library's codecs.
template <qfmt::SchemeSpec S>
QFMT_HD constexpr float scale_at(E8M0View<S> const& scales, std::int64_t block) {
  std::uint32_t const e = scales.exponent[block];
  return qfmt::float_from_bits(e == 255 ? qfmt::canonical_nan_bits : e == 0 ? 1u << 22 : e << 23);
}

/// Likewise from the library's checks.
template <qfmt::SchemeSpec S>
QFMT_HD constexpr qfmt::Errc check_scales(E8M0View<S> const& scales, std::int64_t) {
  return scales.exponent == nullptr ? qfmt::Errc::null_pointer : qfmt::Errc::ok;
}

}  // namespace mine

namespace {

using namespace qfmt;

using S = Scheme<Format<NF4>, BlockSize<16>, mine::E8M0>;

static_assert(std::is_same_v<S, Scheme<mine::E8M0, BlockSize<16>, Format<NF4>>>);
static_assert(std::is_same_v<S, Scheme<mine::E8M0, Format<NF4>, BlockSize<16>>>);
static_assert(std::is_same_v<S, Scheme<BlockSize<16>, mine::E8M0, Format<NF4>>>);
static_assert(!std::is_same_v<S, Scheme<BlockSize<16>, Format<NF4>>>);
static_assert(SchemeSpec<S> && !S::is_nested && !S::is_row_wise && S::block_size == 16);
static_assert(std::is_same_v<S::scale, mine::E8M0>);

static_assert(std::is_same_v<ScalesOf<S>, mine::E8M0View<S>>);
static_assert(std::is_same_v<decltype(QuantizedSpan<S const>::scales), mine::E8M0View<S const>>);
static_assert(std::is_convertible_v<QuantizedSpan<S>, QuantizedSpan<S const>>);
static_assert(std::is_convertible_v<QuantizedMatrix<S>, QuantizedMatrix<S const>>);
static_assert(!std::is_convertible_v<QuantizedSpan<S const>, QuantizedSpan<S>>);
static_assert(std::is_trivially_copyable_v<QuantizedSpan<S>> &&
              std::is_aggregate_v<QuantizedSpan<S>>);

/// Value i of 20 values whose codes are i mod 16, scales 2^3 and 2^-2.
constexpr float value(std::int64_t i) {
  std::uint8_t codes[10]{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0xF7};
  std::uint8_t exponents[2]{127 + 3, 127 - 2};
  QuantizedSpan<S> const view{codes, {exponents}, 20};
  QuantizedSpan<S const> const read_only = view;
  float const result = decode_at(read_only, i);
  return decode_at(view, i) == result ? result : -999.f;
}
static_assert(value(0) == -8.f && value(15) == 8.f && value(7) == 0.f);
static_assert(value(1) == 8.f * NF4::codebook.level[1]);
static_assert(value(16) == -.25f && value(18) == .25f && value(19) == 0.f);

/// The block form reads scales through the same door.
constexpr bool block_form() {
  std::uint8_t codes[10]{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0xF7};
  std::uint8_t exponents[2]{127 + 3, 127 - 2};
  QuantizedSpan<S const> const view{codes, {exponents}, 20};
  float out[20]{};
  decode_block(view, 0, 0, 16, out);
  decode_block(view, 1, 16, 4, out + 16);
  for (int i = 0; i < 20; ++i)
    if (out[i] != value(i)) return false;
  return true;
}
static_assert(block_form());

/// And the host operations that decode.
[[maybe_unused]] Status decode_on_host(QuantizedSpan<S const> view, std::vector<float>& out) {
  return host::dequantize(view, out);
}
static_assert(check(QuantizedSpan<S>{nullptr, {}, 0}) == Errc::ok);
static_assert(check(QuantizedSpan<S>{nullptr, {}, 1}) == Errc::null_pointer);

/// Formula formats, too.
using Rounded = Scheme<mine::E8M0, Format<Int8>>;
constexpr float int8_value() {
  std::uint8_t code = 127;
  std::uint8_t exponent = 127 + 1;
  return decode_at(QuantizedSpan<Rounded>{&code, {&exponent}, 1}, 0);
}
static_assert(int8_value() == Int8::decode(127, 2.f) && int8_value() > 1.99f);

}  // namespace
