// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// device::gather_rows against rows of what host::dequantize gives, bit for bit.

#include "codec_cases.hpp"

namespace {

using namespace codec_cases;

/// Looks rows of a slice up: rows x cols at `stride`, from flat value `origin` of a larger tensor.
template <SchemeSpec S, Element T, class Index>
void check(std::int64_t rows, std::int64_t cols, std::int64_t stride, std::int64_t origin,
           std::uint64_t seed, std::size_t code_shift = 0, std::size_t value_shift = 0) {
  INFO(rows << " x " << cols << ", stride " << stride << ", origin " << origin << ", seed " << seed
            << ", codes + " << code_shift << ", values + " << value_shift);
  gpu_free::Seeded const seeded(seed);
  std::int64_t const size = origin + rows * stride;
  std::int64_t const row_length = S::is_row_wise ? stride : size;
  std::int64_t const tensor_rows = (size + row_length - 1) / row_length;
  auto const values = values_of<T>(tensor_rows * row_length, seed);
  auto host = host_tensor<S>(tensor_rows, row_length, values);
  std::vector<T> decoded(values.size());
  REQUIRE(host::dequantize(host.span(), decoded).code == Errc::ok);
  DeviceTensor<S> tensor(tensor_rows, row_length, code_shift);
  tensor.upload(host.span());

  std::vector<Index> index{0, static_cast<Index>(-1), static_cast<Index>(rows),
                           static_cast<Index>(rows - 1), 0};
  for (std::uint64_t i = 0; i < 4; ++i)
    index.push_back(static_cast<Index>(mix(seed, i) % static_cast<std::uint64_t>(rows)));
  auto const count = static_cast<std::int64_t>(index.size());
  std::vector<T> expected;
  for (Index const i : index)
    for (std::int64_t c = 0; c < cols; ++c) {
      bool const exists = static_cast<std::int64_t>(i) >= 0 && static_cast<std::int64_t>(i) < rows;
      expected.push_back(exists ? decoded[static_cast<std::size_t>(
                                      origin + static_cast<std::int64_t>(i) * stride + c)]
                                : from_float<T>(float_from_bits(canonical_nan_bits)));
    }
  DeviceBuffer<Index> const indices(index, sizeof(Index));
  DeviceBuffer<T> out(count * cols, value_shift * sizeof(T));
  QuantizedMatrix<S> const table{tensor.span(), rows, cols, stride, origin};
  REQUIRE(device::gather_rows(table, indices.data(), count, out.data(), nullptr).code == Errc::ok);
  REQUIRE(out.is_written());
  REQUIRE(differences(out.host(), expected) == "");
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gather_rows: whole matrices", "[gather]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  std::uint64_t seed = 0;
  for (std::int64_t const cols : {1, 7, 8, 40, 64, 77, 1000, 4096, 4104, 5001}) {
    check<S, T, std::int32_t>(5, cols, cols, 0, seed++);
    check<S, T, std::int64_t>(3, cols, cols, 0, seed++, 5, 1);
  }
}

TEMPLATE_LIST_TEST_CASE("gather_rows: slices", "[gather]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (!S::is_row_wise) {
    check<S, T, std::int64_t>(6, 4000, 4104, 40, 1);
    check<S, T, std::int64_t>(6, 400, 1032, 16, 2, 3);
    check<S, T, std::int64_t>(6, 33, 101, 3, 3);
    check<S, T, std::int64_t>(6, 64, 128, 64, 4, 0, 3);
    check<S, T, std::int32_t>(6, 24, 40, 8, 5);
  } else {
    check<S, T, std::int64_t>(6, 1000, 2000, 1000, 6);  // columns 1000 .. 1999
    check<S, T, std::int64_t>(6, 33, 2000, 8, 7);
  }
}

TEMPLATE_LIST_TEST_CASE("gather_rows: rows beyond value 2^32", "[gather]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (!S::is_nested && !S::is_row_wise) {
    constexpr std::int64_t cols = 1 << 16, rows = (1 << 16) + 3;
    DeviceBuffer<std::uint8_t> codes(codes_bytes<S>(rows * cols), 0, true);
    DeviceBuffer<float> absmax(block_count<S>(rows * cols), 4, true);
    auto const values = values_of<T>(cols, 5);
    auto host = host_tensor<S>(1, cols, values);
    std::vector<T> expected(values.size());
    REQUIRE(host::dequantize(host.span(), expected).code == Errc::ok);
    std::int64_t const row = rows - 2;
    codes.write(std::span<std::uint8_t const>(host.span().codes,
                                              static_cast<std::size_t>(codes_bytes<S>(cols))),
                row * cols * S::bits / 8);
    absmax.write(std::span<float const>(host.span().scales.absmax,
                                        static_cast<std::size_t>(block_count<S>(cols))),
                 row * cols / S::block_size);
    DeviceBuffer<std::int32_t> const index(std::vector<std::int32_t>{static_cast<int>(row)});
    DeviceBuffer<T> out(cols);
    QuantizedMatrix<S> const table{{codes.data(), {absmax.data()}, rows * cols}, rows, cols};
    REQUIRE(device::gather_rows(table, index.data(), 1, out.data(), nullptr).code == Errc::ok);
    REQUIRE(differences(out.host(), expected) == "");
  }
}

TEST_CASE("gather_rows: refusals launch nothing", "[gather]") {
  using S = Scheme<Format<NF4>>;
  DeviceTensor<S> tensor(4, 64);
  DeviceBuffer<std::int32_t> const index(std::vector<std::int32_t>{1});
  DeviceBuffer<float> out(64);
  QuantizedMatrix<S> table{tensor.span(), 4, 64};
  auto const code = [&](QuantizedMatrix<S> m, std::int32_t const* i, std::int64_t n, float* o) {
    return device::gather_rows(m, i, n, o, nullptr).code;
  };
  REQUIRE(code(table, nullptr, 1, out.data()) == Errc::null_pointer);
  REQUIRE(code(table, index.data(), 1, nullptr) == Errc::null_pointer);
  REQUIRE(code(table, index.data(), -1, out.data()) == Errc::size_mismatch);
  REQUIRE(code(table, index.data(), 0, out.data()) == Errc::ok);
  table.rows = 5;
  REQUIRE(code(table, index.data(), 1, out.data()) != Errc::ok);
  REQUIRE(cudaPeekAtLastError() == cudaSuccess);
}
