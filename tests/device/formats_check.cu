// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every format of format/formats.hpp on a GPU, under the scheme that it asks for and under scales
// of other types: device::quantize and dequantize against the host's, bit for bit, and
// device::matmul against a float64 product. Where there is no GPU it skips. By hand:
//
//   nvcc -std=c++20 -O2 -arch=sm_90 -I include -I tests tests/device/formats_check.cu
//
//   a.out [all|random|tails|special|bytes|matmul] [--quick]     --quick: for compute-sanitizer
#include "qfmt/format/formats.hpp"
#include "qfmt/ops/matmul.cuh"

#include <cmath>
#include <random>

#include "device/support.cuh"

namespace {

using namespace device_test;

bool quick = false;

template <class Use>
void with_formats(Use use) {
  for_each_format(Formats{}, [&]<class F>() { use(Tag<Scheme<Format<F>>>{}); });
}
/// Scales of every type, with and without a scale of the tensor, over levels of every kind.
template <class Use>
void with_other_scales(Use use) {
  use(Tag<Scheme<Format<NF4>, ScaleType<E8M0>>>{});
  use(Tag<Scheme<Format<NF4>, BlockSize<16>, ScaleType<E4M3>, TensorScale<true>>>{});
  use(Tag<Scheme<Format<NF4>, ScaleType<float16>>>{});
  use(Tag<Scheme<Format<NF3>, BlockSize<4096>, ScaleType<bfloat16>>>{});
  use(Tag<Scheme<Format<Int8>, ScaleType<float16>, TensorScale<true>>>{});
  use(Tag<Scheme<Format<FP8E4M3>, BlockSize<32>, ScaleType<E8M0>>>{});
  use(Tag<Scheme<Format<FP8E5M2>, BlockSize<16>, ScaleType<E4M3>, TensorScale<true>>>{});
  use(Tag<Scheme<Format<FP8E4M3>, RowWise>>{});
  use(Tag<Scheme<Format<FP8E5M2>, BlockSize<256>, DoubleQuant<true>>>{});
  use(Tag<Scheme<Format<MXFP4>, DoubleQuant<false>>>{});
  use(Tag<Scheme<Format<NVFP4>, TensorScale<false>, ScaleType<E4M3>>>{});
  use(Tag<Scheme<Format<SymmetricInt4>, BlockSize<32>, ScaleType<float16>>>{});
  use(Tag<Scheme<Format<SymmetricInt4>, BlockSize<256>, ScaleType<E8M0>>>{});
  use(Tag<Scheme<Format<AsymmetricInt4>, BlockSize<32>, ScaleType<float16>>>{});
  use(Tag<Scheme<Format<AsymmetricInt4>, BlockSize<256>>>{});
}

template <SchemeSpec S>
std::string scale_name() {
  if constexpr (S::is_typed) {
    using Type = typename S::scale::type;
    std::string name = std::is_same_v<Type, E8M0>    ? "/e8m0"
                       : std::is_same_v<Type, E4M3>  ? "/e4m3"
                       : std::is_same_v<Type, float> ? "/f32"
                       : Float16Like<Type>           ? "/fp16"
                                                     : "/bf16";
    if constexpr (S::has_tensor_scale) name += "+tensor";
    if constexpr (S::has_zero_point) name += "+zero";
    return name;
  } else {
    return "";
  }
}
template <SchemeSpec S, Element T>
std::string title(char const* what) {
  return std::string(what) + " " + name_of<S>() + scale_name<S>() + " " + dtype_name<T>();
}

/// One row; RowWise takes it as a few.
template <SchemeSpec S>
constexpr std::int64_t rows_for(std::int64_t n) {
  return S::is_row_wise && n % 8 == 0 ? 8 : 1;
}

/// Calls use(offset, bytes) for each piece of a tensor that `place` laid out.
template <SchemeSpec S, class Use>
void for_each_piece(std::int64_t rows, std::int64_t cols, Use use) {
  Placement const p = placement<S>(rows, cols);
  std::int64_t const blocks = block_count<S>(p.size, cols);
  use(std::int64_t{0}, codes_bytes<S>(p.size));
  if constexpr (S::is_typed) {
    use(p.scales, blocks * static_cast<std::int64_t>(sizeof(stored_scale_t<S>)));
    if constexpr (S::has_tensor_scale) use(p.tensor_scale, std::int64_t{4});
    if constexpr (S::has_zero_point) use(p.zero_point, blocks);
  } else if constexpr (S::is_nested) {
    use(p.scales, blocks);
    use(p.absmax2, 4 * block_count<AbsmaxScheme>(blocks));
    use(p.offset, std::int64_t{4});
  } else {
    use(p.scales, 4 * blocks);
  }
}

template <Element T>
bool same_value(T a, T b) {
  bool const both_nan = to_float(a) != to_float(a) && to_float(b) != to_float(b);
  return both_nan || element_bits(a) == element_bits(b);  // which NaN it is, is not specified
}

/// Values that differ where both sides decode `view`, a device tensor, and `host`, its like.
template <SchemeSpec S, Element T>
std::uint64_t decoded_differences(QuantizedSpan<S> view, QuantizedSpan<S> host, int shift) {
  DeviceArray<T> decoded(host.size + shift);
  require(device::dequantize(view, decoded.data() + shift, nullptr), "dequantize");
  auto const got = decoded.download();
  std::vector<T> expected(static_cast<std::size_t>(host.size));
  require(host::dequantize_parallel(executor_for(host.size), host, expected), "host dequantize");
  return count_if(expected.size(), [&](std::uint64_t i) {
    return !same_value(got[i + static_cast<std::size_t>(shift)], expected[i]);
  });
}

/// Quantizes and decodes on both sides: what differs, in bytes and values. With a shift the values
/// begin off their vectors' alignment and the codes at any byte.
template <SchemeSpec S, Element T>
std::uint64_t differences(std::vector<T> const& values, int shift = 0) {
  auto const n = static_cast<std::int64_t>(values.size());
  std::int64_t const rows = rows_for<S>(n), cols = n / rows;
  DeviceArray<T> in(n + shift);
  if (n > 0)
    require(cudaMemcpy(in.data() + shift, values.data(), values.size() * sizeof(T),
                       cudaMemcpyHostToDevice),
            "upload");
  std::int64_t const bytes = storage_bytes<S>(rows, cols);
  DeviceArray<std::uint8_t> storage(bytes), elsewhere(codes_bytes<S>(n) + shift);
  DeviceArray<std::uint8_t> workspace(quantize_workspace_bytes<S>(n));
  DeviceArray<unsigned long long> counter(1);
  counter.poison(0);
  auto view = place<S>(storage.data(), rows, cols).values;
  if (shift > 0) view.codes = elsewhere.data() + shift;
  QuantizeOptions options{.propagate_non_finite = true, .non_finite_count = counter.data()};
  require(
      device::quantize(in.data() + shift, view, {workspace.data(), quantize_workspace_bytes<S>(n)},
                       nullptr, Nearest{}, options),
      "quantize");
  auto got = storage.download();
  if (shift > 0) std::copy_n(elsewhere.download().begin() + shift, codes_bytes<S>(n), got.begin());

  QuantizedTensor<S> host(rows, cols);
  unsigned long long found = 0;
  options.non_finite_count = &found;
  require(host::quantize_parallel(executor_for(n), values, host.span(), Nearest{}, options),
          "host quantize");
  std::uint64_t wrong = counter.download()[0] != found;
  for_each_piece<S>(rows, cols, [&](std::int64_t at, std::int64_t size) {
    wrong +=
        differing_bytes(got.data() + at, host.span().codes + at, static_cast<std::uint64_t>(size));
  });
  return wrong + decoded_differences<S, T>(view, host.span(), shift);
}

template <Element T>
std::vector<T> some_values(std::int64_t n, std::uint64_t seed, bool specials) {
  DeviceArray<T> values(n);
  fill(values.data(), n, seed, specials);
  return values.download();
}

template <SchemeSpec S, Element T>
void random_values() {
  std::int64_t const n = std::int64_t{1} << (quick ? 14 : 23);
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = 1; seed <= 2; ++seed)
    wrong += differences<S, T>(some_values<T>(n, seed, seed == 2));
  report(title<S, T>("random"), static_cast<std::uint64_t>(2 * n), wrong);
}

