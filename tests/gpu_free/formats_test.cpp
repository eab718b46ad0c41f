// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every format in the library's list on a device, under the scheme that it asks for: the host's
// bytes, the host's values, and its matmul.
#include "codec_cases.hpp"
#include "matmul_cases.hpp"

namespace {

using namespace qfmt;
using gpu_free::DeviceBuffer;

/// Bytes of the pieces of a tensor, without what lies between them; `written` where all are.
template <SchemeSpec S>
std::vector<std::uint8_t> pieces_of(std::uint8_t const* bytes, std::int64_t n) {
  Placement const p = placement<S>(1, n);
  std::vector<std::uint8_t> out(bytes, bytes + codes_bytes<S>(n));
  std::int64_t const blocks = block_count<S>(n);
  auto const add = [&](std::int64_t at, std::int64_t size) {
    out.insert(out.end(), bytes + at, bytes + at + size);
  };
  if constexpr (S::is_typed) {
    add(p.scales, blocks * static_cast<std::int64_t>(sizeof(stored_scale_t<S>)));
    if constexpr (S::has_tensor_scale) add(p.tensor_scale, 4);
    if constexpr (S::has_zero_point) add(p.zero_point, blocks);
  } else {
    add(p.scales, blocks * 4);
  }
  return out;
}

template <SchemeSpec S, Element T>
void check_codec(std::int64_t n, std::uint64_t seed, bool specials) {
  INFO(n << " values, seed " << seed);
  gpu_free::Seeded const seeded(seed);
  auto const values = codec_cases::values_of<T>(n, seed, specials);
  QuantizedTensor<S> host(n);
  unsigned long long expected_count = 3;
  QuantizeOptions options{.propagate_non_finite = true, .non_finite_count = &expected_count};
  REQUIRE(host::quantize(values, host.span(), Nearest{}, options));

  DeviceBuffer<T> const in(values);
  DeviceBuffer<std::uint8_t> const storage(storage_bytes<S>(1, n));
  DeviceBuffer<unsigned long long> const count(std::vector<unsigned long long>{3});
  options.non_finite_count = count.data();
  auto const out = place<S>(storage.data(), 1, n).values;
  REQUIRE(device::quantize(in.data(), out, {}, nullptr, Nearest{}, options));
  CHECK(count.host()[0] == expected_count);
  REQUIRE(pieces_of<S>(storage.host().data(), n) == pieces_of<S>(host.span().codes, n));

  DeviceBuffer<T> const decoded(n);
  REQUIRE(device::dequantize(out, decoded.data(), nullptr));
  std::vector<T> expected(values.size());
  REQUIRE(host::dequantize(host.span(), expected));
  CHECK(codec_cases::differences(decoded.host(), expected) == "");
}

}  // namespace

TEST_CASE("every format: device and host agree byte for byte", "[formats]") {
  for_each_format(Formats{}, []<class F>() {
    INFO(F::name);
    using S = Scheme<Format<F>>;
    check_codec<S, bfloat16>(1, 1, false);
    check_codec<S, bfloat16>(15000, 2, false);
    check_codec<S, bfloat16>(9001, 3, true);
    check_codec<S, float>(4097, 4, true);
  });
}

TEST_CASE("every format: matmul", "[formats]") {
  for_each_format(Formats{}, []<class F>() {
    INFO(F::name);
    using S = Scheme<Format<F>>;
    matmul_cases::Weights<S> const w(9, 333, 4);
    CHECK(matmul_cases::error_of<S, float>(w, w.matrix(), 3, true) < 1e-6);
    matmul_cases::Weights<S> const whole(9, 512, 5);
    CHECK(matmul_cases::error_of<S, bfloat16>(whole, whole.matrix(), 2, false) < 4e-3);
  });
}
