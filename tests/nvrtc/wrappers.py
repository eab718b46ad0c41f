#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when device_kernels.cu leaves out an instruction wrapper of include/qfmt/ptx: its text would
then never reach an assembler here.

    wrappers.py
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PTX = HERE.parents[1] / "include" / "qfmt" / "ptx"
WRAPPER = re.compile(r"^__device__ inline [\w:]+\*? (\w+)\(", re.MULTILINE)


def code_of(path):
    return re.sub(r"//.*", "", path.read_text())


def main():
    headers = [code_of(path) for path in PTX.glob("*.cuh")]
    names = {name for text in headers for name in WRAPPER.findall(text.split("ptx::detail")[0])}
    # Called by the kernels, or by another wrapper.
    calls = code_of(HERE / "device_kernels.cu") + "".join(WRAPPER.sub("", text) for text in headers)
    missing = sorted(n for n in names if not re.search(rf"\b{n}(<[^;(]*>)?\(", calls))
    for name in missing:
        print(f"ptx::{name} is called nowhere in device_kernels.cu")
    print(f"{len(names)} wrappers, {len(missing)} left out")
    return 1 if missing or not names else 0


if __name__ == "__main__":
    sys.exit(main())
