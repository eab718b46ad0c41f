#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Finds nvdisasm: beside nvcc, on PATH, or in FOLDER, where it is installed from the Python package
index (5 MB) when there is none. Fails when it cannot be had: without it the checks prove nothing.

    disassembler.py NVCC FOLDER
"""
import os
import pathlib
import shutil
import subprocess
import sys

PACKAGE = "nvidia-cuda-nvdisasm==13.5.37"  # reads what older toolkits write, too


def find(nvcc, folder):
    """Path of nvdisasm, or None."""
    beside = pathlib.Path(nvcc).resolve().parent / "nvdisasm"
    found = [beside] if os.access(beside, os.X_OK) else []
    found += [pathlib.Path(p) for p in [shutil.which("nvdisasm")] if p]
    found += sorted(pathlib.Path(folder).glob("nvidia/*/bin/nvdisasm"))
    return found[0] if found else None


def works(program):
    return subprocess.run([program, "--version"], stdout=subprocess.DEVNULL).returncode == 0


def install(folder):
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--disable-pip-version-check", "--root-user-action=ignore",
                           "--upgrade", "--target", folder, PACKAGE])
    if done.returncode != 0:
        return
    for program in pathlib.Path(folder).glob("nvidia/*/bin/nvdisasm"):
        program.chmod(0o755)


def main(nvcc, folder):
    if find(nvcc, folder) is None:
        install(folder)
    program = find(nvcc, folder)
    if program is None or not works(program):
        print(f"no nvdisasm: it is not beside {nvcc}, and pip could not install {PACKAGE}")
        return 1
    print(program)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
