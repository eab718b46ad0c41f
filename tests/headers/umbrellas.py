#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when an umbrella leaves out a header it promises.

    umbrellas.py INCLUDE_DIR    qfmt.hpp reaches every .hpp, qfmt.cuh every .hpp and .cuh, but for
                                those that need another library, themselves or by what they include
    umbrellas.py --self-test    planted gaps are found
"""
import pathlib
import posixpath
import re
import sys
import tempfile

import report

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
OTHER = re.compile(r"^(nlohmann/|cublas|cusparse|cudnn|boost/)")
UMBRELLAS = {"qfmt.hpp": (".hpp",), "qfmt.cuh": (".hpp", ".cuh")}


def targets(header, text):
    """(qfmt headers, others) that a header names."""
    own, others = set(), set()
    for quote, target in INCLUDE.findall(text):
        if target.startswith("qfmt/"):
            own.add(target[len("qfmt/"):])
        elif quote == '"':
            own.add(posixpath.normpath(posixpath.join(posixpath.dirname(header), target)))
        else:
            others.add(target)
    return own, others


def reached(header, tree):
    """Every header that including one brings, itself too."""
    found, waiting = set(), [header]
    while waiting:
        name = waiting.pop()
        if name not in found and name in tree:
            found.add(name)
            waiting += tree[name][0]
    return found


def check(include_dir):
    root = pathlib.Path(include_dir) / "qfmt"
    files = [p for p in root.rglob("*") if p.suffix in (".hpp", ".cuh")]
    tree = {p.relative_to(root).as_posix(): targets(p.relative_to(root).as_posix(), p.read_text())
            for p in files}

    def foreign(header):
        return sorted(t for h in reached(header, tree) for t in tree[h][1] if OTHER.match(t))

    errors = []
    for umbrella, endings in UMBRELLAS.items():
        if umbrella not in tree:
            errors.append(f"{umbrella} does not exist")
            continue
        has = reached(umbrella, tree)
        errors += [f"{umbrella} needs <{t}>" for t in foreign(umbrella)]
        errors += [f"{umbrella} does not reach {h}" for h in sorted(tree)
                   if h.endswith(endings) and h not in has and h not in UMBRELLAS
                   and not h.startswith("io/") and not foreign(h)]
    return len(files), errors


def self_test():
    good = {"qfmt.hpp": '#include "qfmt/codec/decode.hpp"\n', "codec/decode.hpp": '#include "../dtype.hpp"\n',
            "qfmt.cuh": '#include "qfmt/qfmt.hpp"\n#include "qfmt/device/q.cuh"\n', "dtype.hpp": "",
            "device/q.cuh": "#include <cuda_runtime.h>\n", "ops/lt.cuh": "#include <cublasLt.h>\n",
            "ops/on_lt.cuh": '#include "qfmt/ops/lt.cuh"\n', "io/file.hpp": "#include <nlohmann/json.hpp>\n"}
    planted = [({}, None),
               ({"codec/encode.hpp": ""}, "qfmt.hpp does not reach codec/encode.hpp"),
               ({"device/r.cuh": ""}, "qfmt.cuh does not reach device/r.cuh"),
               ({"qfmt.cuh": '#include "qfmt/device/q.cuh"\n'}, "qfmt.cuh does not reach codec/decode.hpp"),
               ({"device/q.cuh": '#include "qfmt/ops/lt.cuh"\n'}, "qfmt.cuh needs <cublasLt.h>"),
               ({"dtype.hpp": '#include <nlohmann/json.hpp>\n'}, "qfmt.hpp needs <nlohmann/json.hpp>")]
    failures = []
    for changes, sentence in planted:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**good, **changes}.items():
                path = pathlib.Path(folder) / "qfmt" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            errors = check(folder)[1]
        if (sentence is None and errors) or (sentence is not None and sentence not in errors):
            failures.append(f"{changes}: expected {sentence}, got {errors}")
    return len(planted), failures


if __name__ == "__main__":
    sys.exit(report.main(check, self_test))
