#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The README's table "which format when", made from the measured rows.

    format_advice.py              prints it
    format_advice.py --check      fails where README.md does not hold it
"""
import json
import math
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"

# What someone wants, and the formats that are to be compared for it, the advised one first.
QUESTIONS = [
    ("half the bytes, nearly no loss", ["int8-weights", "bf16"]),
    ("8-bit products, outliers in the activations", ["llm.int8", "llm.int8-bnb", "int8"]),
    ("4 bits that bitsandbytes reads", ["nf4/64/double", "nf4/64", "fp4/64", "int4/64"]),
    ("the lowest KL in those bytes (its loss was not lower)", ["nf4/64/double/min-error", "nf4/64/double"]),
    ("closer to fp32 at 4.25 bits", ["nf4/32/double", "nf4/128"]),
    ("4 bits, multiplied in 16", ["nf4/64/double@bf16", "nf4/64@fp16"]),
]


def rows_of(name):
    return {row["format"]: row for row in json.loads((RESULTS / name).read_text())["rows"]}


def cell(row):
    error = 100 * row["increase_error"] * math.log(2)
    return f"{100 * (row['perplexity_ratio'] - 1):+.2f} ± {error:.2f} %, KL {1e4 * row['kl_mean']:.3g}"


def table():
    plain, outliers = rows_of("quality.json"), rows_of("quality-outliers.json")
    lines = ["| you want | take: bits per weight; perplexity over fp32, KL in 10^-4 nats | with outliers in the activations | beside it: the same two |",
             "| --- | --- | --- | --- |"]
    for want, (best, *others) in QUESTIONS:
        beside = "; ".join(f"`{f}` {cell(plain[f])}; {cell(outliers[f])}" for f in others)
        lines.append(f"| {want} | `{best}`: {plain[best]['bits_per_weight']:.2f}; {cell(plain[best])} | "
                     f"{cell(outliers[best])} | {beside} |")
    return "\n".join(lines) + "\n"


def main():
    text = table()
    if "--check" not in sys.argv:
        print(text, end="")
    elif text not in (ROOT / "README.md").read_text():
        print("README.md does not hold what bench/format_advice.py makes of bench/results", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
