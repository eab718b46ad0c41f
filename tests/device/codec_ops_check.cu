// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// device::quantize, dequantize and gather_rows on a GPU against the host's, bit for bit. Where
// there is no GPU the tests compile it and it skips. By hand:
//
//   nvcc -std=c++20 -O2 -arch=sm_90 -I include -I tests tests/device/codec_ops_check.cu
//
//   a.out [all|random|tails|special|gather] [--quick]     --quick: for compute-sanitizer
#include "device/support.cuh"

namespace {

using namespace device_test;

bool quick = false;

struct Custom16 {
  static constexpr auto name = "custom16";
  static constexpr Codebook codebook{-1.f,  -.8f, -.5f, -.35f, -.2f, -.1f, -.02f, 0.f,
                                     .015f, .08f, .2f,  .3f,   .45f, .6f,  .75f,  .9f};
};
/// Out of order, with both zeros and a gap too small to cut into steps.
struct Custom9 {
  static constexpr auto name = "custom9";
  static constexpr Codebook codebook{.5f, -0.f, 1.f, -1.f, 0.f, 1e-3f, 2e-3f, -.25f, .25f};
};

/// A tensor's view in device memory, its codes moved by `shift` bytes from any alignment.
template <SchemeSpec S>
struct DeviceTensor {
  DeviceTensor(std::int64_t rows, std::int64_t cols, int shift = 0)
      : p(placement<S>(rows, cols)), storage(p.bytes + shift + 256) {
    view = place<S>(storage.data() + 128, rows, cols).values;
    if (shift != 0) {  // only codes may have any alignment
      shifted = new DeviceArray<std::uint8_t>(codes_bytes<S>(p.size) + shift);
      view.codes = shifted->data() + shift;
    }
  }
  ~DeviceTensor() { delete shifted; }

