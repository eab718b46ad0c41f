// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// However the work is split, the bytes are those of the whole.
#include <catch2/catch_test_macros.hpp>

#include "host/data.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Dynamic8, qfmt::Errc, qfmt::Format, qfmt::FP4,
    qfmt::Int8, qfmt::NF4, qfmt::RowWise, qfmt::Scheme, qfmt::Status;
using qfmt::host::BlockRange, qfmt::host::Serial, qfmt::host::Threads;

namespace {

/// Tasks one after another in an order of its own.
struct Shuffled {
  uint64_t seed;
  template <class Body>
  void operator()(int64_t tasks, Body const& body) const {
    std::vector<int64_t> order;
    for (int64_t task = 0; task < tasks; ++task) order.push_back(task);
    std::mt19937_64 random(seed);
    std::shuffle(order.begin(), order.end(), random);
    for (int64_t const task : order) body(task);
  }
};

/// [0, blocks) cut at random multiples of `unit`, in random order; empty ranges among them.
std::vector<BlockRange> random_split(int64_t blocks, int64_t unit, std::mt19937_64& random) {
  std::vector<int64_t> cuts{0, blocks};
  auto const units = static_cast<uint64_t>(blocks / unit + 1);
  for (uint64_t n = random() % 12; n > 0; --n)
    cuts.push_back(static_cast<int64_t>(random() % units) * unit);
  std::sort(cuts.begin(), cuts.end());
  std::vector<BlockRange> ranges;
  for (size_t i = 1; i < cuts.size(); ++i) ranges.push_back({cuts[i - 1], cuts[i]});
  std::shuffle(ranges.begin(), ranges.end(), random);
  return ranges;
}

/// One range after another on each of `threads` real threads; the first status that is not ok.
template <class Fn>
Status on_threads(std::vector<BlockRange> const& ranges, int threads, Fn const& fn) {
  std::vector<Status> statuses(ranges.size());
  std::vector<std::thread> pool;
  auto const count = static_cast<size_t>(threads);
  for (size_t t = 0; t < count; ++t)
    pool.emplace_back([&, t] {
      for (size_t i = t; i < ranges.size(); i += count) statuses[i] = fn(ranges[i]);
    });
  for (std::thread& thread : pool) thread.join();
  for (Status const& s : statuses)
    if (!s) return s;
  return {};
}

template <class S, class T>
std::vector<uint8_t> whole(std::vector<T> const& values, int64_t row_length = 0) {
  Buffers<S> out(static_cast<int64_t>(values.size()), row_length);
  Status const status = qfmt::host::quantize(values, out.view());
  REQUIRE(status.code == Errc::ok);
  return out.bytes();
}

template <class S, class T>
void check_ranges(int64_t size, int64_t row_length, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto const values = make_values<T>(seed % 2 == 0 ? Shape::normal : Shape::any_scale,
                                     kind_of<typename S::format>, size, seed);
  Buffers<S> out(size, row_length);
  auto const view = out.view();
  int64_t const blocks = static_cast<int64_t>(out.scales.size());
  int const threads = static_cast<int>(seed % 8) + 1;
  CAPTURE(size, seed, threads, S::block_size);

  Status const status = on_threads(random_split(blocks, 1, random), threads, [&](BlockRange r) {
    return qfmt::host::quantize_range(values, view, r);
  });
  REQUIRE(status.code == Errc::ok);
  REQUIRE(out.bytes() == whole<S>(values, row_length));

  Guarded<T> at_once(size);
  Guarded<T> in_parts(size);
  REQUIRE(qfmt::host::dequantize(view, std::span(at_once.data(), at_once.size())));
  Status const decoded = on_threads(random_split(blocks, 1, random), threads, [&](BlockRange r) {
    return qfmt::host::dequantize_range(view, std::span(in_parts.data(), in_parts.size()), r);
  });
  REQUIRE(decoded.code == Errc::ok);
  REQUIRE(bytes_of(in_parts) == bytes_of(at_once));
}

template <class S, class T>
void check_three_steps(int64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto const values = make_values<T>(seed % 2 == 0 ? Shape::normal : Shape::any_scale,
                                     kind_of<typename S::format>, size, seed);
  Buffers<S> out(size);
  auto const view = out.view();
  int64_t const blocks = static_cast<int64_t>(out.inner_codes.size());
  std::vector<float> absmax(static_cast<size_t>(blocks), -1.f);
  std::span<float const> const all = absmax;
  int const threads = static_cast<int>(seed % 8) + 1;
  CAPTURE(size, seed, threads, S::block_size);

  Status const first = on_threads(random_split(blocks, 1, random), threads, [&](BlockRange r) {
    return qfmt::host::absmax_range(values, std::span(absmax), view, r);
  });
  REQUIRE(first.code == Errc::ok);
  Status const second = qfmt::host::nested_offset(all, view);
  REQUIRE(second.code == Errc::ok);
  Status const third = on_threads(random_split(blocks, 256, random), threads, [&](BlockRange r) {
    return qfmt::host::encode_range(values, all, view, r);
  });
  REQUIRE(third.code == Errc::ok);
  REQUIRE(out.bytes() == whole<S>(values));
}

/// quantize_parallel and dequantize_parallel over every kind of executor.
template <class S, class T>
void check_executors(int64_t size, int64_t row_length = 0) {
  auto const values =
      make_values<T>(Shape::normal, kind_of<typename S::format>, size, static_cast<uint64_t>(size));
  auto const expected = whole<S>(values, row_length);
  Buffers<S> reference_bytes(size, row_length);
  REQUIRE(qfmt::host::quantize(values, reference_bytes.view()));
  Guarded<T> decoded(size);
  REQUIRE(
      qfmt::host::dequantize(reference_bytes.view(), std::span(decoded.data(), decoded.size())));

  auto const check = [&](auto const& executor) {
    std::vector<float> scratch(static_cast<size_t>(qfmt::quantize_workspace_bytes<S>(size)) /
                               sizeof(float));
    for (bool const with_workspace : {false, true}) {
      Buffers<S> out(size, row_length);
      qfmt::Workspace const workspace{
          with_workspace ? scratch.data() : nullptr,
          with_workspace ? static_cast<int64_t>(scratch.size() * sizeof(float)) : 0};
      Status const status = qfmt::host::quantize_parallel(executor, values, out.view(),
                                                          qfmt::Nearest{}, {}, workspace);
      REQUIRE(status.code == Errc::ok);
      REQUIRE(out.bytes() == expected);
    }
    Guarded<T> out(size);
    REQUIRE(qfmt::host::dequantize_parallel(executor, reference_bytes.view(),
                                            std::span(out.data(), out.size())));
    REQUIRE(bytes_of(out) == bytes_of(decoded));
  };
  CAPTURE(size, row_length, S::block_size, S::is_nested);
  for (int threads = 0; threads <= 8; ++threads) {
    CAPTURE(threads);
    check(Threads{threads});
  }
  check(Serial{});
  check(Shuffled{1});
  check(Shuffled{2});
}

template <class S>
void check_range_errors(int64_t row_length) {
  int64_t const size = 16 * 40;  // 40 blocks
  std::vector<float> values(static_cast<size_t>(size), 1.f);
  for (BlockRange const range :
       {BlockRange{-1, 3}, BlockRange{3, 2}, BlockRange{0, 41}, BlockRange{41, 41},
        BlockRange{40, 41}, BlockRange{-2, -1}, BlockRange{0, INT64_MAX}, BlockRange{INT64_MIN, 0},
        BlockRange{INT64_MIN, INT64_MAX}}) {
    CAPTURE(range.first, range.last);
    Buffers<S> out(size, row_length);
    Status const coded = qfmt::host::quantize_range(values, out.view(), range);
    REQUIRE(coded.code == Errc::size_mismatch);
    REQUIRE(out.untouched());
    auto const before = values;
    Status const decoded = qfmt::host::dequantize_range(out.view(), values, range);
    REQUIRE(decoded.code == Errc::size_mismatch);
    REQUIRE(values == before);
  }
  Buffers<S> out(size, row_length);
  for (BlockRange const empty : {BlockRange{0, 0}, BlockRange{7, 7}, BlockRange{40, 40}}) {
    REQUIRE(qfmt::host::quantize_range(values, out.view(), empty));
    REQUIRE(out.untouched());
  }
}

}  // namespace