template <SchemeSpec S, Element T>
void tails() {
  std::uint64_t wrong = 0, count = 0;
  constexpr int in_vector = 16 / static_cast<int>(sizeof(T));
  std::int64_t const step = quick ? 13 : 1;
  for (std::int64_t n = 1; n <= (quick ? 40 : 4097); n += n < 140 || n > 4090 ? step : 127)
    for (std::int64_t const size : {n, n + 8192}) {
      auto const seed = static_cast<std::uint64_t>(size);
      auto const values = some_values<T>(size, seed, n % 2 == 0);
      auto const shift = static_cast<int>(mix(3, seed) % in_vector);
      wrong += differences<S, T>(values) + differences<S, T>(values, shift);
      count += 2;
    }
  report(title<S, T>("tails, any alignment") + ", tensors", count, wrong);
}

/// Every bit pattern of a 16-bit type in a block, with each of many others as its first value.
template <SchemeSpec S, Element T>
void patterns() {
  std::vector<T> values;
  for (std::uint32_t first = 1; first < 0x10000; first += quick ? 0x7FFF : 0x3F1)
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      bool const leads = bits % (S::is_row_wise ? 1024 : S::block_size) == 0;
      values.push_back(element_from_bits<T>(static_cast<std::uint16_t>(leads ? first : bits)));
    }
  report(title<S, T>("all patterns"), values.size(), differences<S, T>(values));
}

