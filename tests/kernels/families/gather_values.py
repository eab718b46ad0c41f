# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a matrix by index, decoded a value a thread."""

HEADER = "qfmt/device/grid/gather_kernel.cuh"
KERNEL = "grid::gather_values_kernel<{scheme}, {element}, {index}>"
AXES = ("format", "granularity", "nested", "element", "index")
OWN_AXES = {"index": ("int", "long")}


def applies(row):
    return True
