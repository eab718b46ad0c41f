// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// CUDA's own half types on the host, where its headers are there: the same bytes and values as
// float16 and bfloat16.
#include "qfmt/qfmt.hpp"

#include <catch2/catch_test_macros.hpp>

#if __has_include(<cuda_fp16.h>)
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace {

using namespace qfmt;

template <SchemeSpec S, Element Ours, Element Cuda>
void check_equal() {
  static_assert(sizeof(Ours) == sizeof(Cuda));
  constexpr std::size_t rows = 13, cols = 257;
  std::vector<Ours> ours;
  for (std::size_t i = 0; i < rows * cols; ++i)
    ours.push_back(from_float<Ours>(std::sin(static_cast<float>(i)) * static_cast<float>(i % 9)));
  std::vector<Cuda> cuda(ours.size());
  std::memcpy(static_cast<void*>(cuda.data()), ours.data(), ours.size() * sizeof(Ours));

  QuantizedTensor<S> a(rows, cols), b(rows, cols);
  REQUIRE(host::quantize(ours, a.span()));
  REQUIRE(host::quantize(cuda, b.span()));
  CHECK(std::memcmp(a.span().codes, b.span().codes, static_cast<std::size_t>(a.bytes())) == 0);
  REQUIRE(host::dequantize(a.span(), ours));
  REQUIRE(host::dequantize(b.span(), cuda));
  CHECK(std::memcmp(static_cast<void const*>(cuda.data()), ours.data(),
                    ours.size() * sizeof(Ours)) == 0);
  cuda[1000] = from_float<Cuda>(INFINITY);
  Status const status = host::quantize(cuda, b.span());
  CHECK(status.code == Errc::non_finite);
  CHECK(status.index == 1000);
}

template <SchemeSpec S>
void check_types() {
  check_equal<S, float16, __half>();
  check_equal<S, bfloat16, __nv_bfloat16>();
}

}  // namespace

TEST_CASE("CUDA's half types quantize and decode as the library's own", "[host]") {
  check_types<Scheme<Format<NF4>>>();
  check_types<Scheme<Format<FP4>, BlockSize<128>, DoubleQuant<true>>>();
  check_types<Scheme<Format<Int8>, RowWise>>();
  check_types<Scheme<Format<Dynamic8>, BlockSize<256>>>();
}
#endif
