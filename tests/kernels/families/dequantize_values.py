# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Rows that do not divide into packs, decoded a value a thread."""

HEADER = "qfmt/device/grid/dequantize_kernel.cuh"
KERNEL = "grid::dequantize_values_kernel<{scheme}, {element}>"
AXES = ("format", "granularity", "element")


def applies(row):
    return row["granularity"] == "RowWise"
