// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() on a GPU against the host's: device::quantize_activations byte for byte,
// device::int8_matmul bit for bit under threshold 0 and else within a bound for the sums of outlier
// columns, whose order is a kernel's own; graphs, streams and repetition. Where there is no GPU it
// skips. By hand:
//
//   nvcc -std=c++20 -O2 -gencode=arch=compute_90a,code=sm_90a -I include -I tests
//   tests/device/int8_check.cu
//
//   a.out [all|quantize|matmul|graph|streams|repeat] [--quick]   --quick: for compute-sanitizer
#include "qfmt/host/int8_matmul.hpp"
#include "qfmt/ops/int8_matmul.cuh"

#include <cmath>
#include <limits>
#include <memory>

#include "device/support.cuh"

namespace {

using namespace device_test;

bool quick = false;

/// Near-Gaussian, of deviation 1, and never beyond 3.47.
float gaussian_at(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t const r = mix(seed, i);
  std::int64_t sum = -131070;
  for (int k = 0; k < 4; ++k) sum += static_cast<std::int64_t>(r >> 16 * k & 0xFFFF);
  return static_cast<float>(sum) * 0x1.bb67aep-16f;
}
template <Element T>
std::vector<T> gaussians(std::int64_t n, std::uint64_t seed, float deviation = 1.f) {
  std::vector<T> values(static_cast<std::size_t>(n));
  on_all_cores(values.size(), [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i)
      values[i] = from_float<T>(deviation * gaussian_at(seed, i));
  });
  return values;
}

/// Activations (m, k) with `outliers` outlier columns: half of them in every row, half in one.
template <Element T>
std::vector<T> activations(std::int64_t m, std::int64_t k, std::int64_t outliers,
                           std::uint64_t seed) {
  auto x = gaussians<T>(m * k, seed);
  std::int64_t const first =
      static_cast<std::int64_t>(mix(seed, 1) % static_cast<std::uint64_t>(k));
  for (std::int64_t c = 0; c < std::min(outliers, k); ++c) {
    std::int64_t const column = (first + c * (k / std::min(outliers, k))) % k;
    auto const one = static_cast<std::int64_t>(mix(seed, static_cast<std::uint64_t>(c) + 2) %
                                               static_cast<std::uint64_t>(m));
    for (std::int64_t r = 0; r < m; ++r)
      if (c % 2 == 0 || r == one)
        x[static_cast<std::size_t>(r * k + column)] =
            from_float<T>((c % 3 == 0 ? -6.f : 60.f) * (c % 7 == 0 ? 16.f : 1.f));
  }
  return x;
}

// --- Activations

/// Bytes that differ between the device's quantized activations and the host's. The device's rows
/// of codes are `stride` apart and begin `shift` bytes behind a multiple of 256.
template <Element T>
std::uint64_t quantize_differences(std::vector<T> const& x, std::int64_t m, std::int64_t k,
                                   float threshold, std::int64_t stride, int shift) {
  std::int64_t const words = ceil_div(k, outlier_word_bits);
  std::vector<std::uint8_t> host_codes(static_cast<std::size_t>(m * k));
  std::vector<float> host_absmax(static_cast<std::size_t>(m));
  std::vector<std::uint32_t> host_outliers(static_cast<std::size_t>(words));
  QuantizedActivations<> a;
  a.values = {{host_codes.data(), {host_absmax.data(), k}, m * k}, m, k};
  a.outliers = threshold > 0.f ? host_outliers.data() : nullptr;
  require(host::quantize_activations_parallel(executor_for(m * k), x.data(), threshold, a),
          "host quantize_activations");

  DeviceArray<T> from(m * k + shift);
  if (m > 0)
    require(cudaMemcpy(from.data() + shift, x.data(), x.size() * sizeof(T), cudaMemcpyHostToDevice),
            "upload");
  DeviceArray<std::uint8_t> codes(m * stride + shift);
  DeviceArray<float> absmax(m);
  DeviceArray<std::uint32_t> outliers(words);
  QuantizedActivations<> d;
  d.values = {{codes.data() + shift, {absmax.data(), stride}, m * stride}, m, k, stride};
  d.outliers = threshold > 0.f ? outliers.data() : nullptr;
  require(device::quantize_activations(from.data() + shift, threshold, d, nullptr),
          "quantize_activations");
  auto const got = codes.download();
  std::uint64_t wrong = 0;
  for (std::int64_t r = 0; r < m; ++r)
    wrong += differing_bytes(got.data() + shift + r * stride, host_codes.data() + r * k,
                             static_cast<std::uint64_t>(k));
  wrong += differing_bytes(absmax.download().data(), host_absmax.data(), host_absmax.size() * 4);
  if (threshold > 0.f)
    wrong +=
        differing_bytes(outliers.download().data(), host_outliers.data(), host_outliers.size() * 4);
  return wrong;
}

