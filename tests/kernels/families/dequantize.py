# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Whole tensors decoded in packs."""
from axes import bits, values_per_pack

HEADER = "qfmt/device/grid/dequantize_kernel.cuh"
KERNEL = "grid::dequantize_kernel<{scheme}, {element}, {aligned}>"
AXES = ("format", "granularity", "nested", "element", "aligned")


def applies(row):
    return True


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    wide = row["nested"] == "nested" and bits(row) == 4 and row["element"] != "float"
    packs = 4 if wide else 2  # stores of a thread
    return {"loads": (values_per_pack(row) * bits(row) // 8, packs), "stores": (16, packs)}
