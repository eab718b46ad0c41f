#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Packs what check.py needs on a machine with CUDA that has PyTorch, transformers and safetensors:
the program with its libraries, and of the installed bitsandbytes its Python files and one library.

    pack.py CLIENT_PYTHON PROGRAM FOLDER [CUDA_VERSION]      130 where none is given

There, in the repository:

    PYTHONPATH=FOLDER python3 tests/real_client/check.py FOLDER/qfmt --device cuda
"""
import pathlib
import re
import shutil
import subprocess
import sys


def pack_program(program, folder):
    """A copy that brings its loader and libraries along, so that any x86-64 Linux runs it."""
    libraries = folder / "program"
    libraries.mkdir()
    shutil.copy(program, libraries / "qfmt")
    subprocess.run(["strip", str(libraries / "qfmt")], check=False)
    listed = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", listed):
        shutil.copy(path, libraries / pathlib.Path(path).name)
    loader = next(libraries.glob("ld-linux*")).name
    start = folder / "qfmt"
    start.write_text("#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")\" && pwd)/program\n"
                     f'exec "$here/{loader}" --library-path "$here" "$here/qfmt" "$@"\n')
    for path in [start, libraries / loader, libraries / "qfmt"]:
        path.chmod(0o755)


def pack_bitsandbytes(python, folder, cuda):
    where = subprocess.run([python, "-c", "import bitsandbytes; print(bitsandbytes.__file__)"],
                           check=True, capture_output=True, text=True).stdout.strip()
    package = pathlib.Path(where).parent
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")
    shutil.copytree(package, folder / "bitsandbytes", ignore=unwanted)
    for name in [f"libbitsandbytes_cuda{cuda}.so", "libbitsandbytes_cpu.so"]:
        shutil.copy(package / name, folder / "bitsandbytes")
    for info in package.parent.glob("bitsandbytes-*.dist-info"):  # the version, and the licence
        shutil.copytree(info, folder / info.name)


def main():
    python, program, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    cuda = sys.argv[4] if len(sys.argv) > 4 else "130"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pack_program(program, folder)
    pack_bitsandbytes(python, folder, cuda)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