template <Element T>
std::uint64_t quantize_differences(std::vector<T> const& x, std::int64_t m, std::int64_t k,
                                   float threshold) {
  return quantize_differences(x, m, k, threshold, ceil_div(k, 64) * 64, 0) +
         quantize_differences(x, m, k, threshold, k + 3, 1);
}

template <Element T>
void quantize_values() {
  std::uint64_t wrong = 0, count = 0;
  for (std::int64_t const k : {1, 3, 499, 4095, 4096, 8192, 8200, 100003})
    for (std::int64_t const m : {0, 1, 33}) {
      if (quick && m * k > 20000) continue;
      DeviceArray<T> filled(m * k);
      for (bool const specials : {false, true})
        for (float const threshold : {0.f, 6.f, .3f}) {
          fill(filled.data(), m * k, static_cast<std::uint64_t>(k + m), specials);
          wrong += quantize_differences(filled.download(), m, k, threshold);
          wrong += quantize_differences(activations<T>(std::max<std::int64_t>(m, 1), k, 5, 9), m, k,
                                        threshold);
          count += static_cast<std::uint64_t>(4 * m * k);
        }
    }
  report(std::string("quantize_activations, any values ") + dtype_name<T>(), count, wrong);
}

/// Every bit pattern of a 16-bit type under many an absmax; what is larger than a row's absmax is
/// cut down to it, but NaN and the infinities stay in some of the rows.
template <Element T>
void quantize_patterns() {
  constexpr std::int64_t k = 65536;
  std::vector<T> x;
  std::int64_t m = 0;
  for (std::uint32_t most = 1; most < infinity_bits<T>(); most += quick ? 0x2FFF : 0x5F, ++m)
    for (std::uint32_t bits = 0; bits < k; ++bits) {
      std::uint32_t const size = bits & 0x7FFF;
      bool const keeps = size <= most || (m % 16 == 15 && size >= infinity_bits<T>());
      x.push_back(
          element_from_bits<T>(static_cast<std::uint16_t>(keeps ? bits : (bits & 0x8000) | most)));
    }
  std::uint64_t wrong = 0;
  for (float const threshold : {0.f, 6.f}) wrong += quantize_differences(x, m, k, threshold);
  report(std::string("quantize_activations, all patterns ") + dtype_name<T>(), 4 * x.size(), wrong);
}

// --- Products

/// Where the weights of outlier columns come from.
enum class Kept { none, all, third, in_type };
constexpr char const* name_of_kept[] = {"int8", "kept", "some kept", "16-bit weights"};

/// Weights and bias on both sides. A slice leaves out the first rows and columns.
template <Element T>
struct Layer {
  std::int64_t n, k;
  std::vector<T> values, decoded, bias, third;
  std::vector<std::int64_t> columns;
  QuantizedTensor<LlmInt8> tensor;
  DeviceArray<std::uint8_t> storage;
  DeviceArray<T> device_values, device_third, device_bias;
  DeviceArray<std::int64_t> device_columns;

