# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Codes and scales of rows, a block of threads each."""
from axes import bits, values_per_pack

HEADER = "qfmt/device/grid/quantize_rows_kernel.cuh"
KERNEL = "grid::quantize_rows_kernel<{scheme}, {element}, {encoder}, {threads}, {aligned}>"
AXES = ("format", "element", "encoder", "threads", "aligned")
OWN_AXES = {"threads": ("128", "256", "512")}
PACKS = 8  # loads that a thread keeps


def applies(row):
    return row["granularity"] == "RowWise"


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    stores = PACKS if row["encoder"] == "Nearest" else 1  # BnbCuda encodes one pack after another
    return {"loads": (16, PACKS), "stores": (values_per_pack(row) * bits(row) // 8, stores)}


def may_spill(row):
    """BnbCuda is there for its bytes; unaligned tensors are the exception."""
    return row["encoder"] == "BnbCuda" or row["aligned"] == "unaligned"
