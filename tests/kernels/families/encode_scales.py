# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Nested scales from plain ones."""

HEADER = "qfmt/device/grid/nested_kernels.cuh"
KERNEL = "grid::encode_scales_kernel<{encoder}, {aligned}>"
AXES = ("encoder", "aligned")
PACKS = 8  # loads of a lane in flight


def applies(row):
    return row["nested"] == "nested"


def hot(row):
    if row["aligned"] == "unaligned":
        return {}
    return {"loads": (16, PACKS), "stores": (4, PACKS)}


def may_spill(row):
    """BnbCuda is there for its bytes; unaligned scales are the exception."""
    return row["encoder"] == "BnbCuda" or row["aligned"] == "unaligned"