TEST_CASE("Block ranges in any order, on any threads, give the bytes of the whole",
          "[host][ranges]") {
  for (uint64_t seed = 0; seed < (sanitized ? 16 : 64); ++seed) {
    int64_t const size = static_cast<int64_t>((seed * 7919 + 1) % 30011);
    check_ranges<Scheme<Format<NF4>, BlockSize<16>>, float>(size, 0, seed);
    check_ranges<Scheme<Format<FP4>>, qfmt::bfloat16>(size, 0, seed);
    check_ranges<Scheme<Format<Int8>, BlockSize<128>>, qfmt::float16>(size, 0, seed);
    check_ranges<Scheme<Format<Dynamic8>, BlockSize<256>>, float>(size, 0, seed);
    check_ranges<Scheme<Format<Int8>, RowWise>, float>(size / 37 * 37, 37, seed);
  }
}

TEST_CASE("A range writes its own blocks and nothing else", "[host][ranges]") {
  using S = Scheme<Format<NF4>, BlockSize<16>>;
  std::vector<float> const values(16 * 40, 1.f);
  Buffers<S> out(16 * 40);
  REQUIRE(qfmt::host::quantize_range(values, out.view(), BlockRange{7, 9}));
  for (size_t i = 0; i < out.codes.size(); ++i)
    REQUIRE(out.codes[i] == (i / 8 == 7 || i / 8 == 8 ? 0xFF : canary));
  for (size_t b = 0; b < 40; ++b) {
    bool const written = reference::as_bits(out.scales[b]) != 0xA5A5A5A5u;
    REQUIRE(written == (b == 7 || b == 8));
  }
  std::vector<float> decoded(values.size(), -5.f);
  REQUIRE(qfmt::host::dequantize_range(out.view(), decoded, BlockRange{7, 9}));
  for (size_t i = 0; i < decoded.size(); ++i)
    REQUIRE(decoded[i] == (i / 16 == 7 || i / 16 == 8 ? 1.f : -5.f));
}

