#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The lessons of examples/kernels compile by the line that each names in its head, without a
warning, and run: on a GPU they must find no difference, without one say that there is none.

    check.py NVCC
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^//     nvcc (-std=c\+\+20 -I include .*\.cu)$", re.MULTILINE)
MOST_LINES = 100
STRICT = ["-Werror", "all-warnings", "-Xcompiler=-Wall,-Wextra,-Werror"]


def check(nvcc, path):
    """What is wrong with a lesson, or the line it printed."""
    text = path.read_text()
    name = path.relative_to(ROOT).as_posix()
    lines = LINE.findall(text)
    if len(lines) != 1 or not lines[0].endswith(name):
        return False, f"{name}: names no line `nvcc -std=c++20 -I include ... {name}`"
    if text.count("\n") >= MOST_LINES:
        return False, f"{name}: {text.count(chr(10))} lines; a lesson has fewer than {MOST_LINES}"
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/lesson"
        done = subprocess.run([nvcc, *lines[0].split(), *STRICT, "-o", program], cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return False, f"{name}: does not compile\n{done.stdout}"
        done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    fine = done.returncode in (0, 77) and done.stdout.count("\n") == 1
    return fine, f"{name}: exit {done.returncode}: {done.stdout.strip()}"


def main(nvcc):
    lessons = sorted((ROOT / "examples" / "kernels").glob("*.cu"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: check(nvcc, path), lessons))
    for _, line in results:
        print(line)
    wrong = sum(not fine for fine, _ in results)
    print(f"{len(lessons)} lessons, {wrong} wrong")
    return 1 if wrong or not lessons else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
