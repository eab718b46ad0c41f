// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How far vectors of sentences are from those of the model in full precision.
#pragma once

#include <cstdint>
#include <vector>

namespace encoder {

/// Vectors of length 1.
struct Vectors {
  std::vector<float> values;  // (count, n)
  std::int64_t count = 0, n = 0;

  float const* row(std::int64_t i) const { return values.data() + i * n; }
};

/// The cosine of the angle between two vectors of length 1.
double cosine(float const* a, float const* b, std::int64_t n);

struct Fidelity {
  double mean_cosine = 1.0, least_cosine = 1.0;  // of a sentence's two vectors
  double rank_correlation = 1.0;                 // Spearman's, of the similarities of all pairs
  double same_neighbour = 1.0;  // share of sentences whose most similar other sentence is the same
  double same_neighbour_error = 0.0;  // its standard error over sentences
};

/// What the measure needs of the reference, worked out once.
class Reference {
 public:
  /// Two sentences or more.
  explicit Reference(Vectors vectors);

  Vectors const& vectors() const { return vectors_; }

  Fidelity compare(Vectors const& other) const;

 private:
  Vectors vectors_;
  std::vector<double> ranks_;             // of the pairs' similarities
  std::vector<std::int64_t> neighbours_;  // the most similar other sentence
};

}  // namespace encoder
