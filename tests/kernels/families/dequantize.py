# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Whole tensors decoded in packs."""
from axes import bits, values_per_pack

HEADER = "qfmt/device/grid/dequantize_kernel.cuh"
KERNEL = "grid::dequantize_kernel<{scheme}, {element}, {aligned}>"
AXES = ("format", "granularity", "nested", "element", "aligned")
PACKS = 2  # stores of a thread


def applies(row):
    return True


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    return {"loads": (values_per_pack(row) * bits(row) // 8, PACKS), "stores": (16, PACKS)}
