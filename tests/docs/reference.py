#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The reference of the public headers: Doxygen without a warning, and the house's rules.

    reference.py DOXYGEN OUTPUT       all public headers; HTML and XML go to the folder OUTPUT
    reference.py DOXYGEN --self-test  the samples: every rule must object where it should

Doxygen itself objects to whatever has no comment. The rules, over its XML, for functions of
qfmt::host, qfmt::device, qfmt::io and of the ranks below:

    errors    a function that reports by Status, Errc, Error or Result says which errors
    shapes    a host or device function over arrays says how long they are: (rows, cols)
    numerics  a host or device function that computes says what, or whose numerics it has
    stream    a device function that takes a stream says that it is stream-ordered

A comment that begins "The same" takes over what the function before it of that name says.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = pathlib.Path(__file__).resolve().parent / "samples"
REPORTS = re.compile(r"^(inline |static |constexpr )*(Status|Errc|Error|Result<.*>|Requantized)$")
COMPUTES = re.compile(r"^(re)?quantize|^dequantize|^matmul|^int8_matmul|^gather_rows$|_range$")
FAULT = r"null_pointer|misaligned|size_mismatch|non_finite|map_mismatch|device_error|file_error|" \
        r"invalid_header|unsupported_shape"


def run_doxygen(doxygen, inputs, output):
    """Returns what it printed; every warning makes it fail."""
    environment = dict(os.environ, QFMT_INPUT=" ".join(map(str, inputs)), QFMT_OUTPUT=str(output))
    result = subprocess.run([doxygen, "cmake/Doxyfile"], cwd=ROOT, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


class Function:
    def __init__(self, scope, member):
        text = lambda tag: " ".join("".join(member.find(tag).itertext()).split())
        self.scope = scope
        self.name = member.findtext("name")
        self.returns = re.sub(r" ?([<>]) ?", r"\1", text("type"))
        self.arguments = member.findtext("argsstring") or ""
        self.comment = (text("briefdescription") + " " + text("detaileddescription")).strip()
        at = member.find("location")
        self.place = f'{at.get("file")}:{at.get("line")}'
        self.order = (at.get("file"), int(at.get("line")))

    def is_over_arrays(self):
        return re.search(r"std::span<|\b(T|Index|float) (const )?\*|R ?&&", self.arguments) is not None

    def faults(self, comment):
        whole = self.scope in ("qfmt::host", "qfmt::device")
        reports = REPORTS.match(self.returns) is not None
        if reports and not re.search(rf"\bErrors?\b|\berrors: |\b({FAULT})\b", comment):
            yield "errors"
        if whole and reports and self.is_over_arrays() and not self.name.startswith("check") and \
                not re.search(r"\w+: \(", comment):
            yield "shapes"
        if whole and reports and COMPUTES.search(self.name) and \
                not re.search(r"\b[Nn]umerics\b|whatever the type", comment):
            yield "numerics"
        if self.scope == "qfmt::device" and "cudaStream_t" in self.arguments and \
                not re.search(r"[Ss]tream-ordered|Launches `kernel` on `stream`", comment):
            yield "stream"


def functions(xml):
    found = []
    for path in sorted(pathlib.Path(xml).glob("*.xml")):
        for compound in ElementTree.parse(path).getroot().iter("compounddef"):
            if compound.get("kind") not in ("namespace", "class", "struct"):
                continue
            scope = compound.findtext("compoundname")
            for member in compound.iter("memberdef"):
                if member.get("kind") == "function" and member.get("prot") == "public":
                    found.append(Function(scope, member))
    return sorted(found, key=lambda f: f.order)


def faults(found):
    said = {}  # (scope, name) -> the last comment that stands for itself
    for f in found:
        key = (f.scope, f.name)
        if re.match(r"The same\b", f.comment) and key in said:
            comment = said[key] + " " + f.comment
        else:
            comment = f.comment
            said[key] = comment
        for rule in f.faults(comment):
            yield f, rule


def check(doxygen, output):
    pathlib.Path(output).mkdir(parents=True, exist_ok=True)
    code, text = run_doxygen(doxygen, ["include/qfmt", "cmake/reference.dox"], output)
    if code != 0 or text.strip():
        print(text.replace(str(ROOT) + "/", ""))
        return "Doxygen warns"
    found = functions(pathlib.Path(output) / "xml")
    bad = list(faults(found))
    for f, rule in bad:
        print(f"{f.place}: {f.scope}::{f.name}: its comment lacks: {rule}")
    counts = {s: sum(f.scope == s for f in found) for s in ("qfmt::host", "qfmt::device", "qfmt::io")}
    if min(counts.values()) < 10 or len(found) < 250:  # the check itself went blind
        return f"only {len(found)} functions found: {counts}"
    print(f"{len(found)} public functions, {counts}")
    return f"{len(bad)} comments lack something" if bad else 0


def self_test(doxygen):
    """In the samples `// lacks: RULE...` before a function says what must be found."""
    with tempfile.TemporaryDirectory() as folder:
        sample = SAMPLES / "comments.hpp"
        code, text = run_doxygen(doxygen, [sample, "cmake/reference.dox"], folder)
        if code != 0 or text.strip():
            return "Doxygen warns of the sample: " + text
        got = {(f.name, rule) for f, rule in faults(functions(f"{folder}/xml"))}
        want = set()
        for rules, name in re.findall(r"// lacks: (.*)\n[^;]*?\b(\w+)\(", sample.read_text()):
            want |= {(name, rule) for rule in rules.split()}
        if got != want or len(want) < 6:
            return f"missed {sorted(want - got)}, found besides {sorted(got - want)}"
        code, text = run_doxygen(doxygen, [SAMPLES / "undocumented.hpp", "cmake/reference.dox"], folder)
        if code == 0 or text.count("is not documented") != 3:
            return f"Doxygen lets the sample without comments pass: {code} {text}"
    print(f"{len(want)} faults of the samples found, and no other")
    return 0


if __name__ == "__main__":
    sys.exit(self_test(sys.argv[1]) if sys.argv[2] == "--self-test" else check(*sys.argv[1:3]))
