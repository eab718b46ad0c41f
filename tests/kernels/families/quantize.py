# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Codes and scales of blocks of values."""
from axes import bits, values_per_pack

HEADER = "qfmt/device/grid/quantize_kernel.cuh"
KERNEL = "grid::quantize_kernel<{scheme}, {element}, {encoder}, {aligned}>"
PACKS = 8  # loads of a lane in flight
AXES = ("format", "granularity", "nested", "element", "encoder", "aligned")


def applies(row):
    return row["granularity"] != "RowWise"


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    return {"loads": (16, PACKS), "stores": (values_per_pack(row) * bits(row) // 8, PACKS)}


def may_spill(row):
    """BnbCuda is there for its bytes; unaligned tensors are the exception."""
    return row["encoder"] == "BnbCuda" or row["aligned"] == "unaligned"
