#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loop of the streaming matmul as nvcc makes it for sm_90a: instructions for each weight
that a lane decodes, no local memory in the loop of the narrow kernels, registers as the launch
bounds allow. Of the tiled matmul and of LLM.int8()'s: warpgroup products that ptxas does not
serialize, no local memory.

    matmul_loop.py NVCC FOLDER      FOLDER: where disassembler.py may have installed nvdisasm

The loop is the smallest that holds a whole queue's products. What is counted is its length, rare
branches included: of the first kernel's 2.7 instructions a weight an H200 executes 2.3.
"""
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import disassembler
import machine_code

# Tuning: instructions a weight at most (measured + 10 %), registers at most, bytes spilled at most.
EXPECTED = {
    "1, 1, 2": (3.0, 128, 0),
    "2, 1, 2": (3.5, 128, 0),
    "4, 1, 2, 12": (4.3, 168, 120),
    "4, 2, 2, 8": (3.65, 255, 240),
}
SOURCE = """
#include "qfmt/format/nf4.hpp"
#include "qfmt/ops/matmul.cuh"
using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
auto* kernel = qfmt::stream::matmul_kernel<Weights, qfmt::bfloat16, qfmt::stream::Tuning<%s>, 1>;
"""
TILED = {  # Tuning of the tiled matmul: warpgroup products of its loop, a stage's
    "32, 3": 16,
    "64, 3": 16,
    "128": 16,
    "256, 2, qfmt::gemm::ScaleAt::weights": 16,
}
TILED_SOURCE = """
#include "qfmt/format/nf4.hpp"
#include "qfmt/ops/matmul.cuh"
using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
auto* kernel = qfmt::gemm::matmul_kernel<Weights, qfmt::bfloat16, qfmt::gemm::Tuning<%s>, 1>;
"""
BYTES = {  # type and columns of LLM.int8()'s: products of codes, a stage's; of outliers, a chunk's of 16 or 64
    "qfmt::bfloat16, 16": (4, 5),
    "qfmt::float16, 256": (4, 5),
    "qfmt::bfloat16, 256": (4, 5),
    "float, 64": (4, 0),
}
BYTES_SOURCE = """
#include "qfmt/ops/int8_matmul.cuh"
auto* kernel = qfmt::int8::tiled_kernel<%s>;
"""
SERIALIZED = re.compile(r"\(C75\d\d\).*")  # ptxas says so, and why
LINE = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);")
LABEL = re.compile(r"^(\.L_x_\d+):")
WEIGHTS_A_PRODUCT = 8  # of a lane, in an m16n8k16


def instructions(text):
    """[(opcode, label branched to or None)] and {label: index} of the only kernel."""
    code, labels = [], {}
    for line in text.splitlines():
        if match := LABEL.match(line):
            labels[match[1]] = len(code)
        elif match := LINE.match(line):
            words = re.sub(r"^@!?U?P\w+\s+", "", match[2]).split()
            target = re.search(r"\.L_x_\d+", match[2]) if words[0].startswith("BRA") else None
            code.append((words[0].split(".")[0], target[0] if target else None))
    return code, labels


def inner_loop(text, products):
    """Opcodes of the smallest backward branch's body with at least `products` products."""
    code, labels = instructions(text)
    bodies = [code[labels[target]:end + 1] for end, (_, target) in enumerate(code)
              if target in labels and labels[target] <= end]
    full = [body for body in bodies if sum(op == "HMMA" for op, _ in body) >= products]
    return collections.Counter(op for op, _ in min(full, key=len)) if full else None


def compile_kernel(nvcc, program, text, folder):
    """What ptxas reported, read and as it was, and the disassembly."""
    source, cubin = folder / "kernel.cu", folder / "kernel.cubin"
    source.write_text(text, encoding="utf-8")
    done = subprocess.run([nvcc, "-std=c++20", "-O3", "-I", machine_code.INCLUDE, "-Xptxas", "-v",
                           "-gencode=arch=compute_90a,code=sm_90a", "-cubin", source, "-o", cubin],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout)
    (report,) = machine_code.read_report(done.stdout).values()
    text = subprocess.run([program, "-c", cubin], stdout=subprocess.PIPE, text=True, check=True)
    return report, done.stdout, text.stdout


def judge_tiled(tuning, report, said, text):
    products = collections.Counter(op for op, _ in instructions(text)[0])["HGMMA"]
    print(f"tiled, {tuning}: {products} warpgroup products, {report.spills} bytes spilled")
    wrong = SERIALIZED.findall(said)
    if products != TILED[tuning]:
        wrong.append(f"{products} warpgroup products, not {TILED[tuning]}")
    if report.spills > 0:
        wrong.append("local memory")
    return "; ".join(wrong)


def judge_bytes(tuning, report, said, text):
    count = collections.Counter(op for op, _ in instructions(text)[0])
    products = (count["IGMMA"], count["HGMMA"])
    print(f"LLM.int8(), {tuning}: {products[0]} products of codes, {products[1]} of outliers, "
          f"{report.spills} bytes spilled")
    wrong = SERIALIZED.findall(said)
    if products != BYTES[tuning]:
        wrong.append(f"{products} warpgroup products, not {BYTES[tuning]}")
    if report.spills > 0:
        wrong.append("local memory")
    return "; ".join(wrong)


def judge(tuning, report, _, text):
    columns, row_tiles, depth = [int(n) for n in tuning.split(",")][:3]
    products = columns * row_tiles * depth * 16  # four groups of four in a visit of 16 rows
    loop = inner_loop(text, products)
    most, registers, spills = EXPECTED[tuning]
    if loop is None:
        return f"no loop with {products} products"
    weights = loop["HMMA"] / columns * WEIGHTS_A_PRODUCT
    ratio = sum(loop.values()) / weights
    print(f"Tuning<{tuning}>: {sum(loop.values())} instructions, {ratio:.2f} a weight; "
          f"{report.registers} registers, {report.spills} bytes spilled; "
          f"LDS {loop['LDS']}, PRMT {loop['PRMT']}, HMMA {loop['HMMA']}, FFMA {loop['FFMA']}")
    wrong = []
    if loop["HMMA"] != products:
        wrong.append(f"{loop['HMMA']} products in the loop, not {products}")
    if loop["PRMT"] < weights / 2 or loop["PRMT"] > weights / 2 + 16:
        wrong.append(f"{loop['PRMT']} byte permutations for {weights / 2:.0f} lookups")
    if ratio > most:
        wrong.append(f"{ratio:.2f} instructions a weight, more than {most}")
    if report.registers > registers:
        wrong.append(f"{report.registers} registers, more than {registers}")
    if report.spills > spills:
        wrong.append(f"{report.spills} bytes spilled, more than {spills}")
    if spills == 0 and loop["LDL"] + loop["STL"] > 0:
        wrong.append("local memory in the loop")
    return "; ".join(wrong)


def main(nvcc, folder):
    program = disassembler.find(nvcc, folder)
    if program is None:
        print(f"no nvdisasm; disassembler.py {nvcc} {folder} installs it")
        return 1
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for tunings, text, check in ((EXPECTED, SOURCE, judge), (TILED, TILED_SOURCE, judge_tiled),
                                     (BYTES, BYTES_SOURCE, judge_bytes)):
            for tuning in tunings:
                made = compile_kernel(nvcc, program, text % tuning, pathlib.Path(scratch))
                wrong = check(tuning, *made)
                if wrong:
                    print(f"  WRONG: {wrong}")
                    failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
