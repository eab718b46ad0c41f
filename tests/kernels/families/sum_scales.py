# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""One level of the tree that sums scales, from scales or from sums."""

HEADER = "qfmt/device/grid/nested_kernels.cuh"
KERNEL = "grid::sum_scales_kernel<{node}>"
AXES = ("node",)
OWN_AXES = {"node": ("float", "ScaleSum")}


def applies(row):
    return row["nested"] == "nested"
