#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Takes qfmt in by one route as an outside project would, builds and runs main.cpp, and fails when
the consumer's compile line holds anything but the include path and the C++20 switch.

    check.py ROUTE CXX CMAKE [--io]     ROUTE: find_package add_subdirectory fetch_content
                                               pkg_config include_only
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ALLOWED = ("-std=c++20", "-std=gnu++20", "-c")


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(str(c) for c in command)}\n{done.stdout}")
    return done.stdout.strip()


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


def install(cmake, cxx, work):
    run(cmake, "-S", ROOT, "-B", work / "qfmt", f"-DCMAKE_CXX_COMPILER={cxx}",
        "-DQFMT_BUILD_TESTS=OFF", "-DQFMT_BUILD_BENCH=OFF", "-DQFMT_BUILD_EXAMPLES=OFF",
        "-DQFMT_ENABLE_CUDA=OFF")
    run(cmake, "--install", work / "qfmt", "--prefix", work / "first")
    # The package must work wherever it is moved to.
    return pathlib.Path(shutil.move(work / "first", work / "moved"))


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


def main():
    route, cxx, cmake = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if route in ("pkg_config", "include_only"):
            arguments, include, program = by_compiler(route, cxx, cmake, work)
        else:
            arguments, include, program = by_cmake(route, cxx, cmake, work, "--io" in sys.argv)
        print(run(program))
        flags = leaked(arguments, include)
    print(f"{route}: leaked flags: {' '.join(flags) or 'none'}")
    return 1 if flags else 0


if __name__ == "__main__":
    sys.exit(main())
