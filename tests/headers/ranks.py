#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when a header under include/qfmt includes one of a higher rank.

    ranks.py INCLUDE_DIR        checks the tree
    ranks.py --self-test        checks that planted bad includes are found
"""
import pathlib
import posixpath
import re
import sys
import tempfile

import report

RANKS = {"ptx": 0, "format": 1, "scheme": 2, "layout": 3, "codec": 4, "host": 5, "device": 5, "ops": 6, "io": 7}
UMBRELLAS = {"qfmt.hpp", "qfmt.cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
TOOLKIT = re.compile(r"(cuda|cublas|curand|cub/|thrust/|mma\.h|nv/)")
# Plain hosts have no toolkit: such an include in a .hpp must stand under an #if, in these alone.
MAY_NAME_TOOLKIT = {"config.hpp", "dtype.hpp"}


def rank(header):
    """Rank of a path below include/qfmt, or None where its folder is unknown."""
    folder, _, rest = header.partition("/")
    if not rest:
        return 8 if header in UMBRELLAS else 0
    return RANKS.get(folder)


def errors_of(header, text, known):
    own = rank(header)
    if own is None:
        yield f"{header}: the folder has no rank; add it to DESIGN and to ranks.py"
        return
    for quote, target in INCLUDE.findall(text):
        if target.startswith("qfmt/"):
            target = target[len("qfmt/"):]
        elif quote == '"':
            target = posixpath.normpath(posixpath.join(posixpath.dirname(header), target))
        else:
            if header.endswith(".hpp") and TOOLKIT.match(target) and header not in MAY_NAME_TOOLKIT:
                yield f"{header}: includes <{target}>, which a build without CUDA does not have"
            continue
        if target not in known:
            yield f"{header}: includes {target}, which does not exist"
            continue
        other = rank(target)
        folders = {header.split("/")[0], target.split("/")[0]}
        if own < other:
            yield f"{header} (rank {own}) includes {target} (rank {other})"
        elif folders == {"host", "device"}:
            yield f"{header} includes {target}: host and device do not know each other"
        elif header.endswith(".hpp") and target.endswith(".cuh"):
            yield f"{header} includes {target}: a .hpp must compile without nvcc"
        elif target in UMBRELLAS and header not in UMBRELLAS:
            yield f"{header} includes the umbrella {target}"


def check(include_dir):
    root = pathlib.Path(include_dir) / "qfmt"
    headers = sorted(p for p in root.rglob("*") if p.suffix in (".hpp", ".cuh"))
    known = {p.relative_to(root).as_posix() for p in headers}
    found = []
    for path in headers:
        found += errors_of(path.relative_to(root).as_posix(), path.read_text(), known)
    return len(headers), found


def self_test():
    good = {"config.hpp": "", "format/nf4.hpp": '#include "qfmt/config.hpp"\n',
            "codec/decode.hpp": "#include <qfmt/format/nf4.hpp>\n#include <cstdint>\n",
            "host/quantize.hpp": '#include "../codec/decode.hpp"\n', "device/grid/q.cuh": "",
            "qfmt.hpp": '#include "qfmt/host/quantize.hpp"\n'}
    planted = [("format/nf4.hpp", '#include "qfmt/codec/decode.hpp"', "(rank 1) includes"),
               ("config.hpp", "  #  include <qfmt/format/nf4.hpp>", "(rank 0) includes"),
               ("format/nf4.hpp", '#include "../host/quantize.hpp"', "(rank 1) includes"),
               ("host/quantize.hpp", '#include "qfmt/device/grid/q.cuh"', "do not know each other"),
               ("device/grid/q.cuh", "#include <qfmt/host/quantize.hpp>", "do not know each other"),
               ("qfmt.hpp", '#include "qfmt/device/grid/q.cuh"', "without nvcc"),
               ("host/quantize.hpp", '#include "qfmt/qfmt.hpp"', "includes qfmt.hpp (rank 8)"),
               ("codec/decode.hpp", "#include <cuda_fp16.h>", "without CUDA"),
               ("codec/decode.hpp", '#include "qfmt/codec/nothing.hpp"', "does not exist"),
               ("strange/x.hpp", "", "has no rank")]

    def errors_with(header=None, line=""):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**good, **({header: good.get(header, "") + line} if header else {})}.items():
                path = pathlib.Path(folder) / "qfmt" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(folder)[1]

    failures = [f"the good tree gives {e}" for e in errors_with()]
    for header, line, sentence in planted:
        errors = errors_with(header, line)
        if not any(sentence in e for e in errors):
            failures.append(f"{header} with `{line}`: expected '{sentence}', got {errors}")
    return len(planted), failures


if __name__ == "__main__":
    sys.exit(report.main(check, self_test))
