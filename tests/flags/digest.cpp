// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizes and decodes fixed bit patterns under every kind of scheme and prints a digest of the
// bytes of each. check.py compiles it with many flags; the output may not differ.
#include <qfmt/qfmt.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using qfmt::bfloat16;
using qfmt::float16;

std::uint64_t total = 0;
int failures = 0;

/// FNV-1a of bytes.
std::uint64_t hash(void const* data, std::size_t bytes, std::uint64_t state) {
  auto const* p = static_cast<unsigned char const*>(data);
  for (std::size_t i = 0; i < bytes; ++i) state = (state ^ p[i]) * 0x100000001B3u;
  return state;
}

/// Finite floats of every size down to subnormals, made without arithmetic on floats. Blocks of
/// `run` values have exponents of their own, so that every path of the scaling is taken.
std::vector<float> patterns(std::size_t count, std::size_t run) {
  std::vector<float> values(count);
  std::uint64_t state = 0x9E3779B97F4A7C15u;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    auto const random = static_cast<std::uint32_t>(state >> 33);
    std::uint32_t const most = (i / run * 37) % 255;  // the block's largest exponent
    std::uint32_t const exponent = most - (most < 8 ? most : (random >> 23) % 8);
    std::uint32_t const sign = random & 1u;
    values[i] = std::bit_cast<float>(sign << 31 | exponent << 23 | (random & 0x7FFFFFu));
  }
  for (std::size_t i = 2 * run; i < 3 * run && i < count; ++i) values[i] = 0.f;
  return values;
}

template <qfmt::Element Out, qfmt::SchemeSpec S>
std::uint64_t decoded_hash(qfmt::QuantizedTensor<S> const& tensor, std::uint64_t state) {
  std::vector<Out> out(static_cast<std::size_t>(tensor.span().size));
  if (auto const status = qfmt::host::dequantize(tensor.span(), out); !status) ++failures;
  return hash(out.data(), out.size() * sizeof(Out), state);
}

template <qfmt::SchemeSpec S, qfmt::Element T, class Encoder = qfmt::Nearest>
void digest(char const* type, Encoder encoder = {}) {
  constexpr std::int64_t rows = 13, cols = 1537;
  constexpr std::size_t run = S::block_size == 0 ? cols : S::block_size;
  std::vector<T> values;
  for (float const x : patterns(rows * cols, run)) {
    T const value = qfmt::from_float<T>(x);
    bool const finite = qfmt::is_finite(qfmt::to_float(value));
    values.push_back(finite ? value : qfmt::from_float<T>(1.f));
  }
  qfmt::QuantizedTensor<S> tensor(rows, cols);
  if (auto const status = qfmt::host::quantize(values, tensor.span(), encoder); !status) ++failures;

  // The tensor's pieces lie in one zeroed allocation, which begins with the codes.
  std::uint64_t state = 0xCBF29CE484222325u;
  state = hash(tensor.span().codes, static_cast<std::size_t>(tensor.bytes()), state);
  std::uint64_t const bytes = state;
  state = decoded_hash<float>(tensor, state);
  state = decoded_hash<float16>(tensor, state);
  state = decoded_hash<bfloat16>(tensor, state);
  total = hash(&state, sizeof state, total);

  auto const& desc = qfmt::desc_of<S>;
  std::printf("%-17.*s block %4d%s%s %-8s bytes %016llx with decoded %016llx\n",
              static_cast<int>(desc.format.size()), desc.format.data(), desc.block_size,
              desc.row_wise ? " rows" : "", desc.double_quant ? " nested" : "", type,
              static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(state));
}

template <class... Policies>
void digest_dtypes() {
  using S = qfmt::Scheme<Policies...>;
  digest<S, float>("float");
  digest<S, float16>("float16");
  digest<S, bfloat16>("bfloat16");
}

/// A block size with and without double quantization.
template <class F, int N>
void digest_block_size() {
  digest_dtypes<qfmt::Format<F>, qfmt::BlockSize<N>>();
  digest_dtypes<qfmt::Format<F>, qfmt::BlockSize<N>, qfmt::DoubleQuant<true>>();
}

}  // namespace

int main() {
  digest_block_size<qfmt::NF4, 16>();
  digest_block_size<qfmt::NF4, 64>();
  digest_block_size<qfmt::NF4, 4096>();
  digest_block_size<qfmt::FP4, 64>();
  digest_block_size<qfmt::Int8, 64>();
  digest_block_size<qfmt::Dynamic8, 256>();
  digest_dtypes<qfmt::Format<qfmt::Int8>, qfmt::RowWise>();
  digest_dtypes<qfmt::Format<qfmt::UnsignedDynamic8>, qfmt::BlockSize<256>>();
#if defined(QFMT_DIGEST_MIN_ERROR)  // takes longer to compile than all else
  float const weights[3]{1.f, 0.3f, 2.7f};
  using Nested = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
  digest<Nested, float>("MinError", qfmt::MinError{});
  digest<Nested, bfloat16>("weighted", qfmt::MinError{weights, 3});
  digest<qfmt::Scheme<qfmt::Format<qfmt::FP4>>, float>("MinError", qfmt::MinError{weights, 3});
  digest<qfmt::Scheme<qfmt::Format<qfmt::Int8>>, float>("MinError", qfmt::MinError{});
#endif
  std::printf("all of it: %016llx\n", static_cast<unsigned long long>(total));
  return failures == 0 ? 0 : 1;
}
