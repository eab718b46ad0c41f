#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What including each public header costs a consumer: CPU seconds of the compiler, over a file that
includes cuda_fp16.h alone (nvcc) or nothing (g++), beside the budgets.

    compile_time.py [--nvcc NVCC] [--runs N] [--gate FACTOR]      a table in Markdown

With --gate it fails where a header takes more than FACTOR times its budget. CPU seconds stretch less
than wall time on a busy machine, and the factor takes up the rest.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile

INCLUDE = pathlib.Path(__file__).resolve().parents[1] / "include"
HEADER, WITH_CUB, UMBRELLA = 2.0, 6.0, 10.0  # CPU seconds: over the base twice, then of the whole file
UMBRELLAS = ("qfmt/qfmt.cuh", "qfmt/qfmt.hpp")


def children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(compiler, text, runs):
    """The least CPU time of some compiles of a file; nvcc's is the host and the device half."""
    with tempfile.TemporaryDirectory() as folder:
        cuda = "nvcc" in pathlib.Path(compiler).name
        source = pathlib.Path(folder) / ("one.cu" if cuda else "one.cpp")
        source.write_text(text)
        command = [compiler, "-std=c++20", *(["-arch=sm_90"] if cuda else ["-O2"]), f"-I{INCLUDE}", "-c",
                   str(source), "-o", f"{folder}/one.o"]
        best = float("inf")
        for _ in range(runs):
            start = children()
            subprocess.run(command, check=True)
            best = min(best, children() - start)
    return best


def includes(header, pattern):
    done = subprocess.run(["g++", "-M", "-MG", "-x", "c++", "-std=c++20", f"-I{INCLUDE}", str(INCLUDE / header)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return re.search(pattern, done.stdout) is not None


def table(compiler, base_text, headers, options):
    """Prints one compiler's rows; the number that are over what is allowed."""
    base = seconds(compiler, base_text, options.runs)
    print(f"\n`{pathlib.Path(compiler).name}`, a file of `{base_text.strip() or 'nothing'}`: {base:.2f} s.\n")
    print("| header | CPU seconds | over that | budget | |\n| --- | --- | --- | --- | --- |")
    over = 0
    for header in headers:
        taken = seconds(compiler, f"#include <{header}>\n", options.runs)
        whole = header in UMBRELLAS
        budget = UMBRELLA if whole else WITH_CUB if includes(header, r"\bcub/|nlohmann/json") else HEADER
        counted = taken if whole else taken - base
        over += counted > budget * (options.gate or float("inf"))
        print(f"| `{header}` | {taken:.2f} | {taken - base:+.2f} | {budget:.0f}{' in all' if whole else ''} "
              f"| {'' if counted <= budget else 'OVER'} |", flush=True)
    return over


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc", default=shutil.which("nvcc"))
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--gate", type=float)
    options = parser.parse_args()
    print(f"Best of {options.runs}, {os.cpu_count()} CPUs ({platform.machine()}), {datetime.date.today()}. Budgets: "
          f"a header {HEADER:.0f} s over the base ({WITH_CUB:.0f} with CUB or nlohmann-json), an umbrella {UMBRELLA:.0f} s in all.")
    names = sorted(p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob("*") if p.suffix in (".hpp", ".cuh"))
    has_json = subprocess.run(["g++", "-E", "-x", "c++", "-"], input="#include <nlohmann/json.hpp>\n", text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    host = [n for n in names if n.endswith(".hpp") and (has_json or "/io/" not in n)]
    over = table("g++", "\n", host, options)
    if options.nvcc:
        cuda = [n for n in names if n.endswith(".cuh")]
        over += table(options.nvcc, "#include <cuda_fp16.h>\n", cuda, options)
    if options.gate:
        print(f"\n{over} headers over {options.gate:g} times their budget")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
