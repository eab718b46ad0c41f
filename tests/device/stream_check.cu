// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What only a running GPU can show of quantize and dequantize: many streams at once, capture and
// replay of a graph, sizes beyond 2^31 and 2^32, refusals of the runtime. By hand:
//
//   nvcc -std=c++20 -O2 -arch=sm_90 -I include -I tests tests/device/stream_check.cu
//
//   a.out [all|small]     small: little of everything, for compute-sanitizer
#include <memory>

#include "device/support.cuh"

namespace {

using namespace device_test;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;

/// One tensor's quantize and dequantize with memory of its own.
template <SchemeSpec S, Element T>
struct Job {
  explicit Job(std::int64_t rows, std::int64_t cols)
      : n(rows * cols),
        values(n),
        decoded(n),
        storage(storage_bytes<S>(rows, cols)),
        workspace(quantize_workspace_bytes<S>(n)),
        view(place<S>(storage.data(), rows, cols).values) {
    storage.poison(0);  // the padding between the pieces, too
  }
  void start(cudaStream_t stream) {
    require(device::quantize(values.data(), view,
                             {workspace.data(), quantize_workspace_bytes<S>(n)}, stream),
            "quantize");
    require(device::dequantize(view, decoded.data(), stream), "dequantize");
  }
  std::vector<std::uint8_t> result() const {
    auto bytes = storage.download();
    auto const out = decoded.download();
    auto const* const p = reinterpret_cast<std::uint8_t const*>(out.data());
    bytes.insert(bytes.end(), p, p + out.size() * sizeof(T));
    return bytes;
  }

  std::int64_t n;
  DeviceArray<T> values, decoded;
  DeviceArray<std::uint8_t> storage, workspace;
  QuantizedSpan<S> view;
};

template <SchemeSpec S, Element T>
void check_streams(std::int64_t rows, int rounds) {
  constexpr int count = 16;
  std::vector<std::unique_ptr<Job<S, T>>> jobs;
  std::vector<std::vector<std::uint8_t>> serial;
  std::vector<cudaStream_t> streams(count);
  for (int i = 0; i < count; ++i) {
    jobs.push_back(std::make_unique<Job<S, T>>(rows + i, 4096));
    fill(jobs[i]->values.data(), jobs[i]->n, static_cast<std::uint64_t>(i));
    jobs[i]->start(nullptr);
    synchronize("serial");
    serial.push_back(jobs[i]->result());
    jobs[i]->storage.poison(0);
    jobs[i]->decoded.poison();
    require(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking), "stream");
  }
  synchronize("poison");
  std::uint64_t wrong = 0;
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < count; ++i) jobs[i]->start(streams[i]);
  synchronize("streams");
  for (int i = 0; i < count; ++i) wrong += jobs[i]->result() != serial[i];
  for (auto const stream : streams) require(cudaStreamDestroy(stream), "stream");
  while (!jobs.empty()) jobs.pop_back();  // the arena takes memory back in reverse
  report(
      "16 streams, " + std::to_string(rounds) + " rounds " + name_of<S>() + " " + dtype_name<T>(),
      count, wrong);
}

template <SchemeSpec S, Element T>
void check_graph(std::int64_t rows) {
  Job<S, T> job(rows, 2056);
  cudaStream_t stream;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  job.start(stream);
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  require(cudaStreamEndCapture(stream, &graph), "capture");
  require(cudaGraphInstantiate(&exec, graph, 0), "graph");
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = 20; seed < 24; ++seed) {  // other values each time
    fill(job.values.data(), job.n, seed);
    job.storage.poison(0);
    job.decoded.poison();
    synchronize("fill");
    job.start(nullptr);
    synchronize("direct");
    auto const direct = job.result();
    job.storage.poison(0);
    job.decoded.poison();
    synchronize("poison");
    require(cudaGraphLaunch(exec, stream), "replay");
    require(cudaStreamSynchronize(stream), "replay");
    wrong += job.result() != direct;
  }
  require(cudaGraphExecDestroy(exec), "graph");
  require(cudaGraphDestroy(graph), "graph");
  require(cudaStreamDestroy(stream), "stream");
  report("graph, 4 replays " + name_of<S>() + " " + dtype_name<T>(), 4, wrong);
}

