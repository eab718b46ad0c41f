// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// device::quantize against host::quantize, byte for byte.

#include "support/oracle.hpp"

#include "codec_cases.hpp"

namespace {

using namespace codec_cases;

/// Quantizes the values on both sides, values and codes moved from their alignment.
template <SchemeSpec S, Element T>
void check_values(std::vector<T> const& values, std::int64_t rows, std::uint64_t seed,
                  std::size_t value_shift, std::size_t code_shift) {
  auto const n = static_cast<std::int64_t>(values.size());
  std::int64_t const cols = rows == 0 ? 0 : n / rows;
  INFO(rows << " x " << cols << ", seed " << seed << ", codes + " << code_shift << ", values + "
            << value_shift);
  gpu_free::Seeded const seeded(seed);
  QuantizedTensor<S> host(rows, cols);
  unsigned long long expected_count = 3;
  QuantizeOptions options{.propagate_non_finite = true, .non_finite_count = &expected_count};
  REQUIRE(host::quantize(values, host.span(), Nearest{}, options).code == Errc::ok);

  DeviceBuffer<T> const in(values, value_shift * sizeof(T));
  DeviceTensor<S> tensor(rows, cols, code_shift);
  DeviceBuffer<unsigned long long> count(std::vector<unsigned long long>{3});
  options.non_finite_count = count.data();
  Status const s =
      device::quantize(in.data(), tensor.span(), tensor.workspace(), nullptr, Nearest{}, options);
  REQUIRE(s.code == Errc::ok);
  REQUIRE(tensor.differences(host.span()) == "");
  REQUIRE(count.host()[0] == expected_count);
  REQUIRE(in.host().size() == values.size());
}

template <SchemeSpec S, Element T>
void check(std::int64_t rows, std::int64_t cols, std::uint64_t seed, std::size_t value_shift,
           std::size_t code_shift, bool specials = false) {
  check_values<S, T>(values_of<T>(rows * cols, seed, specials), rows, seed, value_shift,
                     code_shift);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("quantize: sizes and tails", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  constexpr std::int64_t tile = 8 * 4 * 32 * 16 / sizeof(T);  // of a block of threads
  std::uint64_t seed = 0;
  for (std::int64_t const n : sizes_around(tile)) {
    std::int64_t const rows = S::is_row_wise && n % 3 == 0 ? 3 : 1;
    check<S, T>(rows, n / rows, seed++, 0, 0);
  }
}

TEMPLATE_LIST_TEST_CASE("quantize: every misalignment", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  constexpr std::size_t in_vector = 16 / sizeof(T);
  for (std::size_t shift = 1; shift < 16; ++shift) {
    std::int64_t const n = 300 + 17 * static_cast<std::int64_t>(shift);
    check<S, T>(1, n, shift, 0, shift);
    check<S, T>(1, n, shift, shift % in_vector, 0);
    check<S, T>(1, n + 4096, shift, shift * 3 % in_vector, shift);
  }
}

TEMPLATE_LIST_TEST_CASE("quantize: NaN and infinity propagate and are counted", "[quantize]",
                        Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    check<S, T>(2, 6000, seed, 0, 0, true);
    check<S, T>(1, 2 * 257, seed, 0, 0, true);
  }
}

TEMPLATE_LIST_TEST_CASE("quantize: zeros, subnormals, the largest", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  std::uint64_t seed = 0;
  float const least = Bfloat16Like<T> || sizeof(T) == 4 ? 0x1p-126f : 0x1p-14f;
  float const most = sizeof(T) == 4 ? 0x1.fffffep127f : Bfloat16Like<T> ? 0x1.fep127f : 65504.f;
  for (float const scale : {0.f, least, least / 32.f, least * 1.5f, most, most / 3.f, 1.f}) {
    std::vector<T> values;
    for (std::uint64_t i = 0; i < 1200; ++i) {
      auto const unit = static_cast<float>(mix(7, i) % 257) / 128.f - 1.f;
      values.push_back(from_float<T>(unit * scale));
    }
    values[5] = from_float<T>(-scale);
    check_values<S, T>(values, 1, seed++, 0, 0);
  }
}

TEMPLATE_LIST_TEST_CASE("quantize: rows", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (S::is_row_wise)
    for (std::int64_t const cols : {1, 5, 8, 24, 63, 499, 1000, 4096, 4097, 9000, 40000}) {
      check<S, T>(cols > 5000 ? 2 : 7, cols, static_cast<std::uint64_t>(cols), 0, 0);
      check<S, T>(3, cols, static_cast<std::uint64_t>(cols) + 1, 1, 3, true);
    }
}

TEMPLATE_LIST_TEST_CASE("quantize: the peak may be anywhere", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  // Block b of `length` values has its peak at one place, another in each block, either sign.
  std::int64_t const lengths[] = {40, 1000, 40001};
  for (std::int64_t const row : lengths) {
    std::int64_t const length = S::is_row_wise ? row : S::block_size;
    std::int64_t const blocks = S::is_row_wise ? 4 : std::max<std::int64_t>(4, 8192 / length);
    std::vector<T> values = values_of<T>(blocks * length, 11);
    for (std::int64_t b = 0; b < blocks; ++b) {
      for (std::int64_t i = 0; i < length; ++i) {
        T& x = values[static_cast<std::size_t>(b * length + i)];
        x = from_float<T>(static_cast<float>(mix(5, static_cast<std::uint64_t>(i)) % 255) / 512.f);
      }
      std::int64_t const place = b == 0 ? length - 1 : b * 2654435761 % length;
      values[static_cast<std::size_t>(b * length + place)] = from_float<T>(b % 2 == 0 ? -1.f : 1.f);
    }
    check_values<S, T>(values, S::is_row_wise ? blocks : 1, 3, 0, 0);
    check_values<S, T>(values, S::is_row_wise ? blocks : 1, 4, 1, 1);
    if (!S::is_row_wise) break;
  }
}

namespace {

/// 1 + 2^-24 is half-way between two floats, and 2^-53 more is lost in f64. Two such scales that
/// meet each other before they meet the 1 are 2^-52 and count; in another order each of them is
/// lost. The tree brings `first` and `second` together first. Needs values as small as 2^-53.
void check_tree(std::int64_t blocks, std::int64_t first, std::int64_t second) {
  using S = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  using T = std::conditional_t<std::same_as<GPU_FREE_TYPE, float16>, float, GPU_FREE_TYPE>;
  INFO("blocks " << first << " and " << second << " of " << blocks);
  std::vector<T> values(static_cast<std::size_t>(blocks * 16), from_float<T>(0.f));
  auto const set = [&](std::int64_t block, float x) {
    values[static_cast<std::size_t>(block * 16 + block % 16)] = from_float<T>(x);
  };
  set(0, 1.f);
  set(1, 0x1p-24f);
  set(first, 0x1p-53f);
  set(second, 0x1p-53f);
  auto const host = host_tensor<S>(1, blocks * 16, values);
  REQUIRE(*host.span().scales.offset == 0x1.000002p0f / static_cast<float>(blocks));
  check_values<S, T>(values, 1, 0, 0, 0);
}

}  // namespace

TEST_CASE("quantize: the offset's tree, level by level", "[quantize]") {
  for (int high = 1; high < 12; ++high) {
    for (int low = 0; low<high - 1; low += high> 4 ? 3 : 1)
      check_tree(4096, 1 << high, (1 << high) + (1 << low));
    check_tree(4096, 1 << high, (1 << high) + (1 << (high - 1)));
  }
}

TEST_CASE("quantize: the offset's tree where the last sums are many", "[quantize]") {
  // 64 sums of 512 scales (128 of 256 for floats): the first two of the second half meet first.
  check_tree(32768, 16384, 16384 + 512);
}

TEMPLATE_LIST_TEST_CASE("quantize: nested scales of many groups", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (S::is_nested && S::block_size <= 64) {
    // One level of sums, more than one, and ends inside of every unit of the tree.
    for (std::int64_t const blocks : {1, 2, 7, 8, 9, 255, 256, 257, 2047, 2048, 2049, 2050, 4097})
      check<S, T>(1, blocks * S::block_size - (blocks % 2), static_cast<std::uint64_t>(blocks), 0,
                  0);
  }
}

namespace {

/// bitsandbytes' arithmetic with IEEE division in place of the approximate instructions, which is
/// what their doubles give: subnormals flushed at every step, NaN left out of absmax.
float flush(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.f, x) : x; }

template <FormatSpec F>
int bnb_code(float x, float absmax) {
  if constexpr (std::same_as<F, Int8>) {
    float const t = flush(flush(x) * flush(127.f / absmax));
    if (std::isnan(t)) return 0;
    return static_cast<int>(std::clamp(std::nearbyint(static_cast<double>(t)), -127.0, 127.0)) &
           255;
  } else {
    float const t = flush(flush(x) * flush(1.f / absmax));
    if constexpr (std::same_as<F, NF4>) return oracle::nf4_code(t);
    if constexpr (std::same_as<F, FP4>) return oracle::fp4_code(t);
    return -1;
  }
}

template <FormatSpec F, Element T, class S>
void check_bnb(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  INFO(rows << " x " << cols << ", seed " << seed);
  gpu_free::Seeded const seeded(seed);
  std::int64_t const n = rows * cols;
  auto const values = values_of<T>(n, seed, true);
  DeviceBuffer<T> const in(values);
  DeviceBuffer<std::uint8_t> codes(codes_bytes<S>(n));
  std::int64_t const length = S::is_row_wise ? cols : S::block_size;
  std::int64_t const blocks = (n + length - 1) / length;
  DeviceBuffer<float> absmax(blocks);
  QuantizedSpan<S> out{codes.data(), {absmax.data()}, n};
  if constexpr (S::is_row_wise) out.scales.row_length = cols;
  Status const s = device::quantize(in.data(), out, {}, nullptr, BnbCuda{});
  REQUIRE(s.code == Errc::ok);
  REQUIRE(codes.is_written());
  auto const found = codes.host();
  auto const scales = absmax.host();
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::int64_t const last = std::min(n, (b + 1) * length);
    float most = -0x1.fffffep127f;  // kept by a whole block of NaN
    bool short_block = last - b * length < length || S::is_row_wise;
    if (short_block) most = 0.f;  // absent values count as zeros
    for (std::int64_t i = b * length; i < last; ++i) {
      float const x = std::fabs(to_float(values[static_cast<std::size_t>(i)]));
      if (!std::isnan(x)) most = std::max(most, flush(x));
    }
    REQUIRE(float_bits(scales[static_cast<std::size_t>(b)]) == float_bits(most));
    for (std::int64_t i = b * length; i < last; ++i) {
      INFO("value " << i);
      float const x = to_float(values[static_cast<std::size_t>(i)]);
      std::uint8_t const byte = found[static_cast<std::size_t>(i * S::bits / 8)];
      int const code = S::bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15;
      REQUIRE(code == bnb_code<F>(x, most));
    }
  }
}

}  // namespace

