# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What the routes share."""
import pathlib
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def run(*command, fails=False, **options):
    """A command's output; ends the check where it fails, or where it should and does not."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if (done.returncode != 0) != fails:
        sys.exit(f"{shlex.join(str(c) for c in command)}\nexit {done.returncode}\n{done.stdout}")
    return done.stdout.strip()


def install(cmake, cxx, work, *options, component=None):
    """The prefix of an installation, moved after it was made: it must work wherever it lies."""
    run(cmake, "-S", ROOT, "-B", work / "qfmt", f"-DCMAKE_CXX_COMPILER={cxx}",
        "-DQFMT_BUILD_TESTS=OFF", "-DQFMT_BUILD_BENCH=OFF", "-DQFMT_BUILD_EXAMPLES=OFF",
        "-DQFMT_ENABLE_CUDA=OFF", *options)
    run(cmake, "--build", work / "qfmt")
    only = ["--component", component] if component else []
    run(cmake, "--install", work / "qfmt", "--prefix", work / "first", *only)
    return pathlib.Path(shutil.move(work / "first", work / "moved"))


def c_compiler_of(cxx):
    """The C compiler beside a C++ compiler: gcc of g++, clang-14 of clang++-14, cc of c++."""
    path = pathlib.Path(cxx)
    for plus, plain in (("clang++", "clang"), ("g++", "gcc"), ("c++", "cc")):
        if plus in path.name:
            return str(path.with_name(path.name.replace(plus, plain))) if path.parent.name else path.name.replace(plus, plain)
    return "cc"
