// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Prepacked weights under the harness: device = host byte for byte, products and decoded values
// beside those of the raw weights.

#include "qfmt/device/grid/prepack.cuh"
#include "qfmt/host/prepack.hpp"
#include "qfmt/ops/matmul_prepacked.cuh"

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {

using Plain = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;

/// The call that is tested, on weights that are prepacked for it and restored.
template <class Call>
struct OnPrepacked {
  Call call;
  template <SchemeSpec S, class T>
  Status operator()(QuantizedMatrix<S> w, T const* x, int64_t m, T* y, T const* bias,
                    MatmulOptions options) const {
    PrepackedMatrix<S> packed;
    REQUIRE(device::prepack(w, packed, nullptr));
    Status const status = call(packed, x, m, y, bias, options);
    REQUIRE(device::unpack(packed, w, nullptr));
    return status;
  }
};
template <class Call>
OnPrepacked(Call) -> OnPrepacked<Call>;

auto const dispatched = OnPrepacked{
    [](auto w, auto const* x, int64_t m, auto* y, auto const* bias, MatmulOptions const& options) {
      return device::matmul(w, x, m, y, bias, {}, nullptr, options);
    }};
auto const tiled = OnPrepacked{
    [](auto w, auto const* x, int64_t m, auto* y, auto const* bias, MatmulOptions options) {
      if (options.tuning.columns == 0) options.tuning.columns = m <= 32 ? 32 : 128;
      return device::matmul(w, x, m, y, bias, {}, nullptr, options);
    }};

template <SchemeSpec S>
void check_bytes(int64_t rows, int64_t cols, std::size_t misalignment) {
  std::mt19937 random(static_cast<unsigned>(rows * cols));
  std::vector<uint8_t> bytes(static_cast<std::size_t>(codes_bytes<S>(rows * cols)));
  for (auto& b : bytes) b = static_cast<uint8_t>(random());
  DeviceBuffer<uint8_t> const on_device(bytes, misalignment);
  std::vector<float> absmax(static_cast<std::size_t>(rows * cols), 1.f);
  QuantizedMatrix<S> w;
  w.values = {on_device.data(), {absmax.data()}, rows * cols};
  if constexpr (S::is_row_wise) w.values.scales.row_length = cols;
  w.rows = rows, w.cols = w.row_stride = cols;
  auto here = w;
  auto expected = bytes;
  here.values.codes = expected.data();
  PrepackedMatrix<S> packed, same;
  REQUIRE(host::prepack(here, same));
  REQUIRE(device::prepack(w, packed, nullptr));
  CHECK(on_device.host() == expected);
  REQUIRE(device::unpack(packed, w, nullptr));
  CHECK(on_device.host() == bytes);
}

}  // namespace

TEST_CASE("prepack on the device: the host's bytes, and back", "[matmul][prepack]") {
  for (int64_t const rows : {1, 16, 33, 144})
    for (int64_t const cols : {64, 66, 200, 65})
      for (std::size_t const misalignment : {0, 1}) {
        check_bytes<Plain>(rows, cols, misalignment);
        check_bytes<Rows>(rows, cols, misalignment);
      }
}

TEST_CASE("prepacked: the values decoded are the raw weights'", "[matmul][prepack]") {
  auto const check = [](auto scheme, auto element, int64_t rows, int64_t cols) {
    using S = decltype(scheme);
    using T = decltype(element);
    Weights<S> const w(rows, cols, 1);
    PrepackedMatrix<S> packed;
    REQUIRE(device::prepack(w.matrix(), packed, nullptr));
    DeviceBuffer<T> const out(rows * cols);
    REQUIRE(device::dequantize(packed, out.data(), nullptr));
    REQUIRE(out.is_written());
    auto const got = out.host();
    for (int64_t i = 0; i < rows * cols; ++i)
      REQUIRE(element_bits(got[static_cast<std::size_t>(i)]) ==
              element_bits(from_float<T>(static_cast<float>(w.at(i)))));
  };
  check(Nested{}, bfloat16{}, 40, 328);
  check(Nested{}, float{}, 17, 130);
  check(Plain{}, float16{}, 31, 66);
  check(Rows{}, bfloat16{}, 19, 200);
}

