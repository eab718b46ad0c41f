// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace encoder {

/// One head of one token over all tokens of its sentence.
///     q, out: (n)   keys, values: (count rows of n, `stride` floats apart)   scores: (count)
inline void attend_head(float const* q, float const* keys, float const* values, std::int64_t count,
                        std::int64_t n, std::int64_t stride, float* scores, float* out) {
  float const scale = 1.f / std::sqrt(static_cast<float>(n));
  for (std::int64_t s = 0; s < count; ++s) {
    float const* const key = keys + s * stride;
    float sum = 0.f;
    for (std::int64_t i = 0; i < n; ++i) sum += q[i] * key[i];
    scores[s] = sum * scale;
  }
  float const highest = *std::max_element(scores, scores + count);
  float total = 0.f;
  for (std::int64_t s = 0; s < count; ++s) total += scores[s] = std::exp(scores[s] - highest);
  std::fill(out, out + n, 0.f);
  for (std::int64_t s = 0; s < count; ++s)
    for (std::int64_t i = 0; i < n; ++i) out[i] += scores[s] / total * values[s * stride + i];
}

/// Every head of every token of one sentence; each token sees all of them.
///     q, k, v, out: (count, heads, n)
inline void attend(float const* q, float const* k, float const* v, std::int64_t count,
                   std::int64_t heads, std::int64_t n, float* out) {
  std::vector<float> scores(static_cast<std::size_t>(count));
  std::int64_t const stride = heads * n;
  for (std::int64_t at = 0; at < count * stride; at += n) {
    std::int64_t const head = at % stride;
    attend_head(q + at, k + head, v + head, count, n, stride, scores.data(), out + at);
  }
}

}  // namespace encoder