TEST_CASE("quantize: BnbCuda's arithmetic", "[quantize]") {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    check_bnb<NF4, GPU_FREE_TYPE, Scheme<Format<NF4>>>(1, 5003, seed);
    check_bnb<FP4, GPU_FREE_TYPE, Scheme<Format<FP4>, BlockSize<128>>>(1, 4099, seed);
    check_bnb<Int8, GPU_FREE_TYPE, Scheme<Format<Int8>, RowWise>>(5, 1003, seed);
  }
}

TEST_CASE("quantize_scales: the offset is given", "[quantize]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  for (std::int64_t const blocks : {1, 255, 256, 257, 3000}) {
    gpu_free::Seeded const seeded(static_cast<std::uint64_t>(blocks) % 5);
    std::vector<float> absmax(static_cast<std::size_t>(blocks));
    for (std::size_t i = 0; i < absmax.size(); ++i)
      absmax[i] = static_cast<float>(mix(3, i) % 1000) * 0.01f;
    float const offset = 3.75f;
    std::vector<std::uint8_t> codes(absmax.size());
    std::vector<float> absmax2(static_cast<std::size_t>(block_count<AbsmaxScheme>(blocks)));
    encode_scales(absmax.data(), 0, blocks, offset, {codes.data(), {absmax2.data()}, blocks});

    DeviceBuffer<float> const in(absmax);
    DeviceBuffer<std::uint8_t> values_codes(blocks * 32), inner(blocks);
    DeviceBuffer<float> scales(static_cast<std::int64_t>(absmax2.size()));
    DeviceBuffer<float> given(std::vector<float>{offset});
    QuantizedSpan<S> out{
        values_codes.data(), {{inner.data(), {scales.data()}, blocks}, given.data()}, blocks * 64};
    REQUIRE(device::quantize_scales(in.data(), out, nullptr).code == Errc::ok);
    REQUIRE(inner.is_written());
    REQUIRE(inner.host() == codes);
    REQUIRE(scales.host() == absmax2);
  }
}

