# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""One level of the tree that sums scales, from sums to sums."""

HEADER = "qfmt/device/grid/nested_kernels.cuh"
KERNEL = "grid::sum_scales_kernel<block::ScaleSummer>"
AXES = ()


def applies(row):
    return row["nested"] == "nested"