/// Sizes at which 32-bit arithmetic fails: everything is compared with the host.
template <SchemeSpec S, Element T>
void check_size(std::int64_t rows, std::int64_t cols) {
  std::int64_t const n = rows * cols;
  Job<S, T> job(rows, cols);
  fill(job.values.data(), n, 31);
  job.start(nullptr);
  synchronize("large");
  PinnedArray<T> values(n);
  job.values.download(values.data());
  QuantizedTensor<S> tensor(rows, cols);
  require(host::quantize_parallel(host::Threads{}, values.span(), tensor.span()), "host quantize");
  PinnedArray<std::uint8_t> bytes(static_cast<std::int64_t>(job.storage.bytes()));
  job.storage.download(bytes.data());
  std::uint64_t wrong = differing_bytes(bytes.data(), tensor.span().codes, job.storage.bytes());
  require(host::dequantize_parallel(host::Threads{}, tensor.span(), values.span()), "host decode");
  DeviceArray<unsigned long long> unused(1);
  PinnedArray<T> decoded(n);
  job.decoded.download(decoded.data());
  wrong +=
      differing_bytes(decoded.data(), values.data(), static_cast<std::uint64_t>(n) * sizeof(T));
  report(std::to_string(n) + " values " + name_of<S>() + " " + dtype_name<T>(),
         static_cast<std::uint64_t>(n), wrong);
}

/// A launch that the runtime refuses comes back as device_error with the reason.
void check_refusal() {
  DeviceArray<std::uint8_t> storage(storage_bytes<Nested>(1, 64));
  DeviceArray<float> out(64);
  auto const view = place<Nested>(storage.data(), 1, 64).values;
  Status const refused =
      device::launch(grid::dequantize_values_kernel<Rows, float>, {.blocks = 1, .threads = 4096},
                     nullptr, QuantizedSpan<Rows const>{}, out.data());
  bool const right = refused.code == Errc::device_error && refused.native != 0;
  (void)cudaGetLastError();
  report("a launch the runtime refuses", 1, !right);
  bool const checked =
      device::quantize(out.data(), view, {}, nullptr).code == Errc::null_pointer &&
      device::quantize(out.data(), view, {out.data(), 3}, nullptr).code ==
          Errc::workspace_too_small &&
      device::dequantize(view, static_cast<float*>(nullptr), nullptr).code == Errc::null_pointer;
  report("arguments that are refused before a launch", 3, !checked);
}

}  // namespace

int main(int argc, char** argv) {
  need_device();
  bool const small = argc > 1 && std::string(argv[1]) == "small";
  if (small) device_arena.limit(std::int64_t{256} << 20), host_arena.limit(std::int64_t{16} << 20);
  std::int64_t const rows = small ? 3 : 311;
  check_streams<Nested, __nv_bfloat16>(rows, small ? 1 : 20);
  check_streams<Rows, float>(rows, small ? 1 : 20);
  check_graph<Nested, __nv_bfloat16>(4 * rows + 1);
  check_graph<Scheme<Format<FP4>, BlockSize<128>>, __half>(4 * rows + 1);
  check_graph<Rows, float>(4 * rows + 1);
  check_graph<Scheme<Format<NF4>, BlockSize<16>>, float>(rows);
  check_graph<Scheme<Format<NF4>, BlockSize<4096>>, __nv_bfloat16>(rows);
  check_graph<Scheme<Format<Dynamic8>, BlockSize<256>>, __half>(rows);
  check_graph<Scheme<Format<Int8>, BlockSize<64>, DoubleQuant<true>>, float>(70 * rows);
  if (!small) {
    check_refusal();  // the sanitizer would count the refused launch
    constexpr std::int64_t two31 = std::int64_t{1} << 31;
    check_size<Nested, __nv_bfloat16>(1, two31 - 1);
    check_size<Scheme<Format<FP4>>, __half>(1, two31 + 17);
    check_size<Nested, __nv_bfloat16>(1, 2 * two31 + 5);
    check_size<Rows, __nv_bfloat16>(two31 / 8200 + 3, 8200);
  }
  return finish("streams, graphs and large sizes are right");
}