TEST_CASE("prepacked: streaming, every block size", "[matmul][prepack]") {
  auto const check = [](auto scheme, double most) {
    using S = decltype(scheme);
    Weights<S> const w(48, 576, 3);
    for (int64_t const m : {1, 9, 20}) {
      CHECK(error_of<S, float16>(w, w.matrix(), m, m == 9, {}, dispatched) < most);
    }
    CHECK(error_before_rounding<S, bfloat16>(w, w.matrix(), 2, {}, dispatched) < 0.9e-3);
  };
  check(Nested{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<16>>{}, 0.4e-3);
  check(Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>{}, 0.4e-3);
  check(Scheme<Format<FP4>, BlockSize<128>>{}, 0.4e-3);
  check(Scheme<Format<Int8>>{}, 0.4e-3);
  check(Rows{}, 0.4e-3);
  Weights<Nested> const w(32, 576, 11);  // levels are rounded, or it is not the kernel meant
  CHECK(error_before_rounding<Nested, bfloat16>(w, w.matrix(), 2, {}, dispatched) > 1e-4);
}

TEST_CASE("prepacked: what does not stream", "[matmul][prepack]") {
  Weights<Nested> const tail(21, 320, 4);  // rows behind the last sixteen
  CHECK(error_before_rounding<Nested, bfloat16>(tail, tail.matrix(), 2, {}, dispatched) < 1e-5);
  Weights<Scheme<Format<NF4>, BlockSize<32>>> const half(32, 96, 5);  // half a tile of columns
  CHECK(error_of<Scheme<Format<NF4>, BlockSize<32>>, float>(half, half.matrix(), 3, true, {},
                                                            dispatched) < 1e-6);
  Weights<Rows> const rows(17, 77, 6);
  CHECK(error_of<Rows, float>(rows, rows.matrix(), 9, true, {}, dispatched) < 1e-6);
}

TEST_CASE("prepacked: the tiled kernel has the raw weights' bits", "[matmul][prepack][wgmma]") {
  auto const check = [](auto scheme, auto element, int columns) {
    using S = decltype(scheme);
    using T = decltype(element);
    Weights<S> const w(208, 640, 7);
    MatmulOptions options;
    options.tuning = {.columns = columns};
    int64_t const m = 19;
    DeviceBuffer<T> const x(random_values<T>(m * 640, 8)), raw(m * 208), packed(m * 208);
    T const* const none = nullptr;
    REQUIRE(device::matmul(w.matrix(), x.data(), m, raw.data(), none, {}, nullptr, options));
    REQUIRE(tiled(w.matrix(), x.data(), m, packed.data(), none, options));
    auto const a = raw.host(), b = packed.host();
    for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(element_bits(a[i]) == element_bits(b[i]));
  };
  check(Nested{}, bfloat16{}, 32);
  check(Nested{}, bfloat16{}, 256);
  check(Scheme<Format<NF4>, BlockSize<32>>{}, float16{}, 64);
  check(Scheme<Format<NF4>, BlockSize<16>>{}, float16{}, 32);
  check(Rows{}, bfloat16{}, 64);
  check(Scheme<Format<Int8>, BlockSize<32>>{}, float16{}, 32);
}

TEST_CASE("prepacked: refusals", "[matmul][prepack]") {
  Weights<Plain> const w(16, 64, 10);
  auto odd = w.matrix();
  odd.cols = 65;
  PrepackedMatrix<Plain> packed;
  CHECK(device::prepack(odd, packed, nullptr).code == Errc::unsupported_shape);
  REQUIRE(device::prepack(w.matrix(), packed, nullptr));
  float* const none = nullptr;
  CHECK(device::dequantize(packed, none, nullptr).code == Errc::null_pointer);
  CHECK(device::matmul(packed, none, 1, none, nullptr, {}, nullptr).code == Errc::null_pointer);
  packed.rows = 17;
  QuantizedMatrix<Plain> raw;
  CHECK(device::unpack(packed, raw, nullptr).code == Errc::size_mismatch);
}
