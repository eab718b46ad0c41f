# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Nested scales from plain ones."""

HEADER = "qfmt/device/grid/nested_kernels.cuh"
KERNEL = "grid::encode_scales_kernel<{encoder}, {node}>"
AXES = ("encoder", "node")
OWN_AXES = {"node": ("float", "ScaleSum")}


def applies(row):
    return row["nested"] == "nested"