  Layer(std::int64_t rows, std::int64_t cols, std::uint64_t seed)
      : n(rows),
        k(cols),
        values(gaussians<T>(n * k, seed, .02f)),
        decoded(values.size()),
        bias(gaussians<T>(n, seed + 1)),
        tensor(n, k),
        storage(storage_bytes<LlmInt8>(n, k)),
        device_values(n * k),
        device_third(n * ceil_div(k, 3)),
        device_bias(n),
        device_columns(ceil_div(k, 3)) {
    require(host::quantize_parallel(executor_for(n * k), values, tensor.span()), "weights");
    require(host::dequantize_parallel(executor_for(n * k), tensor.span(), decoded), "weights");
    for (std::int64_t c = 0; c < k; c += 3) columns.push_back(c);
    for (std::int64_t r = 0; r < n; ++r)
      for (std::int64_t const c : columns)
        third.push_back(values[static_cast<std::size_t>(r * k + c)]);
    storage.upload(tensor.span().codes);
    device_values.upload(values.data());
    device_third.upload(third.data());
    device_bias.upload(bias.data());
    device_columns.upload(columns.data());
  }

  std::int64_t third_count() const { return static_cast<std::int64_t>(columns.size()); }

  OutlierWeights<T> kept(Kept which, bool on_device) const {
    if (which == Kept::all) return {on_device ? device_values.data() : values.data(), nullptr, k};
    if (which == Kept::third)
      return {on_device ? device_third.data() : third.data(),
              on_device ? device_columns.data() : columns.data(), third_count()};
    return {};
  }
  std::int64_t workspace_bytes(std::int64_t m, Kept which) const {
    return int8_matmul_workspace_bytes(m, k, which == Kept::in_type ? n : 0);
  }

  std::vector<T> on_host(std::vector<T> const& x, std::int64_t m, float threshold,
                         Kept which) const {
    std::vector<T> y(static_cast<std::size_t>(m * n));
    std::vector<float> memory(static_cast<std::size_t>(workspace_bytes(m, which) / 4 + 1));
    Workspace const workspace{memory.data(), workspace_bytes(m, which)};
    host::Threads const threads;
    if (which == Kept::in_type) {
      require(host::int8_matmul_parallel(threads, values.data(), n, k, x.data(), m, y.data(),
                                         bias.data(), threshold, workspace),
              "host int8_matmul");
    } else {
      QuantizedMatrix<LlmInt8 const> const w = tensor.matrix();
      require(host::int8_matmul_parallel(threads, w, kept(which, false), x.data(), m, y.data(),
                                         bias.data(), threshold, workspace),
              "host int8_matmul");
    }
    return y;
  }

  void launch(T const* x, std::int64_t m, T* y, float threshold, Kept which, Workspace workspace,
              cudaStream_t stream) const {
    if (which == Kept::in_type) {
      require(device::int8_matmul(device_values.data(), n, k, x, m, y, device_bias.data(),
                                  threshold, workspace, stream),
              "int8_matmul");
    } else {
      QuantizedMatrix<LlmInt8 const> const w = place<LlmInt8>(storage.data(), n, k);
      require(device::int8_matmul(w, kept(which, true), x, m, y, device_bias.data(), threshold,
                                  workspace, stream),
              "int8_matmul");
    }
  }

  std::vector<T> on_device(std::vector<T> const& x, std::int64_t m, float threshold, Kept which,
                           int shift) const {
    DeviceArray<T> from(m * k + shift), to(m * n + shift);
    require(cudaMemcpy(from.data() + shift, x.data(), x.size() * sizeof(T), cudaMemcpyHostToDevice),
            "upload");
    DeviceArray<std::uint8_t> memory(workspace_bytes(m, which));
    to.poison(0xFF);
    launch(from.data() + shift, m, to.data() + shift, threshold, which,
           {memory.data(), workspace_bytes(m, which)}, nullptr);
    auto y = to.download();
    y.erase(y.begin(), y.begin() + shift);
    return y;
  }

  /// The weight that multiplies an outlier in column c.
  double outlier_weight(std::int64_t row, std::int64_t c, Kept which) const {
    bool const as_is =
        which == Kept::all || which == Kept::in_type || (which == Kept::third && c % 3 == 0);
    return static_cast<double>(
        to_float((as_is ? values : decoded)[static_cast<std::size_t>(row * k + c)]));
  }
};