/// Any bytes as codes and scales: NaN codes and scales, negative and infinite ones among them.
template <SchemeSpec S, Element T>
void any_bytes() {
  std::int64_t const n = quick ? 5000 : 2000003, rows = rows_for<S>(n), cols = n / rows;
  QuantizedTensor<S> host(rows, cols);
  auto* const bytes = host.span().codes;
  for (std::int64_t i = 0; i < storage_bytes<S>(rows, cols); ++i)
    bytes[i] = static_cast<std::uint8_t>(mix(77, static_cast<std::uint64_t>(i)) >> 13);
  if constexpr (S::has_zero_point)  // what a file may hold: 0..15
    for (std::int64_t b = 0; b < block_count<S>(n); ++b) host.span().scales.zero_point[b] &= 15;
  DeviceArray<std::uint8_t> storage(storage_bytes<S>(rows, cols));
  storage.upload(bytes);
  report(title<S, T>("any bytes"), static_cast<std::uint64_t>(n),
         decoded_differences<S, T>(place<S>(storage.data(), rows, cols).values, host.span(), 0));
}

/// exact[m, n] = x[m] * w[n] + bias[n] of decoded weights, a thread an element.
template <Element T>
__global__ void exact_product(float const* w, T const* x, T const* bias, std::int64_t m,
                              std::int64_t rows, std::int64_t cols, double* exact) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= m * rows) return;
  double sum = static_cast<double>(to_float(bias[i % rows]));
  for (std::int64_t k = 0; k < cols; ++k)
    sum += static_cast<double>(w[i % rows * cols + k]) *
           static_cast<double>(to_float(x[i / rows * cols + k]));
  exact[i] = sum;
}

template <class T>
std::vector<T> normal_values(std::int64_t n, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.f, deviation);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& v : values) v = from_float<T>(normal(random));
  return values;
}

