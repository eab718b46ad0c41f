// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory between two pages that fault, and comparisons of a SIMD level with the scalar one.
#pragma once

#include "qfmt/qfmt.hpp"
#include "support/normal_values.hpp"

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <unistd.h>
#include <vector>

#include <sys/mman.h>

namespace simd_test {

using namespace qfmt;

/// 15 levels out of order, two of them close, one beyond the largest value.
struct Unordered {
  static constexpr auto name = "unordered";
  static constexpr Codebook codebook{0.f, 1.f,   -1.f,  .5f,  -.5f, .25f, -.25f, .75f,
                                     .1f, -.75f, .875f, -.1f, .3f,  1.5f, -.9f};
};
static_assert(host::simd::encodes<Unordered> && !host::simd::points_of<Unordered>.in_order);

/// Decision points nearer to each other than a bin of AVX-512's encoder.
struct Crowded {
  static constexpr auto name = "crowded";
  static constexpr Codebook codebook{-1.f, -.5f, 0.f, .01f, .02f, .03f, .04f, 1.f};
};

using Nf4 = Scheme<Format<NF4>>;
using Nf4Short = Scheme<Format<NF4>, BlockSize<16>>;
using Nf4Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Fp4 = Scheme<Format<FP4>, BlockSize<32>>;
using Fp4Nested = Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>;
using Own = Scheme<Format<Unordered>, BlockSize<128>>;
using Close = Scheme<Format<Crowded>, BlockSize<64>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Int8Blocks = Scheme<Format<Int8>, BlockSize<4096>>;
using Map8 = Scheme<Format<Dynamic8>, BlockSize<256>>;
using UnsignedMap8 = Scheme<Format<UnsignedDynamic8>, BlockSize<256>>;

/// The levels above scalar that this CPU has.
inline std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> found;
  for (auto const level :
       {SimdLevel::neon, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::avx512_bf16})
    if (host::simd_level(level) == level) found.push_back(level);
  return found;
}

/// Up to `room` bytes that end, or begin, at a page that may not be touched.
class Fenced {
 public:
  explicit Fenced(std::size_t room) {
    std::size_t const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    inside_ = (room + page - 1) / page * page;
    all_ = inside_ + 2 * page;
    void* const p = mmap(nullptr, all_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    base_ = static_cast<unsigned char*>(p);
    first_ = base_ + page;
    REQUIRE(mprotect(first_, inside_, PROT_READ | PROT_WRITE) == 0);
  }
  ~Fenced() { munmap(base_, all_); }
  Fenced(Fenced const&) = delete;

  unsigned char* at_end(std::size_t bytes) const { return first_ + inside_ - bytes; }
  unsigned char* at_begin(std::size_t offset = 0) const { return first_ + offset; }

 private:
  unsigned char* base_;
  unsigned char* first_;
  std::size_t inside_, all_;
};

/// Equal bits, where floats may hold different NaNs.
template <class T>
bool same(T const* a, T const* b, std::size_t n) {
  if (n == 0 || std::memcmp(a, b, n * sizeof(T)) == 0) return true;
  if constexpr (sizeof(T) != 4) return false;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t x, y;
    std::memcpy(&x, a + i, 4);
    std::memcpy(&y, b + i, 4);
    bool const nan = (x & 0x7FFFFFFFu) > 0x7F800000u && (y & 0x7FFFFFFFu) > 0x7F800000u;
    if (x != y && !nan) return false;
  }
  return true;
}

/// The pieces of a tensor wherever they may lie.
template <class S>
QuantizedSpan<S> view(unsigned char* codes, float* scales, unsigned char* inner, float* offset,
                      std::int64_t size) {
  QuantizedSpan<S> v;
  v.codes = codes;
  v.size = size;
  if constexpr (S::is_nested) {
    v.scales.absmax = {inner, {scales}, block_count<S>(size)};
    v.scales.offset = offset;
  } else {
    v.scales.absmax = scales;
    if constexpr (S::is_row_wise) v.scales.row_length = size;
  }
  return v;
}

/// A tensor in vectors.
template <class S>
struct Tensor {
  std::vector<unsigned char> codes, inner;
  std::vector<float> scales;
  float offset = -1.f;
  std::int64_t size;

  explicit Tensor(std::int64_t n)
      : codes(static_cast<std::size_t>(codes_bytes<S>(n)), 0xA5),
        inner(static_cast<std::size_t>(block_count<S>(n, std::max<std::int64_t>(1, n))), 0xA5),
        scales(inner.size(), -1.f),
        size(n) {}
  QuantizedSpan<S> span() {
    return view<S>(codes.data(), scales.data(), inner.data(), &offset, size);
  }
  bool operator==(Tensor const& o) const {
    return codes == o.codes && (!S::is_nested || inner == o.inner) &&
           same(scales.data(), o.scales.data(), scales.size()) && same(&offset, &o.offset, 1);
  }
};

template <class S, class T>
Tensor<S> quantized(T const* values, std::int64_t n, SimdLevel level) {
  Tensor<S> t(n);
  QuantizeOptions options;
  options.propagate_non_finite = true;
  options.simd = level;
  std::span<T const> const in(values, static_cast<std::size_t>(n));
  REQUIRE(host::quantize<S, T>(in, t.span(), Nearest{}, options));
  return t;
}

template <class T, class S>
std::vector<T> decoded(QuantizedSpan<S> in, SimdLevel level, bool non_temporal = false) {
  std::vector<T> out(static_cast<std::size_t>(in.size));
  REQUIRE(host::dequantize(in, out, DequantizeOptions{non_temporal, level}));
  return out;
}

/// Every level quantizes these values to the scalar bytes and decodes those to the scalar values.
template <class S, class T>
void check_values(std::vector<T> const& values) {
  auto const n = static_cast<std::int64_t>(values.size());
  Tensor<S> expected = quantized<S>(values.data(), n, SimdLevel::scalar);
  auto const f32 = decoded<float>(expected.span(), SimdLevel::scalar);
  auto const f16 = decoded<float16>(expected.span(), SimdLevel::scalar);
  auto const b16 = decoded<bfloat16>(expected.span(), SimdLevel::scalar);
  for (SimdLevel const level : levels()) {
    CAPTURE(S::format::name, S::block_size, S::is_nested, sizeof(T), n, level);
    Tensor<S> const t = quantized<S>(values.data(), n, level);
    REQUIRE(t == expected);
    for (bool const non_temporal : {false, true}) {
      REQUIRE(same(decoded<float>(expected.span(), level, non_temporal).data(), f32.data(),
                   f32.size()));
      REQUIRE(same(decoded<float16>(expected.span(), level, non_temporal).data(), f16.data(),
                   f16.size()));
      REQUIRE(same(decoded<bfloat16>(expected.span(), level, non_temporal).data(), b16.data(),
                   b16.size()));
    }
  }
}

template <class T>
void check_all_schemes(std::vector<T> const& values) {
  check_values<Nf4>(values);
  check_values<Nf4Short>(values);
  check_values<Nf4Nested>(values);
  check_values<Fp4>(values);
  check_values<Fp4Nested>(values);
  check_values<Own>(values);
  check_values<Close>(values);
  check_values<Rows>(values);
  check_values<Int8Blocks>(values);
  check_values<Map8>(values);
  check_values<UnsignedMap8>(values);
}

using test_support::normal_values;

}  // namespace simd_test