TEST_CASE("quantize_scales: scales beyond 2^32", "[quantize]") {
  using S = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  constexpr std::int64_t tile =  // of a block of threads
      std::int64_t{grid::encode_scales_tile<>} * grid::EncodeScalesTuning::warps;
  constexpr std::int64_t first = (std::int64_t{1} << 32) - tile, count = tile + 3001;
  constexpr std::int64_t blocks = first + count;
  std::vector<float> absmax(count);
  for (std::size_t i = 0; i < absmax.size(); ++i)
    absmax[i] = static_cast<float>(mix(3, i) % 1000) * 0.01f;
  std::vector<std::uint8_t> codes(absmax.size());
  std::vector<float> absmax2(static_cast<std::size_t>(block_count<AbsmaxScheme>(count)));
  encode_scales(absmax.data(), 0, count, 5.f, {codes.data(), {absmax2.data()}, count});
  // Sparse memory: only the pages of the last scales exist, and only the last two blocks of each
  // launch run: those from `first` on.
  DeviceBuffer<float> in(blocks, 0, true), scales(block_count<AbsmaxScheme>(blocks), 0, true);
  in.write(absmax, first);
  DeviceBuffer<std::uint8_t> values_codes(blocks * 8, 0, true), inner(blocks, 0, true);
  DeviceBuffer<float> given(std::vector<float>{5.f});
  QuantizedSpan<S> out{
      values_codes.data(), {{inner.data(), {scales.data()}, blocks}, given.data()}, blocks * 16};
  gpu_free::settings().runs_block = [](std::uint64_t i, std::uint64_t n) { return i + 2 >= n; };
  Status const s = device::quantize_scales(in.data(), out, nullptr);
  gpu_free::settings().runs_block = nullptr;
  REQUIRE(s.code == Errc::ok);
  REQUIRE(inner.is_written(first, count));
  REQUIRE(inner.host(first, count) == codes);
  REQUIRE(scales.host(first / 256, static_cast<std::int64_t>(absmax2.size())) == absmax2);
}

