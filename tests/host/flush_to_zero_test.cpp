// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a flush-to-zero mode changes, should another library of the process have set one: nothing
// as long as operands and results are normal numbers, and for blocks below 2^-126 the codes, never
// the scale and never a NaN out of finite data.
#include "qfmt/qfmt.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>

namespace {

using namespace qfmt;

/// Subnormal operands read as zero and subnormal results become zero while this lives.
class FlushToZero {
 public:
  FlushToZero() { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushToZero() { _mm_setcsr(saved_); }
  FlushToZero(FlushToZero const&) = delete;

 private:
  unsigned saved_ = _mm_getcsr();
};

std::vector<float> values(float size) {
  std::vector<float> v;
  for (int i = 0; i < 1000; ++i) v.push_back(size * static_cast<float>((i * 37) % 201 - 100));
  return v;
}

template <class S>
struct Result {
  QuantizedTensor<S> tensor;
  std::vector<float> decoded;
};

template <class S>
Result<S> round_trip(std::vector<float> const& v) {
  Result<S> r{QuantizedTensor<S>(static_cast<std::int64_t>(v.size())),
              std::vector<float>(v.size())};
  REQUIRE(host::quantize(v, r.tensor.span()));
  REQUIRE(host::dequantize(r.tensor.span(), r.decoded));
  return r;
}

using Schemes =
    std::tuple<Scheme<Format<NF4>>, Scheme<Format<FP4>>, Scheme<Format<Int8>>,
               Scheme<Format<NF4>, DoubleQuant<true>>, Scheme<Format<Dynamic8>, BlockSize<256>>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("flush to zero changes nothing among normal numbers", "[host]", Schemes) {
  auto const v = values(0x1p-10f);
  auto const usual = round_trip<TestType>(v);
  FlushToZero const mode;
  auto const flushed = round_trip<TestType>(v);
  auto const bytes = static_cast<std::size_t>(usual.tensor.bytes());
  CHECK(std::memcmp(usual.tensor.span().codes, flushed.tensor.span().codes, bytes) == 0);
  CHECK(usual.decoded == flushed.decoded);
}

TEST_CASE("flush to zero loses blocks of subnormals to zero, and keeps their scale", "[host]") {
  using S = Scheme<Format<NF4>>;
  auto const v = values(0x1p-140f);
  auto const usual = round_trip<S>(v);
  CHECK(usual.decoded[0] != 0.f);
  FlushToZero const mode;
  auto const flushed = round_trip<S>(v);
  CHECK(float_bits(flushed.tensor.span().scales.absmax[0]) ==
        float_bits(usual.tensor.span().scales.absmax[0]));
  for (float const x : flushed.decoded) CHECK((float_bits(x) & 0x7FFFFFFFu) == 0u);
}

#endif
