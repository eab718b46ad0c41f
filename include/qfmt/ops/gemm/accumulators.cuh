// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The sums of a warpgroup on the tensor cores, and where the scales come in.
#pragma once

#include "qfmt/ops/gemm/weights.cuh"
#include "qfmt/ptx/wgmma.cuh"

namespace qfmt::inline v0::gemm {

/// The sums of a warpgroup, each group's products multiplied by its scale in f32.
template <class Tuning>
class Accumulators {
  static constexpr int half = Tuning::columns / 2;

 public:
  float sum[half];

  __device__ void clear() {
#pragma unroll
    for (int i = 0; i < half; ++i) sum[i] = products_[i] = 0.f;
    upper_ = lower_ = 0.f;
  }

  /// Begins the products of one step; those of the step before end.
  template <SchemeSpec S, Element T, class Scales>
  __device__ void multiply(StepOperands const& w, uint64_t x, int step, Scales const& scales) {
    constexpr int groups = step_values / stream::group_values<S>;
    constexpr int products = stream::group_values<S> / 16;  // of a group
#pragma unroll
    for (int group = 0; group < groups; ++group) {
      end();
      upper_ = scales(0, 0, step * groups + group);
      lower_ = scales(0, 1, step * groups + group);
      ptx::wgmma_fence();
#pragma unroll
      for (int p = 0; p < products; ++p) {
        int const q = group * products + p;
        ptx::wgmma_m64k16<T>(products_, w.a[q], x + static_cast<uint64_t>(q * 2), p != 0);
      }
      ptx::wgmma_commit();
    }
    // Else ptxas serializes the products of several groups.
    if constexpr (groups > 1) ptx::wgmma_wait<0>(products_);
  }

  /// Waits for the products under way and adds them.
  __device__ void end() {
    ptx::wgmma_wait<0>(products_);
#pragma unroll
    for (int j = 0; j < half; j += 4) {
      sum[j] += upper_ * products_[j];
      sum[j + 1] += upper_ * products_[j + 1];
      sum[j + 2] += lower_ * products_[j + 2];
      sum[j + 3] += lower_ * products_[j + 3];
    }
  }

 private:
  float products_[half];
  float upper_, lower_;  // scales of the products
};

/// The same of weights that were multiplied by their scales before.
template <class Tuning>
  requires(Tuning::scale == ScaleAt::weights)
class Accumulators<Tuning> {
 public:
  float sum[Tuning::columns / 2];

  __device__ void clear() {
#pragma unroll
    for (float& s : sum) s = 0.f;
  }

  template <SchemeSpec S, Element T, class Scales>
  __device__ void multiply(StepOperands const& w, uint64_t x, int, Scales const&) {
    ptx::wgmma_fence();
#pragma unroll
    for (int q = 0; q < step_values / 16; ++q)
      ptx::wgmma_m64k16<T>(sum, w.a[q], x + static_cast<uint64_t>(q * 2), true);
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
  }

  __device__ void end() { ptx::wgmma_wait<0>(sum); }
};

}  // namespace qfmt::inline v0::gemm
