// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The building blocks in kernels of one's own: thread, warp and block tiers, each against the
// host's function of the same meaning.

#include "codec_cases.hpp"

namespace {

using namespace codec_cases;

template <class... Params, class... Args>
void run(void (*kernel)(Params...), int blocks, int threads, Args... args) {
  REQUIRE(device::launch(kernel, {.blocks = blocks, .threads = threads}, nullptr, args...).code ==
          Errc::ok);
}

/// Every code of a pack out and in again, whole and by tails.     out: (n), again: (bytes)
template <int Bits, int N>
__global__ void pack_codes(std::uint8_t const* codes, int n, std::uint32_t* out,
                           std::uint8_t* again) {
  auto const pack =
      n == N ? thread::load_codes<Bits, N>(codes) : thread::load_codes<Bits, N>(codes, n);
  thread::CodePack<Bits, N> copy{};
  for (int i = 0; i < N; ++i) {
    if (i < n) out[i] = pack[i];
    copy.put(i, pack[i]);
  }
  if (n == N) {
    thread::store_codes(copy, again);
  } else {
    thread::store_codes(copy, again, n);
  }
}

template <int Bits, int N>
void check_pack_codes() {
  std::vector<std::uint8_t> bytes(N * Bits / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(mix(2, i));
  for (int n = 1; n <= N; ++n) {
    INFO(Bits << " bits, " << n << " of " << N);
    std::int64_t const used = (n * Bits + 7) / 8;
    // Nothing but these bytes may be read: the buffer ends there.
    std::vector<std::uint8_t> const head(bytes.begin(), bytes.begin() + used);
    DeviceBuffer<std::uint8_t> const in(head, n == N ? 0 : 3);
    DeviceBuffer<std::uint32_t> out(n);
    DeviceBuffer<std::uint8_t> again(used, n == N ? 0 : 5);
    run(pack_codes<Bits, N>, 1, 1, in.data(), n, out.data(), again.data());
    auto const found = out.host();
    for (int i = 0; i < n; ++i)
      REQUIRE(found[static_cast<std::size_t>(i)] == code_at<Bits>(bytes.data(), i));
    REQUIRE(again.host() == head);
  }
}

/// The mean of 2048 b + [0, 2048) of `scales` for block b.     sums: (blocks), counts: (blocks)
template <class T>
__global__ void sums_of_scales(float const* scales, std::int64_t size, double* sums, T* counts) {
  __shared__ block::ScaleSummer::TempStorage storage;
  block::ScaleSummer summer(storage);
  ScaleSum const sum = summer(std::int64_t{blockIdx.x} * block::ScaleSummer::capacity, size,
                              [&](std::int64_t i) { return ScaleSum::of(scales[i]); });
  // Every thread has the sum.
  std::int64_t const at = std::int64_t{blockIdx.x} * block::ScaleSummer::threads + threadIdx.x;
  sums[at] = sum.sum;
  counts[at] = static_cast<T>(sum.count);
}

/// Codes of values in [-1, 1] by the table, a value a thread.
template <FormatSpec F>
__global__ void table_codes(float const* values, std::int64_t n, std::uint8_t* codes) {
  using Table = block::EncodeTable<F, 64>;
  __shared__ typename Table::TempStorage storage;
  Table table(storage);
  table.fill();
  __syncthreads();
  std::int64_t const i = std::int64_t{blockIdx.x} * 64 + threadIdx.x;
  if (i < n) codes[i] = static_cast<std::uint8_t>(table(values[i]));
}

template <FormatSpec F>
void check_table_codes() {
  std::vector<float> values;
  for (std::uint64_t i = 0; i < 2000; ++i)
    values.push_back(static_cast<float>(static_cast<std::int64_t>(mix(1, i) % 2000001) - 1000000) *
                     1e-6f);
  if constexpr (CodebookFormat<F>)
    for (float const t : detail::host_points<F>.below)  // both sides of every decision point
      if (is_finite(t))
        for (std::uint32_t const step : {0u, 1u, ~0u}) {
          float const near = float_from_bits(float_bits(t) + step);
          if (is_finite(near) && near >= -1.f && near <= 1.f) values.push_back(near);
        }
  values.push_back(1.f), values.push_back(-1.f), values.push_back(0.f);
  for (float& v : values)
    if (is_zero(v)) v = 0.f;
  auto const n = static_cast<std::int64_t>(values.size());
  DeviceBuffer<float> const in(values);
  DeviceBuffer<std::uint8_t> codes(n);
  run(table_codes<F>, static_cast<int>(ceil_div(n, 64)), 64, in.data(), n, codes.data());
  auto const found = codes.host();
  for (std::size_t i = 0; i < values.size(); ++i) {
    INFO(F::name << " of " << values[i]);
    REQUIRE(found[i] == encode<F>(values[i]));
  }
}

/// Every code of a format by the table, in lanes of every number.     out: (32, codes)
template <FormatSpec F>
__global__ void table_levels(float const* stored, float scale, float* out) {
  using Table = block::LevelTable<F, 64>;
  __shared__ typename Table::TempStorage storage;
  Table table(storage);
  table.fill(stored);
  __syncthreads();
  constexpr unsigned codes = 1u << bits_of<F>;
  if (threadIdx.x < 32)
    for (unsigned i = 0; i < codes; ++i) {
      unsigned const code = (i + threadIdx.x) % codes;  // lanes ask for different ones
      out[threadIdx.x * codes + code] = table(code, scale);
    }
}

template <FormatSpec F>
void check_table_levels() {
  INFO(F::name);
  constexpr int codes = 1 << bits_of<F>;
  DeviceBuffer<float> out(32 * codes);
  run(table_levels<F>, 1, 64, static_cast<float const*>(nullptr), 0.37f, out.data());
  auto const found = out.host();
  for (std::size_t i = 0; i < found.size(); ++i)
    REQUIRE(float_bits(found[i]) ==
            float_bits(decode<F>(static_cast<std::uint8_t>(i % codes), 0.37f)));
}

/// A fused kernel as a user writes it: relu of decoded tiles, any size.     out: (in.size)
template <SchemeSpec S, Element T>
__global__ void decode_relu(QuantizedSpan<S const> in, T* out) {
  using Decoder = block::TileDecoder<S const, T, 64, 2>;
  __shared__ typename Decoder::TempStorage storage;
  Decoder decoder(storage);
  for (std::int64_t tile = blockIdx.x; tile * Decoder::tile < in.size; tile += gridDim.x) {
    std::int64_t const first = tile * Decoder::tile;
    int const n =
        in.size - first < Decoder::tile ? static_cast<int>(in.size - first) : Decoder::tile;
    auto const store = [&](int i, auto const& values, int count) {
      for (int k = 0; k < count; ++k)
        out[first + i + k] = from_float<T>(values[k] > 0.f ? values[k] : 0.f);
    };
    decoder.template decode<false>(in, first, n, store);
    __syncthreads();
  }
}

/// Sums over a warp, of integers and by the tree.
template <class T>
__global__ void warp_sums(T const* in, T* out, double* tree) {
  int const i = static_cast<int>(threadIdx.x);
  out[i] = warp::sum(in[i]);
  tree[i] = warp::sum(ScaleSum{static_cast<double>(in[i]) * 0x1p-30, 1}).sum;
}

}  // namespace

TEST_CASE("code packs of every length", "[blocks]") {
  check_pack_codes<4, 32>();
  check_pack_codes<4, 8>();
  check_pack_codes<4, 4>();
  check_pack_codes<8, 16>();
  check_pack_codes<8, 8>();
  check_pack_codes<8, 4>();
}

TEST_CASE("the encode tables are encode() at every decision point", "[blocks]") {
  gpu_free::for_each_seed(3, [](std::uint64_t) {
    check_table_codes<NF4>();
    check_table_codes<FP4>();
    check_table_codes<Dynamic8>();
    check_table_codes<Custom16>();
    check_table_codes<Custom9>();
  });
}

TEST_CASE("the level tables are decode() for every code in every lane", "[blocks]") {
  gpu_free::for_each_seed(3, [](std::uint64_t) {
    check_table_levels<NF4>();
    check_table_levels<FP4>();
    check_table_levels<Dynamic8>();
    check_table_levels<Int8>();
    check_table_levels<Custom9>();
  });
}

TEST_CASE("ScaleSummer is the tree, for every size", "[blocks]") {
  std::vector<float> scales(5000);
  for (std::size_t i = 0; i < scales.size(); ++i)
    scales[i] = i % 97 == 5 ? float_from_bits(0x7FC00000u)
                            : static_cast<float>(mix(8, i) % 100000) * (i % 3 == 0 ? 1e-9f : 1.f);
  for (std::int64_t const size : {1, 7, 8, 9, 255, 2047, 2048, 2049, 5000}) {
    gpu_free::Seeded const seeded(static_cast<std::uint64_t>(size) % 4);
    DeviceBuffer<float> const in(
        std::span<float const>(scales.data(), static_cast<std::size_t>(size)));
    int const blocks = static_cast<int>(ceil_div(size, block::ScaleSummer::capacity));
    DeviceBuffer<double> sums(blocks * block::ScaleSummer::threads);
    DeviceBuffer<std::int64_t> counts(blocks * block::ScaleSummer::threads);
    run(sums_of_scales<std::int64_t>, blocks, block::ScaleSummer::threads, in.data(), size,
        sums.data(), counts.data());
    auto const sum = sums.host();
    auto const count = counts.host();
    for (int b = 0; b < blocks; ++b) {
      ScaleSumTree tree;
      for (std::int64_t i = b * 2048; i < b * 2048 + 2048; ++i)
        tree.append(i < size ? ScaleSum::of(scales[static_cast<std::size_t>(i)]) : ScaleSum{});
      for (int t = 0; t < block::ScaleSummer::threads; ++t) {
        auto const at = static_cast<std::size_t>(b * block::ScaleSummer::threads + t);
        REQUIRE(sum[at] == tree.total().sum);
        REQUIRE(count[at] == tree.total().count);
      }
    }
  }
}

TEST_CASE("sums over a warp", "[blocks]") {
  std::vector<int> values(64);
  for (std::size_t i = 0; i < 64; ++i) values[i] = static_cast<int>(mix(4, i) % 1000) - 300;
  DeviceBuffer<int> const in(values);
  gpu_free::for_each_seed(4, [&](std::uint64_t) {
    DeviceBuffer<int> out(64);
    DeviceBuffer<double> tree(64);
    run(warp_sums<int>, 1, 64, in.data(), out.data(), tree.data());
    for (std::size_t warp = 0; warp < 2; ++warp) {
      int sum = 0;
      for (std::size_t i = 0; i < 32; ++i) sum += values[warp * 32 + i];
      for (std::size_t i = 0; i < 32; ++i) {
        REQUIRE(out.host()[warp * 32 + i] == sum);
        REQUIRE(tree.host()[warp * 32 + i] == sum * 0x1p-30);
      }
    }
  });
}

TEMPLATE_LIST_TEST_CASE("a fused kernel over tiles", "[blocks]", Few) {
  using S = typename TestType::Scheme;
  using T = typename TestType::Type;
  for (std::int64_t const n : {1, 8, 500, 1000, 3000, 5000}) {
    gpu_free::Seeded const seeded(static_cast<std::uint64_t>(n) % 5);
    std::int64_t const cols = S::is_row_wise ? 8 * ((n + 7) / 8) : n;
    auto const values = values_of<T>(cols, 17);
    auto host = host_tensor<S>(1, cols, values);
    std::vector<T> expected(values.size());
    REQUIRE(host::dequantize(host.span(), expected).code == Errc::ok);
    for (T& x : expected) x = from_float<T>(to_float(x) > 0.f ? to_float(x) : 0.f);
    DeviceTensor<S> tensor(1, cols, 1);
    tensor.upload(host.span());
    DeviceBuffer<T> out(cols);
    run(decode_relu<S, T>, 2, 64, QuantizedSpan<S const>(tensor.span()), out.data());
    REQUIRE(differences(out.host(), expected) == "");
  }
}