/// The step from |x| to the next number of T.
template <Element T>
double step_at(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  if (Float16Like<T>) return std::ldexp(1., std::max(exponent, -13) - 11);
  return std::ldexp(1., std::max(exponent, -125) - (Bfloat16Like<T> ? 8 : 24));
}

struct Comparison {
  std::uint64_t count = 0, wrong = 0, other_bits = 0;
  double worst = 0;  // error beyond a step of T, over the sum of the terms' magnitudes

  void operator+=(Comparison const& c) {
    count += c.count, wrong += c.wrong, other_bits += c.other_bits;
    worst = std::max(worst, c.worst);
  }
};

constexpr double outlier_bound = 1e-5;  // f32 sums of some hundred terms in any order

template <Element T>
bool is_irregular(T x, float threshold) {
  return threshold > 0.f && !(std::fabs(to_float(x)) < threshold);
}

/// y of both sides: the same bits where no column holds an outlier (under threshold 0, say), else
/// within `outlier_bound` of the terms' magnitudes and one step of T.
template <Element T>
Comparison compare(Layer<T> const& layer, std::vector<T> const& x, std::int64_t m, float threshold,
                   Kept which, int shift = 0) {
  auto const expected = layer.on_host(x, m, threshold, which);
  auto const got = layer.on_device(x, m, threshold, which, shift);
  std::vector<std::int64_t> outliers;
  for (std::int64_t c = 0; c < layer.k && threshold > 0.f; ++c)
    for (std::int64_t r = 0; r < m; ++r)
      if (is_irregular(x[static_cast<std::size_t>(r * layer.k + c)], threshold)) {
        outliers.push_back(c);
        break;
      }
  Comparison result{.count = expected.size()};
  std::vector<double> beyond(expected.size(), 0.);
  result.wrong = count_if(expected.size(), [&](std::uint64_t i) {
    double const a = static_cast<double>(to_float(got[i]));
    double const b = static_cast<double>(to_float(expected[i]));
    if (element_bits(got[i]) == element_bits(expected[i]) || (a != a && b != b)) return false;
    if (outliers.empty() || !std::isfinite(a) || !std::isfinite(b)) return true;
    auto const row = static_cast<std::int64_t>(i) / layer.n;
    auto const n = static_cast<std::int64_t>(i) % layer.n;
    double sum = 0, size = 0;
    for (std::int64_t const c : outliers) {
      double const term =
          layer.outlier_weight(n, c, which) *
          static_cast<double>(to_float(x[static_cast<std::size_t>(row * layer.k + c)]));
      sum += term, size += std::fabs(term);
    }
    double const bias = static_cast<double>(to_float(layer.bias[static_cast<std::size_t>(n)]));
    size += std::fabs(b - sum - bias) + std::fabs(bias);
    double const step = step_at<T>(std::max(std::fabs(a), std::fabs(b)));
    beyond[i] = std::max(0., std::fabs(a - b) - step) / size;
    return beyond[i] > outlier_bound;
  });
  result.other_bits = count_if(expected.size(), [&](std::uint64_t i) {
    bool const both_nan =
        to_float(got[i]) != to_float(got[i]) && to_float(expected[i]) != to_float(expected[i]);
    return element_bits(got[i]) != element_bits(expected[i]) && !both_nan;
  });
  result.worst = beyond.empty() ? 0. : *std::max_element(beyond.begin(), beyond.end());
  return result;
}

void report(std::string const& what, Comparison const& c) {
  char bits[80];
  std::snprintf(bits, sizeof bits, "; %llu other bits, worst %.1e",
                static_cast<unsigned long long>(c.other_bits), c.worst);
  device_test::report(what + (c.other_bits == 0 ? "; the host's bits" : bits), c.count, c.wrong);
}

std::string shape_name(std::int64_t n, std::int64_t k) {
  return std::to_string(n) + " x " + std::to_string(k);
}

