#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Plants deliberate one-line faults in the kernels and checks that the GPU-free tests catch each.

    mutate.py BUILD_DIR [-j N] [--only WORD]

BUILD_DIR is a Ninja build of this tree in which the gpu_free tests have been built. Faults are listed
in mutations.json beside this script: a file, the text of one place in it, what stands there instead,
the test program that must fail, and why. Each is planted in a copy of the headers, the one program is
compiled against the copy with its shortest list of cases, and must then fail. A fault that does not
compile is an error of the list, as is a text that stands in the file never or more than once.
Exit status: 0 all caught, 1 some were not, 2 the list or the build is wrong.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COPIED = ["include", "tests/gpu_free/include", "tests/gpu_free", "tests/device", "tests/support"]
TIMEOUT = 120


class BadList(Exception):
    pass


def commands_of(build, target):
    """The compile command of the target's one source and the link command."""
    done = subprocess.run(["ninja", "-C", str(build), "-t", "commands", target], stdout=subprocess.PIPE,
                          text=True, check=False)
    lines = done.stdout.splitlines()
    compiles = [line for line in lines if " -c " in line and f"{target}.dir" in line]
    if done.returncode != 0 or len(compiles) != 1:
        raise BadList(f"{build} has no target {target} of one source: build the gpu_free tests first")
    link = re.sub(r"^: && | && :$", "", lines[-1])
    return shlex.split(compiles[0]), shlex.split(link)


class Program:
    """How to make one test program from a copy of the tree."""

    def __init__(self, build, name):
        self.build = build
        self.target = f"{name}_gpu_free_test"
        self.compile, self.link = commands_of(build, self.target)
        self.object = self.compile[self.compile.index("-o") + 1]

    def make(self, tree):
        """None, or what the compiler said."""
        binary, obj = tree / self.target, tree / f"{self.target}.o"
        words = [str(w).replace(str(ROOT), str(tree)) for w in self.compile]
        keep = []
        skip = False
        for word in words:
            if skip or word in ("-MD",):
                skip = False
                continue
            if word in ("-MT", "-MF"):
                skip = True
                continue
            keep.append(word)
        keep[keep.index("-o") + 1] = str(obj)
        keep += ["-DGPU_FREE_FEW", "-O1", "-g0", "-w"]
        done = subprocess.run(keep, cwd=self.build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if done.returncode != 0:
            return done.stdout
        words = [str(obj) if w == self.object else w for w in self.link]
        words[words.index("-o") + 1] = str(binary)
        done = subprocess.run(words, cwd=self.build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        return None if done.returncode == 0 else done.stdout

    def run(self, tree, test_filter):
        """(failed, the line that says why)"""
        command = [str(tree / self.target)] + ([test_filter] if test_filter else [])
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False, timeout=TIMEOUT, errors="replace")
        except subprocess.TimeoutExpired:
            return True, f"still running after {TIMEOUT} s"
        return done.returncode != 0, reason(done.stdout, done.returncode)


def reason(output, code):
    """The first failure of a Catch2 report in one line."""
    lines = [line.strip() for line in output.splitlines()]
    for i, line in enumerate(lines):
        if "due to unexpected exception with message" in line:
            return " ".join(lines[i + 1:i + 4])[:150]
        if line == "with expansion:":
            return " ".join(lines[i + 1:i + 3])[:150]
    return f"exit status {code}" if code != 0 else "passed"


def copy_tree(folder):
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("build", "*.pyc"))


def plant(folder, fault):
    """Writes the fault into the copy."""
    path = folder / fault["file"]
    text = path.read_text()
    if text.count(fault["original"]) != 1:
        raise BadList(f"{fault['file']}: `{fault['original']}` stands there "
                      f"{text.count(fault['original'])} times")
    if "\n" in fault["original"].strip() or "\n" in fault["replacement"].strip():
        raise BadList(f"{fault['file']}: a fault is one line")
    path.write_text(text.replace(fault["original"], fault["replacement"]))


def attempt(program, fault):
    """(caught, why) of one fault, or of the tree as it is where fault is None."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        if fault is not None:
            plant(tree, fault)
        errors = program.make(tree)
        if errors is not None:
            raise BadList(f"does not compile: {fault and fault['why']}\n{errors[:2000]}")
        return program.run(tree, fault.get("filter") if fault else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("-j", type=int, default=2, help="faults tried at a time")
    parser.add_argument("--only", default="", help="faults whose file, test or reason holds this")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    faults = [f for f in json.loads((HERE / "mutations.json").read_text())
              if arguments.only in f["file"] + " " + f["test"] + " " + f["why"]]
    start = time.monotonic()
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.j) as pool:
        programs = {name: Program(build, name) for name in sorted({f["test"] for f in faults})}
        for name, (failed, why) in zip(programs, pool.map(lambda p: attempt(p, None), programs.values())):
            print(f"{'FAILS' if failed else 'passes':7} {name} without a fault", flush=True)
            if failed:
                raise BadList(f"{name} fails without a fault: {why}")
        for i, (fault, (caught, why)) in enumerate(
                zip(faults, pool.map(lambda f: attempt(programs[f["test"]], f), faults)), 1):
            missed += not caught
            place = fault["file"].removeprefix("include/qfmt/").removeprefix("tests/gpu_free/include/")
            print(f"{'caught' if caught else 'MISSED':7} {i:2} {place}: {fault['why']}\n"
                  f"           by {fault['test']}: {why}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults caught in {time.monotonic() - start:.0f} s")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadList as error:
        print(f"mutate.py: {error}", file=sys.stderr)
        sys.exit(2)