  Placement p;
  DeviceArray<std::uint8_t> storage;
  DeviceArray<std::uint8_t>* shifted = nullptr;
  QuantizedSpan<S> view;
};

/// Bytes of a device tensor that differ from a host tensor's, piece by piece.
template <SchemeSpec S>
std::uint64_t differences(DeviceTensor<S> const& device, QuantizedSpan<S> host) {
  std::uint64_t wrong = 0;
  auto const compare = [&](void const* on_device, void const* on_host, std::int64_t bytes) {
    PinnedArray<std::uint8_t> copy(bytes);
    require(
        cudaMemcpy(copy.data(), on_device, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost),
        "compare");
    wrong += differing_bytes(copy.data(), on_host, static_cast<std::uint64_t>(bytes));
  };
  auto const& view = device.view;
  compare(view.codes, host.codes, codes_bytes<S>(host.size));
  if constexpr (S::is_nested) {
    std::int64_t const blocks = block_count<S>(host.size);
    compare(view.scales.absmax.codes, host.scales.absmax.codes, blocks);
    compare(view.scales.absmax.scales.absmax, host.scales.absmax.scales.absmax,
            4 * block_count<AbsmaxScheme>(blocks));
    compare(view.scales.offset, host.scales.offset, host.size > 0 ? 4 : 0);
  } else if constexpr (S::is_row_wise) {
    compare(view.scales.absmax, host.scales.absmax,
            4 * block_count<S>(host.size, host.scales.row_length));
  } else {
    compare(view.scales.absmax, host.scales.absmax, 4 * block_count<S>(host.size));
  }
  return wrong;
}

/// Quantizes and decodes on both sides; what differs, in bytes.
template <SchemeSpec S, Element T>
std::uint64_t check(std::int64_t rows, std::int64_t cols, std::uint64_t seed, int value_shift,
                    int code_shift, bool specials) {
  std::int64_t const n = rows * cols;
  DeviceArray<T> values(n + value_shift), decoded(n + value_shift);
  fill(values.data() + value_shift, n, seed, specials);
  PinnedArray<T> host_values(n + 1), host_decoded(n + 1);
  DeviceTensor<S> tensor(rows, cols, code_shift);
  DeviceArray<std::uint8_t> workspace(quantize_workspace_bytes<S>(n));
  DeviceArray<unsigned long long> counter(1);
  counter.poison(0);
  Workspace const scratch{workspace.data(), quantize_workspace_bytes<S>(n)};
  QuantizeOptions options{.propagate_non_finite = true, .non_finite_count = counter.data()};
  require(device::quantize(values.data() + value_shift, tensor.view, scratch, nullptr, Nearest{},
                           options),
          "quantize");
  require(device::dequantize(tensor.view, decoded.data() + value_shift, nullptr), "dequantize");
  require(cudaMemcpy(host_values.data(), values.data() + value_shift, n * sizeof(T),
                     cudaMemcpyDeviceToHost),
          "download");

  QuantizedTensor<S> host_tensor(rows, cols);
  unsigned long long found = 0;
  options.non_finite_count = &found;
  auto const host_span = std::span<T const>(host_values.data(), static_cast<std::size_t>(n));
  require(
      host::quantize_parallel(executor_for(n), host_span, host_tensor.span(), Nearest{}, options),
      "host quantize");
  auto const host_out = std::span<T>(host_decoded.data(), static_cast<std::size_t>(n));
  require(host::dequantize_parallel(executor_for(n), host_tensor.span(), host_out),
          "host dequantize");

  std::uint64_t wrong = differences(tensor, host_tensor.span());
  require(cudaMemcpy(host_values.data(), decoded.data() + value_shift, n * sizeof(T),
                     cudaMemcpyDeviceToHost),
          "download");
  wrong += count_if(static_cast<std::uint64_t>(n), [&](std::uint64_t i) {
    T const a = host_values.data()[i], b = host_decoded.data()[i];
    bool const both_nan = to_float(a) != to_float(a) && to_float(b) != to_float(b);
    return !both_nan && element_bits(a) != element_bits(b);  // which NaN it is, is not specified
  });
  wrong += counter.download()[0] != found;
  return wrong;
}

template <SchemeSpec S>
constexpr std::int64_t columns_for(std::int64_t n) {
  return S::is_row_wise ? (n % 4096 == 0 ? 4096 : n % 24 == 0 ? n / 24 : n) : n;
}

template <SchemeSpec S, Element T>
void random_values() {
  std::int64_t const chunk = std::int64_t{1} << (quick ? 14 : 28);
  std::uint64_t wrong = 0;
  int const chunks = quick ? 2 : 4;  // 2^30 values
  for (std::uint64_t seed = 1; seed <= static_cast<std::uint64_t>(chunks); ++seed) {
    std::int64_t const cols = columns_for<S>(chunk);
    wrong += check<S, T>(chunk / cols, cols, seed, 0, 0, seed % 2 == 0);
  }
  report("random " + name_of<S>() + " " + dtype_name<T>(),
         static_cast<std::uint64_t>(chunks * chunk), wrong);
}

template <SchemeSpec S, Element T>
void tails() {
  std::uint64_t wrong = 0, count = 0;
  constexpr int in_vector = 16 / static_cast<int>(sizeof(T));
  std::int64_t const step = quick ? 61 : 1;
  for (std::int64_t n = 1; n <= (quick ? 140 : 4097); n += n < 140 || n > 4090 ? step : 127) {
    for (int const whole : {0, 1, 5}) {
      if (quick && whole == 5) continue;
      std::int64_t const size = n + whole * 8192;
      auto const shift = static_cast<int>(mix(3, static_cast<std::uint64_t>(size)) % 64);
      wrong += check<S, T>(1, size, static_cast<std::uint64_t>(size), 0, 0, whole == 1);
      wrong += check<S, T>(1, size, static_cast<std::uint64_t>(size), shift % in_vector, shift / 4,
                           whole == 1);
      count += 2;
    }
  }
  if constexpr (S::is_row_wise)
    for (std::int64_t const cols :
         {1, 7, 8, 63, 499, 4095, 4096, 4104, 16384, 28672, 40000, 70001}) {
      if (quick && cols > 5000) continue;
      wrong += check<S, T>(37, cols, static_cast<std::uint64_t>(cols), 0, 0, false);
      wrong += check<S, T>(37, cols, static_cast<std::uint64_t>(cols), 1, 3, true);
      count += 2;
    }
  report("tails, any alignment " + name_of<S>() + " " + dtype_name<T>() + ", tensors", count,
         wrong);
}

/// Every bit pattern of a 16-bit type as the value of a block, with each other one as its scale.
template <SchemeSpec S, Element T>
void patterns() {
  std::vector<T> values;
  for (std::uint32_t scale = 0; scale < 0x10000; scale += quick ? 0x7FFF : 257)
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      if (bits % (S::is_row_wise ? 1024 : S::block_size) == 0) {
        values.push_back(element_from_bits<T>(static_cast<std::uint16_t>(scale)));
      } else {
        values.push_back(element_from_bits<T>(static_cast<std::uint16_t>(bits)));
      }
    }
  auto const n = static_cast<std::int64_t>(values.size());
  std::int64_t const cols = S::is_row_wise ? 1024 : n;
  QuantizedTensor<S> host_tensor(n / cols, cols);
  QuantizeOptions const options{.propagate_non_finite = true};
  require(host::quantize_parallel(host::Threads{}, values, host_tensor.span(), Nearest{}, options),
          "host quantize");
  DeviceArray<T> in(n);
  in.upload(values.data());
  DeviceTensor<S> tensor(n / cols, cols);
  DeviceArray<std::uint8_t> workspace(quantize_workspace_bytes<S>(n));
  require(device::quantize(in.data(), tensor.view,
                           {workspace.data(), quantize_workspace_bytes<S>(n)}, nullptr),
          "quantize");
  report("all patterns " + name_of<S>() + " " + dtype_name<T>(), static_cast<std::uint64_t>(n),
         differences(tensor, host_tensor.span()));
}

