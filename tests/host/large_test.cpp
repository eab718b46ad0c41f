// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensors of more than 2^32 values and of more than 2^32 bytes of codes. Their memory is reserved
// and only touched near the end, by operations on ranges of blocks; the results there are those of
// a small tensor with the same values.
#include "qfmt/qfmt.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <tuple>
#include <vector>

#if defined(__linux__) && defined(__LP64__)
#include <sys/mman.h>

namespace {

using namespace qfmt;

/// Address space that takes memory page by page, when it is written. Reads as zero before.
class Reserved {
 public:
  explicit Reserved(std::int64_t bytes)
      : bytes_(static_cast<std::size_t>(bytes)),
        data_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Reserved() {
    if (data_ != MAP_FAILED) munmap(data_, bytes_);
  }
  Reserved(Reserved const&) = delete;

  void* data() const { return data_ == MAP_FAILED ? nullptr : data_; }

 private:
  std::size_t bytes_;
  void* data_;
};

constexpr std::int64_t group = 256;  // blocks whose scales share an absmax2
constexpr std::int64_t row = 1000;   // of a row-wise scheme
constexpr std::int64_t spare = 3;    // blocks behind the last whole group
constexpr std::int64_t huge = (std::int64_t{1} << 32) + (std::int64_t{1} << 24);

template <class S>
constexpr std::int64_t length = S::is_row_wise ? row : std::int64_t{S::block_size};

/// A size beyond 2^32 values, and the blocks at its end that are worked on.
template <class S>
struct Shape {
  static constexpr std::int64_t blocks = huge / length<S> / group * group + spare;
  static constexpr std::int64_t first = blocks - group - spare;
  static constexpr std::int64_t size = blocks * length<S>;
  static constexpr std::int64_t begin = first * length<S>;
};

std::vector<float> normal_values(std::int64_t n) {
  std::mt19937 random(77);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& x : values) x = normal(random);
  return values;
}

/// The huge tensor's values, whose end is `end`, and its quantized form.
template <class S>
struct Huge {
  Reserved values_memory{Shape<S>::size * 4};
  Reserved storage{storage_bytes<S>(Shape<S>::size / length<S>, length<S>)};
  float* values = static_cast<float*>(values_memory.data());
  QuantizedMatrix<S> matrix = place<S>(storage.data(), Shape<S>::size / length<S>, length<S>);

  explicit Huge(std::vector<float> const& end) {
    if (values == nullptr || storage.data() == nullptr) SKIP("no such address space here");
    std::copy(end.begin(), end.end(), values + Shape<S>::begin);
  }
  std::span<float const> span() const { return {values, static_cast<std::size_t>(Shape<S>::size)}; }
};

using Plain = std::tuple<Scheme<Format<NF4>>, Scheme<Format<FP4>, BlockSize<16>>,
                         Scheme<Format<Int8>, BlockSize<4096>>, Scheme<Format<Int8>, RowWise>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("blocks beyond 2^32 values are quantized and decoded in place", "[host]",
                        Plain) {
  using S = TestType;
  using At = Shape<S>;
  auto const end = normal_values(At::size - At::begin);
  auto const n = static_cast<std::int64_t>(end.size());
  QuantizedTensor<S> small(n / length<S>, length<S>);
  REQUIRE(host::quantize(end, small.span()));

  Huge<S> large(end);
  auto const view = large.matrix.values;
  host::BlockRange const range{At::first, At::blocks};
  REQUIRE(host::quantize_range(large.span(), view, range));
  REQUIRE(std::memcmp(view.codes + At::begin * S::bits / 8, small.span().codes,
                      static_cast<std::size_t>(codes_bytes<S>(n))) == 0);
  REQUIRE(std::memcmp(view.scales.absmax + At::first, small.span().scales.absmax,
                      static_cast<std::size_t>(group + spare) * sizeof(float)) == 0);
  CHECK(view.scales.absmax[At::first - 1] == 0.f);
  CHECK(view.codes[At::begin * S::bits / 8 - 1] == 0);

  Reserved out_memory(At::size * 4);
  auto* const out = static_cast<float*>(out_memory.data());
  if (out == nullptr) SKIP("no such address space here");
  std::span<float> const whole(out, static_cast<std::size_t>(At::size));
  REQUIRE(host::dequantize_range(view, whole, range));
  std::vector<float> expected(end.size());
  REQUIRE(host::dequantize(small.span(), expected));
  CHECK(std::memcmp(out + At::begin, expected.data(), expected.size() * sizeof(float)) == 0);
  for (std::int64_t const i : {std::int64_t{0}, n / 2, n - 1})
    CHECK(decode_at(view, At::begin + i) == expected[static_cast<std::size_t>(i)]);

  large.values[At::size - 2] = std::numeric_limits<float>::quiet_NaN();
  Status const status = host::quantize_range(large.span(), view, range);
  CHECK(status.code == Errc::non_finite);
  CHECK(status.index == At::size - 2);
}

TEST_CASE("nested blocks beyond 2^32 values are quantized and decoded in place", "[host]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  using At = Shape<S>;
  auto const end = normal_values(At::size - At::begin);
  Huge<S> large(end);
  auto const view = large.matrix.values;
  host::BlockRange const range{At::first, At::blocks};

  Reserved absmax_memory(At::blocks * 4);
  auto* const absmax = static_cast<float*>(absmax_memory.data());
  if (absmax == nullptr) SKIP("no such address space here");
  std::span<float> const all(absmax, static_cast<std::size_t>(At::blocks));
  REQUIRE(host::absmax_range(large.span(), all, view, range));
  *view.scales.offset = 2.25f;  // what nested_offset would write after all ranges
  REQUIRE(host::encode_range(large.span(), all, view, range));

  auto const n = static_cast<std::int64_t>(end.size());
  QuantizedTensor<S> small(n);
  auto const scales = std::span<float const>(absmax + At::first, std::size_t{group + spare});
  *small.span().scales.offset = 2.25f;
  REQUIRE(host::encode_range(end, scales, small.span(), {0, group + spare}));
  auto const& inner = view.scales.absmax;
  auto const& expected = small.span().scales.absmax;
  CHECK(std::memcmp(view.codes + At::begin / 2, small.span().codes,
                    static_cast<std::size_t>(n / 2)) == 0);
  CHECK(std::memcmp(inner.codes + At::first, expected.codes, std::size_t{group + spare}) == 0);
  CHECK(std::memcmp(inner.scales.absmax + At::first / group, expected.scales.absmax,
                    2 * sizeof(float)) == 0);
  CHECK(inner.scales.absmax[At::first / group - 1] == 0.f);
  for (std::int64_t const i : {std::int64_t{0}, n / 2, n - 1})
    CHECK(decode_at(view, At::begin + i) == decode_at(small.span(), i));
}

#endif
