#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What including each .cuh costs a consumer: seconds nvcc takes, over a file that includes
cuda_fp16.h alone, beside the budgets. Reports and never fails: a busy machine is no defect.

    compile_time.py [NVCC [RUNS]]      a table in Markdown
"""
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

INCLUDE = pathlib.Path(__file__).resolve().parents[1] / "include"
HEADER, WITH_CUB, UMBRELLA = 2.0, 6.0, 10.0  # seconds: over cuda_fp16.h twice, then of the whole file


def seconds(nvcc, header, runs):
    """The fastest of some compiles, host and device half, of a file that includes one header."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "one.cu"
        source.write_text(f"#include <{header}>\n")
        command = [nvcc, "-std=c++20", "-arch=sm_90", f"-I{INCLUDE}", "-c", str(source),
                   "-o", f"{folder}/one.o"]
        best = float("inf")
        for _ in range(runs):
            start = time.monotonic()
            subprocess.run(command, check=True)
            best = min(best, time.monotonic() - start)
    return best


def includes_cub(header):
    done = subprocess.run(["g++", "-M", "-MG", "-x", "c++", f"-I{INCLUDE}", str(INCLUDE / header)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return re.search(r"\bcub/", done.stdout) is not None


def main():
    nvcc = sys.argv[1] if len(sys.argv) > 1 else "nvcc"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    headers = sorted(p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob("*.cuh"))
    base = seconds(nvcc, "cuda_fp16.h", runs)
    release = subprocess.run([nvcc, "--version"], stdout=subprocess.PIPE, text=True).stdout
    print(f"nvcc {release.split('V')[-1].split()[0]} -arch=sm_90, best of {runs}, "
          f"{os.cpu_count()} CPUs ({platform.machine()}), {datetime.date.today()}. "
          f"cuda_fp16.h alone: {base:.2f} s.\n")
    print("| header | seconds | over cuda_fp16.h | budget | |\n| --- | --- | --- | --- | --- |")
    for header in headers:
        taken = seconds(nvcc, header, runs)
        whole = header == "qfmt/qfmt.cuh"
        budget = UMBRELLA if whole else WITH_CUB if includes_cub(header) else HEADER
        fits = (taken if whole else taken - base) <= budget
        print(f"| `{header}` | {taken:.2f} | {taken - base:+.2f} | {budget:.0f}{' in all' if whole else ''} "
              f"| {'' if fits else 'OVER'} |", flush=True)


if __name__ == "__main__":
    main()
