// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// device::dequantize against host::dequantize, bit for bit.

#include "codec_cases.hpp"

namespace {

using namespace codec_cases;

/// Quantizes rows x cols values on the host and decodes them on both sides, codes and output moved
/// from their alignment.
template <SchemeSpec S, Element T>
void check_values(std::vector<T> const& values, std::int64_t rows, std::uint64_t seed,
                  std::size_t code_shift, std::size_t value_shift) {
  auto const cols = static_cast<std::int64_t>(values.size()) / rows;
  INFO(rows << " x " << cols << ", seed " << seed << ", codes + " << code_shift << ", values + "
            << value_shift);
  gpu_free::Seeded const seeded(seed);
  auto host = host_tensor<S>(rows, cols, values);
  std::vector<T> expected(values.size());
  REQUIRE(host::dequantize(host.span(), expected).code == Errc::ok);

  DeviceTensor<S> tensor(rows, cols, code_shift);
  tensor.upload(host.span());
  DeviceBuffer<T> out(rows * cols, value_shift * sizeof(T));
  REQUIRE(device::dequantize(tensor.span(), out.data(), nullptr).code == Errc::ok);
  REQUIRE(out.is_written());
  REQUIRE(differences(out.host(), expected) == "");
}

template <SchemeSpec S, Element T>
void check(std::int64_t rows, std::int64_t cols, std::uint64_t seed, std::size_t code_shift,
           std::size_t value_shift, bool specials = false) {
  check_values<S, T>(values_of<T>(rows * cols, seed, specials), rows, seed, code_shift,
                     value_shift);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("dequantize: sizes and tails", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  constexpr std::int64_t tile = 1024 * 16 / sizeof(T);
  std::uint64_t seed = 0;
  for (std::int64_t const n : sizes_around(tile)) {
    std::int64_t const rows = S::is_row_wise && n % 3 == 0 ? 3 : 1;
    check<S, T>(rows, n / rows, seed++, 0, 0);
  }
}

TEMPLATE_LIST_TEST_CASE("dequantize: every misalignment", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  constexpr std::size_t in_vector = 16 / sizeof(T);
  for (std::size_t shift = 1; shift < 16; ++shift) {
    std::int64_t const n = 300 + 17 * static_cast<std::int64_t>(shift);
    check<S, T>(1, n, shift, shift, 0);
    check<S, T>(1, n, shift, 0, shift % in_vector);
    check<S, T>(1, n + 8192, shift, shift, shift * 3 % in_vector);
  }
}

TEMPLATE_LIST_TEST_CASE("dequantize: NaN and infinite blocks", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  for (std::uint64_t seed = 0; seed < 3; ++seed) check<S, T>(2, 6000, seed, 0, 0, true);
}

TEMPLATE_LIST_TEST_CASE("dequantize: rows", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (S::is_row_wise)
    for (std::int64_t const cols : {1, 5, 8, 24, 40, 1000, 1001, 4096, 9000, 20008, 40000}) {
      check<S, T>(13000 / cols + 2, cols, static_cast<std::uint64_t>(cols), 0, 0);
      check<S, T>(3, cols, static_cast<std::uint64_t>(cols), 3, 1);
    }
}

TEMPLATE_LIST_TEST_CASE("dequantize: no value takes its neighbour's scale", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  // Every value is its block's peak, and no block has the peak of the one before or after it.
  for (std::int64_t const row : {8, 24, 1000, 8200, 20008}) {
    std::int64_t const length = S::is_row_wise ? row : S::block_size;
    std::int64_t const blocks = 20000 / length + 3;
    std::vector<T> values;
    for (std::int64_t i = 0; i < blocks * length; ++i)
      values.push_back(
          from_float<T>(static_cast<float>(i / length % 7 + 1) * (i % 2 ? -1.f : 1.f)));
    check_values<S, T>(values, S::is_row_wise ? blocks : 1, 1, 0, 0);
    check_values<S, T>(values, S::is_row_wise ? blocks : 1, 2, 1, 3);
    if (!S::is_row_wise) break;
  }
}

TEMPLATE_LIST_TEST_CASE("dequantize: values beyond 2^32", "[dequantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (!S::is_nested && !S::is_row_wise) {
    // Sparse memory: only the pages of the last values exist, and only the last blocks run.
    constexpr std::int64_t n = (std::int64_t{1} << 32) + 20011, tail = 17000;
    DeviceBuffer<std::uint8_t> codes(codes_bytes<S>(n), 0, true);
    DeviceBuffer<float> absmax(block_count<S>(n), 4, true);
    DeviceBuffer<T> out(n, 0, true);
    std::int64_t const first = (n - tail) / 8192 * 8192;
    auto const values = values_of<T>(n - first, 5);
    auto host = host_tensor<S>(1, n - first, values);
    codes.write(std::span<std::uint8_t const>(host.span().codes,
                                              static_cast<std::size_t>(codes_bytes<S>(n - first))),
                first * S::bits / 8);
    absmax.write(std::span<float const>(host.span().scales.absmax,
                                        static_cast<std::size_t>(block_count<S>(n - first))),
                 first / S::block_size);
    std::vector<T> expected(values.size());
    REQUIRE(host::dequantize(host.span(), expected).code == Errc::ok);

    QuantizedSpan<S> view{codes.data(), {absmax.data()}, n};
    gpu_free::settings().runs_block = [](std::uint64_t i, std::uint64_t count) {
      return i + 2 >= count;
    };
    Status const s = device::dequantize(view, out.data(), nullptr);
    gpu_free::settings().runs_block = nullptr;
    REQUIRE(s.code == Errc::ok);
    std::int64_t const shown = 8192 + 20011 % 4096;
    auto const found = out.host(n - shown % 4096 - 4096, shown % 4096 + 4096);
    REQUIRE(out.is_written(n - shown % 4096 - 4096, shown % 4096 + 4096));
    expected.erase(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(found.size()));
    REQUIRE(differences(found, expected) == "");
  }
}

TEST_CASE("dequantize: a stored map decodes by its own levels", "[dequantize]") {
  using S = Scheme<Format<Dynamic8>, BlockSize<64>>;
  std::int64_t const n = 5000;
  auto host = host_tensor<S>(1, n, values_of<float>(n, 3));
  std::vector<float> levels(256);
  for (std::size_t i = 0; i < 256; ++i) levels[i] = static_cast<float>(i) * 0.01f - 1.f;
  auto view = host.span();
  view.scales.levels = levels.data();
  std::vector<float> expected(static_cast<std::size_t>(n));
  REQUIRE(host::dequantize(view, expected).code == Errc::ok);

  DeviceTensor<S> tensor(1, n);
  tensor.upload(host.span());
  DeviceBuffer<float> const stored(levels, 4);
  auto on_device = tensor.span();
  on_device.scales.levels = stored.data();
  DeviceBuffer<float> out(n);
  REQUIRE(device::dequantize(on_device, out.data(), nullptr).code == Errc::ok);
  REQUIRE(differences(out.host(), expected) == "");
}

TEST_CASE("dequantize: refusals launch nothing", "[dequantize]") {
  using S = Scheme<Format<NF4>>;
  DeviceTensor<S> tensor(1, 64);
  DeviceBuffer<float> out(64);
  REQUIRE(device::dequantize<S, float>(tensor.span(), nullptr, nullptr).code == Errc::null_pointer);
  auto view = tensor.span();
  view.codes = nullptr;
  REQUIRE(device::dequantize(view, out.data(), nullptr).code == Errc::null_pointer);
  view = tensor.span();
  view.size = -1;
  REQUIRE_FALSE(device::dequantize(view, out.data(), nullptr));
  view.size = 0;
  REQUIRE(device::dequantize(view, out.data(), nullptr).code == Errc::ok);
  REQUIRE(cudaPeekAtLastError() == cudaSuccess);
}