TEST_CASE("Nested in three steps, on one to eight threads, gives the bytes of the whole",
          "[host][ranges][nested]") {
  for (uint64_t seed = 0; seed < (sanitized ? 16 : 64); ++seed) {
    int64_t const size = static_cast<int64_t>((seed * 7919 + 1) % 60013);
    check_three_steps<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, float>(size, seed);
    check_three_steps<Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>, qfmt::float16>(size,
                                                                                            seed);
    check_three_steps<Scheme<Format<Int8>, BlockSize<32>, DoubleQuant<true>>, qfmt::bfloat16>(size,
                                                                                              seed);
  }
}

TEST_CASE("Every executor gives the bytes of the whole", "[host][ranges][parallel]") {
  for (int64_t const size : {int64_t{0}, int64_t{1}, int64_t{65536}, int64_t{65537},
                             int64_t{16 * 256 * 40 + 5}, int64_t{1 << 20} + 17}) {
    check_executors<Scheme<Format<NF4>>, float>(size);
    check_executors<Scheme<Format<FP4>, BlockSize<4096>>, qfmt::bfloat16>(size);
    check_executors<Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>, float>(size);
    check_executors<Scheme<Format<FP4>, BlockSize<256>, DoubleQuant<true>>, qfmt::float16>(size);
    check_executors<Scheme<Format<Int8>, RowWise>, qfmt::float16>(size / 1000 * 1000, 1000);
    check_executors<Scheme<Format<Int8>, RowWise>, float>(size, std::max<int64_t>(1, size));
  }
}

TEST_CASE("Ranges outside the tensor are refused and nothing is written", "[host][ranges]") {
  check_range_errors<Scheme<Format<NF4>, BlockSize<16>>>(0);
  check_range_errors<Scheme<Format<Int8>, BlockSize<16>>>(0);
  check_range_errors<Scheme<Format<Int8>, RowWise>>(16);
}

TEST_CASE("Nested steps refuse ranges off the groups of 256 and scales of another count",
          "[host][ranges][nested]") {
  using S = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  int64_t const blocks = 600;
  std::vector<float> const values(16 * 600, 1.f);
  std::vector<float> absmax(600, 1.f);
  std::vector<float> short_absmax(599, 1.f);
  std::span<float const> const scales = absmax;
  std::span<float const> const short_scales = short_absmax;

  for (BlockRange const range :
       {BlockRange{1, 256}, BlockRange{0, 255}, BlockRange{0, 257}, BlockRange{255, 512},
        BlockRange{128, 600}, BlockRange{256, 599}, BlockRange{512, 601}, BlockRange{-256, 0},
        BlockRange{512, 256}, BlockRange{0, 768}}) {
    CAPTURE(range.first, range.last);
    Buffers<S> out(16 * blocks);
    Status const status = qfmt::host::encode_range(values, scales, out.view(), range);
    REQUIRE(status.code == Errc::size_mismatch);
    REQUIRE(out.untouched());
  }
  for (BlockRange const range : {BlockRange{0, 256}, BlockRange{256, 512}, BlockRange{512, 600},
                                 BlockRange{256, 600}, BlockRange{0, 600}, BlockRange{256, 256}}) {
    CAPTURE(range.first, range.last);
    Buffers<S> out(16 * blocks);
    *out.offset.data() = 1.f;
    REQUIRE(qfmt::host::encode_range(values, scales, out.view(), range));
  }
  for (BlockRange const range :
       {BlockRange{-1, 3}, BlockRange{3, 2}, BlockRange{0, 601}, BlockRange{0, INT64_MAX}}) {
    Buffers<S> out(16 * blocks);
    Status const status = qfmt::host::absmax_range(values, std::span(absmax), out.view(), range);
    REQUIRE(status.code == Errc::size_mismatch);
    REQUIRE(absmax == std::vector<float>(600, 1.f));
  }
  Buffers<S> out(16 * blocks);
  Status const first =
      qfmt::host::absmax_range(values, std::span(short_absmax), out.view(), BlockRange{0, 1});
  REQUIRE(first.code == Errc::size_mismatch);
  Status const second = qfmt::host::nested_offset(short_scales, out.view());
  REQUIRE(second.code == Errc::size_mismatch);
  Status const third =
      qfmt::host::encode_range(values, short_scales, out.view(), BlockRange{0, 256});
  REQUIRE(third.code == Errc::size_mismatch);
  REQUIRE(out.untouched());
}

TEST_CASE("Threads run each task once, whatever their number", "[host][parallel]") {
  for (int count = 0; count <= 8; ++count)
    for (int64_t const tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      Threads{count}(tasks, [&](int64_t task) { ++runs[static_cast<size_t>(task)]; });
      CAPTURE(count, tasks);
      REQUIRE(std::all_of(runs.begin(), runs.end(), [](auto const& n) { return n == 1; }));
    }
}