constexpr Kept every_kept[] = {Kept::none, Kept::all, Kept::third, Kept::in_type};

template <Element T>
void products(std::int64_t n, std::int64_t k, std::vector<std::int64_t> const& ms) {
  Layer<T> const layer(n, k, static_cast<std::uint64_t>(n + k));
  Comparison exact, mixed[4];
  std::vector<std::int64_t> const outliers{0, 1, 33, 200};
  for (std::int64_t const m : ms)
    for (std::int64_t const columns : outliers) {
      auto const x = activations<T>(m, k, columns, static_cast<std::uint64_t>(m * 7 + columns));
      int const shift = m % 5 == 4 ? 1 : 0;
      for (Kept const which : every_kept) {
        auto const w = static_cast<int>(which);
        mixed[w] += compare(layer, x, m, 6.f, which, shift);
        if (columns == 33 && which != Kept::third) exact += compare(layer, x, m, 0.f, which, shift);
      }
    }
  std::string const name = std::string(dtype_name<T>()) + " " + shape_name(n, k);
  report("int8_matmul " + name + ", threshold 0", exact);
  for (Kept const which : every_kept)
    report("int8_matmul " + name + ", 6, " + name_of_kept[static_cast<int>(which)],
           mixed[static_cast<int>(which)]);
}

/// Every M up to 300 with the outlier columns of that M.
template <Element T>
void every_m(std::int64_t n, std::int64_t k) {
  Layer<T> const layer(n, k, 3);
  Comparison sum;
  for (std::int64_t m = 1; m <= (quick ? 20 : 300); m += quick ? 9 : 1) {
    auto const x = activations<T>(m, k, m % 40, static_cast<std::uint64_t>(m));
    sum += compare(layer, x, m, 6.f, every_kept[m % 4]);
    sum += compare(layer, x, m, 0.f, Kept::none);
  }
  report(std::string("int8_matmul ") + dtype_name<T>() + " " + shape_name(n, k) + ", M = 1..300",
         sum);
}

template <Element T>
void non_finite(std::int64_t n, std::int64_t k) {
  Layer<T> const layer(n, k, 5);
  Comparison sum;
  for (std::int64_t const m : {1, 4, 40}) {
    auto x = activations<T>(m, k, 2, 6);
    float const infinity = std::numeric_limits<float>::infinity();
    x[static_cast<std::size_t>(k / 2)] = from_float<T>(std::numeric_limits<float>::quiet_NaN());
    x[static_cast<std::size_t>((m - 1) * k + k / 3)] = from_float<T>(-infinity);
    x[static_cast<std::size_t>(m / 2 * k + k - 1)] = from_float<T>(infinity);
    for (float const threshold : {0.f, 6.f})
      for (Kept const which : {Kept::none, Kept::all})
        sum += compare(layer, x, m, threshold, which);
  }
  report(std::string("int8_matmul ") + dtype_name<T>() + " " + shape_name(n, k) +
             ", NaN and infinities",
         sum);
}

/// More rows of x than a grid has blocks along y, and thresholds that most columns reach.
template <Element T>
void odd_cases() {
  {
    Layer<T> const layer(3, 5, 7);
    std::int64_t const m = 600001;
    auto const x = activations<T>(m, 5, 1, 8);
    Comparison sum = compare(layer, x, m, 6.f, Kept::all);
    sum += compare(layer, x, m, 0.f, Kept::none);
    report(std::string("int8_matmul ") + dtype_name<T>() + ", M = 600001", sum);
  }
  Layer<T> const layer(40, 1000, 9);
  Comparison sum;
  for (float const threshold : {.5f, 2.f, 3.f, 1e-3f, 1e30f})
    for (std::int64_t const m : {1, 5, 64})
      sum += compare(layer, activations<T>(m, 1000, 20, 10), m, threshold, Kept::none);
  report(std::string("int8_matmul ") + dtype_name<T>() + ", thresholds .001 to 1e30", sum);
}

// --- Streams and graphs