/// The bounds of the GPU-free tests, root mean square of the error over that of the results, with
/// the rounding to T in it; float16 rounds eight times finer than bfloat16.
template <Element T>
constexpr double matmul_bound() {
  return sizeof(T) == 4 ? 1e-6 : Float16Like<T> ? 5e-4 : 4e-3;
}

/// The error of y = x * w^T + bias relative to float64, both as above.
template <SchemeSpec S, Element T>
double matmul_error(QuantizedMatrix<S> const& w, float const* decoded, std::int64_t m) {
  DeviceArray<T> x(m * w.cols), bias(w.rows), y(m * w.rows);
  DeviceArray<double> exact(m * w.rows);
  x.upload(normal_values<T>(m * w.cols, 1.f, 11).data());
  bias.upload(normal_values<T>(w.rows, 1.f, 13).data());
  y.poison(0xFF);  // NaN
  require(device::matmul(w, x.data(), m, y.data(), bias.data(), {}, nullptr), "matmul");
  exact_product<T><<<static_cast<unsigned>(ceil_div(m * w.rows, 128)), 128>>>(
      decoded, x.data(), bias.data(), m, w.rows, w.cols, exact.data());
  require(cudaGetLastError(), "exact product");
  auto const got = y.download();
  auto const sums = exact.download();
  double error = 0, size = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    double const d = static_cast<double>(to_float(got[i])) - sums[i];
    error += d * d;
    size += sums[i] * sums[i];
  }
  return std::sqrt(error / size);
}

template <SchemeSpec S, Element T>
void products() {
  double worst = 0;
  std::uint64_t count = 0, wrong = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> shapes{{9, 333}, {9, 512}};
  if (!quick) shapes.insert(shapes.end(), {{300, 4096}, {1031, 1024}, {40, 11008}});
  for (auto const& [rows, cols] : shapes) {
    QuantizedTensor<S> host(rows, cols);
    require(host::quantize(normal_values<float>(rows * cols, .02f, 5), host.span()), "weights");
    DeviceArray<std::uint8_t> storage(storage_bytes<S>(rows, cols));
    storage.upload(host.span().codes);
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    require(host::dequantize(host.span(), values), "weights");
    DeviceArray<float> decoded(rows * cols);
    decoded.upload(values.data());
    auto const w = place<S>(storage.data(), rows, cols);
    for (std::int64_t const m : {1, 3, 8, 33, 130}) {
      if (quick && m > 3) continue;
      double const e = matmul_error<S, T>(w, decoded.data(), m);
      worst = std::max(worst, e);
      wrong += !(e < matmul_bound<T>());  // NaN too
      ++count;
    }
  }
  char error[64];
  std::snprintf(error, sizeof error, ", error %.2g < %.2g", worst, matmul_bound<T>());
  report(title<S, T>("matmul") + error, count, wrong);
}

template <class Check>
auto for_all_dtypes(Check check) {
  return [=](auto scheme) { with_dtypes([=](auto dtype) { check(scheme, dtype); }); };
}

}  // namespace

int main(int argc, char** argv) {
  need_device();
  Arguments const asked(argc, argv);
  quick = asked.quick;
  device_arena.limit(std::int64_t{quick ? 256 : 4096} << 20);
  auto const runs = [&](char const* name) { return asked.runs(name); };

  auto const codecs = [&](auto s, auto t) {
    using S = typename decltype(s)::type;
    using T = typename decltype(t)::type;
    if (runs("random")) random_values<S, T>();
    if (runs("tails")) tails<S, T>();
    if (runs("bytes")) any_bytes<S, T>();
    if constexpr (sizeof(T) == 2)
      if (runs("special")) patterns<S, T>();
  };
  with_formats(for_all_dtypes(codecs));
  with_other_scales([&](auto s) { codecs(s, Tag<__nv_bfloat16>{}); });
  if (runs("matmul"))
    with_formats(for_all_dtypes([](auto s, auto t) {
      products<typename decltype(s)::type, typename decltype(t)::type>();
    }));
  return finish("every format: the host's bytes and values, matmul within its bound");
}
