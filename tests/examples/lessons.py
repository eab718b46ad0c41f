#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The lessons of examples/lessons compile by the lines in their heads, without a warning, from a folder
to which include/qfmt and the lessons were copied, and run: exit 0 and something to read. A lesson that
wants a GPU says that there is none.

    lessons.py CXX [NVCC CUDA_LIBRARY_FOLDER CUDA_INCLUDE_FOLDER...]

Without nvcc its lessons are named and left out. Lesson 8 needs torch and is the real_client test's.
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^//     ((?:g\+\+|nvcc) .*)$", re.MULTILINE)
RUN = re.compile(r"^//     \./a\.out (.*)$", re.MULTILINE)
MOST_LINES = 100
STRICT = {"g++": ["-Wall", "-Wextra", "-Wshadow", "-Werror"],
          "nvcc": ["-Werror", "all-warnings", "-Xcompiler=-Wall,-Wextra,-Werror"]}
NEWCOMER = "02_decode_in_my_kernel.cu"  # its line is the whole build: nothing may be added
NEWCOMER_LINE = f"nvcc -std=c++20 -I include {NEWCOMER}"
ELSEWHERE = re.compile(r"^08_")


def run(command, folder, environment=None):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment, timeout=300)


class Lessons:
    def __init__(self, folder, cxx, nvcc=None, library=None, *includes):
        self.folder = folder
        self.compilers = {"g++": cxx, "nvcc": nvcc}
        self.environment = {**os.environ}
        if library:
            self.environment["LD_LIBRARY_PATH"] = f"{library}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        self.includes = [p for i in includes for p in (i, f"{i}/cccl") if os.path.isdir(p)]

    def compile(self, name, line, program):
        """What is wrong with a lesson's line, or None."""
        words = shlex.split(line)
        if name == NEWCOMER:
            if line != NEWCOMER_LINE:
                return f"its line is not `{NEWCOMER_LINE}`"
            strict = []
            shutil.copy(self.folder / "examples/lessons" / name, self.folder / name)
        else:
            strict = STRICT[words[0]]
        command = [self.compilers[words[0]], *words[1:], *strict]
        done = run([*command, "-o", program], self.folder)
        if done.returncode != 0 or done.stdout:
            return f"does not compile in silence\n{done.stdout}"
        return None

    def check(self, name, line):
        """(fine, what to print) for one line of a lesson."""
        kind = line.split()[0]
        if self.compilers[kind] is None:
            return True, f"{name}: left out, no {kind} here"
        program = self.folder / f"{name}.{kind}.out"
        wrong = self.compile(name, line, program)
        if wrong:
            return False, f"{name}, {kind}: {wrong}"
        text = (self.folder / "examples/lessons" / name).read_text()
        arguments = [a for words in RUN.findall(text) for a in words.split()]
        arguments = [a for a in arguments if not a.startswith("CUDA/")]
        done = run([program, *arguments, *(self.includes if arguments else [])], self.folder,
                   self.environment)
        fine = done.returncode == 0 and done.stdout.strip() != ""
        return fine, f"{name}, {kind}: exit {done.returncode}\n    " + done.stdout.strip().replace(
            "\n", "\n    ")


def main(*arguments):
    wrong, jobs = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        shutil.copytree(ROOT / "include/qfmt", folder / "include/qfmt")
        shutil.copytree(ROOT / "examples/lessons", folder / "examples/lessons")
        lessons = Lessons(folder, *arguments)
        for path in sorted((ROOT / "examples/lessons").glob("[0-9]*.c*")):
            text = path.read_text()
            if text.count("\n") >= MOST_LINES:
                wrong.append(f"{path.name}: {text.count(chr(10))} lines, not fewer than {MOST_LINES}")
            lines = LINE.findall(text)
            if not lines and not ELSEWHERE.match(path.name):
                wrong.append(f"{path.name}: names no line that builds it")
            if not ELSEWHERE.match(path.name):
                jobs += [(path.name, line) for line in lines]
        jobs.sort(key=lambda job: not job[1].startswith("nvcc"))  # the long ones first
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(lambda job: lessons.check(*job), jobs))
    for _, text in sorted(results, key=lambda result: result[1]):
        print(text)
    wrong += [text for fine, text in results if not fine]
    for text in wrong:
        print(f"WRONG: {text}")
    print(f"{len(jobs)} builds, {len(wrong)} wrong")
    return 1 if wrong or not jobs else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
