#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Takes qfmt in by one route as an outside project would, builds and runs main.cpp, and fails when
the consumer's compile line holds anything but the include path and the C++20 switch.

    check.py ROUTE CXX CMAKE [--io] [--nvcc NVCC]     one route of ROUTES; 77 where it cannot be tried
    check.py --all CXX CMAKE [--io] [--nvcc NVCC]     every route, and a table of them
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import packages
import programs
from common import HERE, ROOT, install, run

ROUTES = {  # how it is said in the table
    "find_package": "find_package, from an install tree that was moved",
    "add_subdirectory": "add_subdirectory",
    "fetch_content": "FetchContent, from a folder",
    "pkg_config": "pkg-config",
    "include_only": "a bare copy of include/qfmt",
    "single_header": "qfmt_single.hpp, by install component",
    "single_header_cuda": "qfmt_single.cuh, by nvcc",
    "newcomer": "a copied folder and one line: nvcc -std=c++20 -I include, the second example",
    "python_package": "pip install ./cmake/python",
    "vcpkg": "vcpkg port, against doubles of vcpkg's functions",
    "conan": "conan create cmake/ports/conan",
    "two_versions": "two shared libraries, two versions, one process",
    "c_boundary": "a C boundary: C99 and C++17 programs",
    "no_mmap": "files read where they cannot be mapped",
}
COMPILER_ONLY = {"single_header": programs.single_header, "two_versions": programs.two_versions,
                 "c_boundary": programs.c_boundary, "no_mmap": programs.no_mmap}
WITH_NVCC = {"single_header_cuda": programs.single_header_cuda, "newcomer": programs.newcomer}
PACKAGED = {"python_package": packages.python_package, "vcpkg": packages.vcpkg}
ALLOWED = ("-std=c++20", "-std=gnu++20", "-c")


def leaked(arguments, include_dir):
    """Flags beyond the include path and C++20, of a compile line without its compiler."""
    rest, found = list(arguments), []
    include_seen = False
    while rest:
        flag = rest.pop(0)
        if flag in ("-o", "-isystem", "-I") and rest:
            value = rest.pop(0)
        elif flag.startswith("-I"):
            flag, value = "-I", flag[2:]
        else:
            if flag not in ALLOWED and not flag.endswith("main.cpp"):
                found.append(flag)
            continue
        if flag != "-o":
            same = os.path.realpath(value) == os.path.realpath(include_dir)
            include_seen |= same
            if not same:
                found.append(f"{flag} {value}")
    return found if include_seen else [*found, f"(no -I{include_dir})"]


def by_cmake(route, cxx, cmake, work, has_io):
    include = ROOT / "include"
    options = [f"-DQFMT_ROOT={ROOT}"]
    if route == "find_package":
        prefix = install(cmake, cxx, work)
        include, options = prefix / "include", [f"-DCMAKE_PREFIX_PATH={prefix}"]
    elif route in PACKAGED:
        options, include = PACKAGED[route](cxx, cmake, work)
        route = "find_package"

    def configure(name, *extra):
        run(cmake, "-S", HERE / route, "-B", work / name, f"-DCMAKE_CXX_COMPILER={cxx}",
            "-DCMAKE_BUILD_TYPE=", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options, *extra)

    if route == "find_package":
        configure("no_json", "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON")
        options.append(f"-DEXPECT_IO={'ON' if has_io else 'OFF'}")
    configure("build")
    run(cmake, "--build", work / "build")
    entry = json.loads((work / "build" / "compile_commands.json").read_text())[0]
    return shlex.split(entry["command"])[1:], include, work / "build" / "consumer"


def by_compiler(route, cxx, cmake, work):
    if route == "pkg_config":
        prefix = install(cmake, cxx, work)
        environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "share" / "pkgconfig")}
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", "qfmt >= 0.1", env=environment))
        include = prefix / "include"
    else:  # the folder is all that is copied
        include = work / "vendored"
        shutil.copytree(ROOT / "include" / "qfmt", include / "qfmt")
        flags = [f"-I{include}"]
    run(cxx, "-std=c++20", "-Wall", "-Wextra", "-Werror", *flags, HERE / "main.cpp", "-o", work / "consumer")
    return flags, include, work / "consumer"


def one(route, cxx, cmake, has_io, nvcc):
    """0 where the route works."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if route == "conan":
            packages.conan(cxx, cmake, work, has_io)
            return 0
        if route in WITH_NVCC:
            if not nvcc:
                raise packages.NotRun("no nvcc here")
            arguments, include, program = WITH_NVCC[route](cxx, cmake, work, nvcc)
        elif route in COMPILER_ONLY:
            arguments, include, program = COMPILER_ONLY[route](cxx, cmake, work)
        elif route in ("pkg_config", "include_only"):
            arguments, include, program = by_compiler(route, cxx, cmake, work)
        else:
            arguments, include, program = by_cmake(route, cxx, cmake, work, has_io)
        done = subprocess.run([program], stdout=subprocess.PIPE, text=True)
        print(done.stdout.strip())
        if done.returncode not in ((0, 77) if route in WITH_NVCC else (0,)):
            sys.exit(f"the program ends with {done.returncode}")
        flags = leaked(arguments, include) if arguments else []
    print(f"{route}: leaked flags: {' '.join(flags) or 'none'}")
    return 1 if flags else 0


def table(arguments):
    rows, failed = [], 0
    for route, text in ROUTES.items():
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-B", __file__, route, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        failed += done.returncode not in (0, 77)
        result = {0: "works", 77: f"not run: {last}"}.get(done.returncode, "FAILS")
        rows.append(f"| {text} | {result} | {time.monotonic() - start:.0f} s |")
        if "FAILS" in rows[-1]:
            print(done.stdout)
    print("| route | result | took |\n| --- | --- | --- |", *rows, sep="\n")
    return 1 if failed else 0


def main():
    route, cxx, cmake = sys.argv[1:4]
    if route == "--all":
        return table(sys.argv[2:])
    nvcc = sys.argv[sys.argv.index("--nvcc") + 1] if "--nvcc" in sys.argv else None
    try:
        return one(route, cxx, cmake, "--io" in sys.argv, nvcc)
    except packages.NotRun as reason:
        print(reason)
        return 77


if __name__ == "__main__":
    sys.exit(main())