TEST_CASE("quantize: refusals launch nothing", "[quantize]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  DeviceTensor<S> tensor(1, 6400);
  DeviceBuffer<float> const in(std::vector<float>(6400, 1.f));
  Workspace w = tensor.workspace();
  REQUIRE(device::quantize<S, float>(nullptr, tensor.span(), w, nullptr).code ==
          Errc::null_pointer);
  REQUIRE(device::quantize(in.data(), tensor.span(), {}, nullptr).code == Errc::null_pointer);
  --w.bytes;
  REQUIRE(device::quantize(in.data(), tensor.span(), w, nullptr).code == Errc::workspace_too_small);
  auto view = tensor.span();
  view.size = 0;
  REQUIRE(device::quantize(in.data(), view, {}, nullptr).code == Errc::ok);
  REQUIRE(cudaPeekAtLastError() == cudaSuccess);
}

TEMPLATE_LIST_TEST_CASE("quantize: values beyond 2^32", "[quantize]", Cases) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  if constexpr (!S::is_nested && !S::is_row_wise) {
    constexpr std::int64_t n = (std::int64_t{1} << 32) + 20011;
    std::int64_t const first = (n - 70000) / 32768 * 32768;  // of the last two blocks at least
    DeviceBuffer<std::uint8_t> codes(codes_bytes<S>(n), 0, true);
    DeviceBuffer<float> absmax(block_count<S>(n), 4, true);
    DeviceBuffer<T> in(n, 0, true);
    auto const values = values_of<T>(n - first, 5);
    auto host = host_tensor<S>(1, n - first, values);
    in.write(values, first);
    gpu_free::settings().runs_block = [](std::uint64_t i, std::uint64_t count) {
      return i + 2 >= count;
    };
    QuantizedSpan<S> view{codes.data(), {absmax.data()}, n};
    Status const s = device::quantize(in.data(), view, {}, nullptr);
    gpu_free::settings().runs_block = nullptr;
    REQUIRE(s.code == Errc::ok);
    std::int64_t const bytes = 2100, scales = block_count<S>(4200);
    REQUIRE(codes.is_written(codes.size() - bytes, bytes));
    auto const tail = codes.host(codes.size() - bytes, bytes);
    auto const* const end = host.span().codes + codes_bytes<S>(n - first);
    REQUIRE(std::equal(tail.begin(), tail.end(), end - bytes, end));
    auto const tail_scales = absmax.host(absmax.size() - scales, scales);
    auto const* const scales_end = host.span().scales.absmax + block_count<S>(n - first);
    REQUIRE(std::equal(tail_scales.begin(), tail_scales.end(), scales_end - scales, scales_end));
  }
}