/// One product with memory of its own.
template <Element T>
struct Job {
  Layer<T> const& layer;
  std::int64_t m;
  DeviceArray<T> x, y;
  std::int64_t bytes;
  DeviceArray<std::uint8_t> memory;

  Job(Layer<T> const& l, std::int64_t rows)
      : layer(l),
        m(rows),
        x(m * l.k),
        y(m * l.n),
        bytes(l.workspace_bytes(m, Kept::in_type)),
        memory(bytes) {}

  void set(std::int64_t outliers, std::uint64_t seed) {
    x.upload(activations<T>(m, layer.k, outliers, seed).data());
  }
  void start(float threshold, Kept which, cudaStream_t stream) const {
    layer.launch(x.data(), m, y.data(), threshold, which, {memory.data(), bytes}, stream);
  }
  std::vector<std::uint16_t> result() const {
    auto const values = y.download();
    std::vector<std::uint16_t> bits(values.size() * sizeof(T) / 2);
    std::memcpy(bits.data(), values.data(), values.size() * sizeof(T));
    return bits;
  }
  void poison() {
    y.poison(0xFF);
    memory.poison(0xFF);
  }
};

/// A captured call, replayed with other outlier columns each time, and the same call made directly.
template <Element T>
void graphs(std::int64_t n, std::int64_t k) {
  Layer<T> const layer(n, k, 11);
  cudaStream_t stream;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  std::uint64_t wrong = 0, count = 0;
  for (std::int64_t const m : {1, 5, 33, 200})
    for (Kept const which : every_kept)
      for (float const threshold : {0.f, 6.f}) {
        if (quick && m > 5) continue;
        Job<T> job(layer, m);
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
        job.start(threshold, which, stream);
        require(cudaStreamEndCapture(stream, &graph), "capture");
        require(cudaGraphInstantiate(&exec, graph, 0), "graph");
        for (std::int64_t const outliers : {3, 0, 33, 200, 1}) {
          job.set(outliers, static_cast<std::uint64_t>(outliers + m));
          job.poison();
          job.start(threshold, which, nullptr);
          synchronize("direct");
          auto const direct = job.result();
          job.poison();
          synchronize("poison");
          require(cudaGraphLaunch(exec, stream), "replay");
          require(cudaStreamSynchronize(stream), "replay");
          wrong += job.result() != direct;
          ++count;
        }
        require(cudaGraphExecDestroy(exec), "graph");
        require(cudaGraphDestroy(graph), "graph");
      }
  require(cudaStreamDestroy(stream), "stream");
  device_test::report(std::string("graph, other outlier columns in each replay, ") +
                          dtype_name<T>() + " " + shape_name(n, k),
                      count, wrong);
}

template <Element T>
void streams(std::int64_t n, std::int64_t k, int rounds) {
  constexpr int count = 16;
  Layer<T> const layer(n, k, 12);
  std::vector<std::unique_ptr<Job<T>>> jobs;
  std::vector<std::vector<std::uint16_t>> serial;
  std::vector<cudaStream_t> at(count);
  auto const start = [&](int i, cudaStream_t stream) {
    jobs[static_cast<std::size_t>(i)]->start(6.f, every_kept[i % 4], stream);
  };
  for (int i = 0; i < count; ++i) {
    jobs.push_back(std::make_unique<Job<T>>(layer, 1 + 7 * i));
    jobs.back()->set(5 * i, static_cast<std::uint64_t>(i));
    start(i, nullptr);
    synchronize("serial");
    serial.push_back(jobs.back()->result());
    jobs.back()->poison();
    require(cudaStreamCreateWithFlags(&at[static_cast<std::size_t>(i)], cudaStreamNonBlocking),
            "stream");
  }
  synchronize("poison");
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < count; ++i) start(i, at[static_cast<std::size_t>(i)]);
  synchronize("streams");
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) wrong += jobs[i]->result() != serial[i];
  for (auto const stream : at) require(cudaStreamDestroy(stream), "stream");
  while (!jobs.empty()) jobs.pop_back();  // the arena takes memory back in reverse
  device_test::report("16 streams, " + std::to_string(rounds) + " rounds, " + dtype_name<T>() +
                          " " + shape_name(n, k),
                      count, wrong);
}