template <SchemeSpec S, Element T>
std::uint64_t gather(std::int64_t rows, std::int64_t cols, std::int64_t stride,
                     std::int64_t origin) {
  std::int64_t const size = origin + rows * stride;
  std::int64_t const row_length = S::is_row_wise ? stride : size;
  QuantizedTensor<S> host_tensor(size / row_length, row_length);
  std::vector<T> values;
  for (std::int64_t i = 0; i < host_tensor.span().size; ++i)
    values.push_back(value_at<T>(9, static_cast<std::uint64_t>(i)));
  require(host::quantize(values, host_tensor.span()), "host quantize");
  require(host::dequantize(host_tensor.span(), values), "host dequantize");
  DeviceTensor<S> tensor(size / row_length, row_length);
  tensor.storage.poison(0);
  require(cudaMemcpy(tensor.view.codes, host_tensor.span().codes,
                     static_cast<std::size_t>(host_tensor.bytes()), cudaMemcpyHostToDevice),
          "upload");
  std::vector<std::int64_t> index;
  for (std::int64_t i = 0; i < 3 * rows; ++i)
    index.push_back(static_cast<std::int64_t>(mix(4, static_cast<std::uint64_t>(i)) % rows));
  index[1] = -1, index[2] = rows;
  auto const count = static_cast<std::int64_t>(index.size());
  DeviceArray<std::int64_t> indices(count);
  indices.upload(index.data());
  DeviceArray<T> out(count * cols);
  QuantizedMatrix<S> const table{tensor.view, rows, cols, stride, origin};
  require(device::gather_rows(table, indices.data(), count, out.data(), nullptr), "gather_rows");
  auto const got = out.download();
  std::uint64_t wrong = 0;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t c = 0; c < cols; ++c) {
      T const x = got[static_cast<std::size_t>(i * cols + c)];
      std::int64_t const row = index[static_cast<std::size_t>(i)];
      if (row < 0 || row >= rows) {
        wrong += to_float(x) == to_float(x);
      } else {
        T const y = values[static_cast<std::size_t>(origin + row * stride + c)];
        wrong += std::memcmp(&x, &y, sizeof(T)) != 0;
      }
    }
  return wrong;
}

template <SchemeSpec S, Element T>
void gathers() {
  std::uint64_t wrong = gather<S, T>(50, 4096, 4096, 0);
  wrong += gather<S, T>(50, 5000, 5000, 0);
  wrong += gather<S, T>(50, 77, 77, 0);
  if constexpr (!S::is_row_wise) {
    wrong += gather<S, T>(50, 4000, 4104, 40);
    wrong += gather<S, T>(50, 33, 101, 3);
  }
  report("gather " + name_of<S>() + " " + dtype_name<T>() + ", lookups", 5 * 150, wrong);
}

template <class Use>
void with_schemes(Use use) {
  use(Tag<Scheme<Format<NF4>>>{});
  use(Tag<Scheme<Format<NF4>, DoubleQuant<true>>>{});
  use(Tag<Scheme<Format<FP4>>>{});
  use(Tag<Scheme<Format<FP4>, BlockSize<128>, DoubleQuant<true>>>{});
  use(Tag<Scheme<Format<Int8>>>{});
  use(Tag<Scheme<Format<Int8>, RowWise>>{});
  use(Tag<Scheme<Format<Dynamic8>, BlockSize<256>>>{});
  use(Tag<Scheme<Format<Custom16>, BlockSize<32>>>{});
}
template <class Use>
void with_more_schemes(Use use) {
  use(Tag<Scheme<Format<NF4>, BlockSize<16>>>{});
  use(Tag<Scheme<Format<NF4>, BlockSize<512>>>{});
  use(Tag<Scheme<Format<NF4>, BlockSize<4096>>>{});
  use(Tag<Scheme<Format<FP4>, BlockSize<2048>>>{});
  use(Tag<Scheme<Format<Dynamic8>, RowWise>>{});
  use(Tag<Scheme<Format<Int8>, BlockSize<1024>, DoubleQuant<true>>>{});
  use(Tag<Scheme<Format<Custom9>, BlockSize<64>>>{});
}

}  // namespace

int main(int argc, char** argv) {
  need_device();
  Arguments const asked(argc, argv);
  quick = asked.quick;
  if (quick) device_arena.limit(std::int64_t{256} << 20), host_arena.limit(std::int64_t{64} << 20);
  auto const runs = [&](char const* name) { return asked.runs(name); };
  if (runs("special"))
    with_schemes([](auto scheme) {
      using S = typename decltype(scheme)::type;
      patterns<S, __half>();
      patterns<S, __nv_bfloat16>();
    });
  auto const for_all = [](auto check) {
    return [=](auto scheme) { with_dtypes([=](auto dtype) { check(scheme, dtype); }); };
  };
  auto const all_tails = for_all(
      [](auto s, auto t) { tails<typename decltype(s)::type, typename decltype(t)::type>(); });
  if (runs("tails")) with_schemes(all_tails), with_more_schemes(all_tails);
  if (runs("gather"))
    with_schemes(for_all(
        [](auto s, auto t) { gathers<typename decltype(s)::type, typename decltype(t)::type>(); }));
  if (runs("random"))
    with_schemes(for_all([](auto s, auto t) {
      random_values<typename decltype(s)::type, typename decltype(t)::type>();
    }));
  return finish("device = host, bit for bit");
}
