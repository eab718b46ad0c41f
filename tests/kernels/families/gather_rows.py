# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a matrix by index, decoded in packs."""
from axes import bits, values_per_pack

HEADER = "qfmt/device/grid/gather_kernel.cuh"
KERNEL = "grid::gather_rows_kernel<{scheme}, {element}, {index}, {aligned}>"
AXES = ("format", "granularity", "nested", "element", "index", "aligned")
OWN_AXES = {"index": ("int", "long")}
PACKS = 2  # stores of a thread


def applies(row):
    return True


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    return {"loads": (values_per_pack(row) * bits(row) // 8, PACKS), "stores": (16, PACKS)}