/// Launches one behind another without a pause: always the same bits.
template <Element T>
void repeats(std::int64_t n, std::int64_t k, int launches) {
  Layer<T> const layer(n, k, 13);
  std::uint64_t wrong = 0, count = 0;
  for (std::int64_t const m : {1, 16, 64, 300})
    for (Kept const which : {Kept::none, Kept::all}) {
      if (quick && m > 16) continue;
      Job<T> job(layer, m);
      job.set(33, 14);
      job.start(6.f, which, nullptr);
      synchronize("int8_matmul");
      auto const first = job.result();
      DeviceArray<T> kept(m * n * 10);  // results of ten launches
      for (int i = 0; i < launches; i += 10) {
        job.poison();
        for (int j = 0; j < 10; ++j) {
          job.start(6.f, which, nullptr);
          require(cudaMemcpyAsync(kept.data() + j * m * n, job.y.data(), job.y.bytes(),
                                  cudaMemcpyDeviceToDevice),
                  "copy");
        }
        auto const ten = kept.download();
        for (int j = 0; j < 10; ++j, ++count)
          wrong += std::memcmp(ten.data() + j * m * n, first.data(), job.y.bytes()) != 0;
      }
    }
  device_test::report(
      std::string("the same bits in every launch, ") + dtype_name<T>() + " " + shape_name(n, k),
      count, wrong);
}

template <Element T>
void all_products() {
  if (quick) {
    products<T>(40, 499, {1, 9, 20});
    every_m<T>(9, 132);
    non_finite<T>(9, 70);
    return;
  }
  std::vector<std::int64_t> const ms{1, 2, 7, 8, 9, 16, 17, 33, 64, 65, 128, 129, 257, 300};
  for (auto const& [n, k] : {std::pair<std::int64_t, std::int64_t>{1, 1},
                             {1, 4095},
                             {1, 8192},
                             {40, 1},
                             {40, 499},
                             {40, 4096},
                             {129, 1028},
                             {300, 4100},
                             {8192, 499}})
    products<T>(n, k, ms);
  products<T>(8192, 4096, {1, 8, 33, 300});
  products<T>(8192, 8192, {1, 16, 200});
  every_m<T>(40, 4096);
  every_m<T>(129, 499);
  non_finite<T>(40, 4096);
  non_finite<T>(9, 70);
  odd_cases<T>();
}

}  // namespace

int main(int argc, char** argv) {
  need_device();
  Arguments const asked(argc, argv);
  quick = asked.quick;
  device_arena.limit(std::int64_t{quick ? 256 : 8192} << 20);
  auto const runs = [&](char const* name) { return asked.runs(name); };
  if (runs("quantize")) {
    quantize_patterns<float16>();
    quantize_patterns<bfloat16>();
    quantize_values<float16>();
    quantize_values<bfloat16>();
    quantize_values<float>();
  }
  if (runs("matmul")) {
    all_products<float16>();
    all_products<bfloat16>();
    all_products<float>();
  }
  if (runs("graph")) {
    graphs<float16>(quick ? 40 : 1000, quick ? 500 : 4096);
    graphs<bfloat16>(quick ? 9 : 129, quick ? 132 : 2052);
    if (!quick) graphs<float>(129, 499);
  }
  if (runs("streams")) {
    streams<float16>(quick ? 9 : 1000, quick ? 260 : 4096, quick ? 1 : 20);
    streams<bfloat16>(quick ? 9 : 300, quick ? 132 : 2052, quick ? 1 : 20);
  }
  if (runs("repeat")) {
    repeats<float16>(quick ? 9 : 4096, quick ? 260 : 4096, quick ? 10 : 100);
    repeats<bfloat16>(quick ? 9 : 1000, quick ? 132 : 2052, quick ? 10 : 100);
  }
  return finish("LLM.int8() on the device is the host's");
}
