# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The axes a kernel is instantiated over, the combinations that exist, and their C++ spelling.

A row names a value on every axis. A family of kernels (families/*.py, one file each) reads some of
them:

    HEADER        the header under include/ that holds the kernel
    KERNEL        its template-id; {scheme} and the names of axes are filled in. Or a function of
                  those values
    AXES          the axes it reads
    OWN_AXES      optional: axes no other family has, {name: values}
    LEAST_SM      optional: the first architecture it is compiled for, as in sm_80
    may_spill(row)  optional: whether it is a slow path, which may spill registers
    applies(row)  whether a library call would ever launch it so
    hot(row)      optional: {"loads": (bytes, count), "stores": ..., "copies": ...}, what the inner
                  loop must read and write global memory with, at least that often
"""
import importlib.util
import itertools
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

COMMON = {
    "format": ("NF4", "FP4", "Int8", "Dynamic8", "Custom16", "Custom9"),
    "granularity": ("16", "64", "256", "4096", "RowWise"),
    "nested": ("plain", "nested"),
    "element": ("float", "float16", "bfloat16"),
    "encoder": ("Nearest", "BnbCuda"),
    "aligned": ("aligned", "unaligned"),
}

# Formats of one's own, in the source of every compile.
FORMATS = """
struct Custom16 {
  static constexpr auto name = "custom16";
  static constexpr qfmt::Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                           .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};
struct Custom9 {
  static constexpr auto name = "custom9";
  static constexpr qfmt::Codebook codebook{-1.f, -.6f, -.35f, -.15f, 0.f,
                                           .15f, .35f, .6f, 1.f};
};
"""
INCLUDES = ["qfmt/format/nf4.hpp", "qfmt/format/fp4.hpp", "qfmt/format/int8.hpp",
            "qfmt/format/dynamic8.hpp"]

ELEMENT_BYTES = {"float": 4, "float16": 2, "bfloat16": 2}


def bits(row):
    return 8 if row["format"] in ("Int8", "Dynamic8") else 4


def exists(row):
    """Whether there is such a scheme, and an encoder for it."""
    if row["granularity"] == "RowWise" and (bits(row) != 8 or row["nested"] == "nested"):
        return False
    return not (row["encoder"] == "BnbCuda" and row["format"].startswith("Custom"))


def values_per_pack(row):
    """Values in 16 bytes of the element type: a thread's share."""
    return 16 // ELEMENT_BYTES[row["element"]]


def scheme(row):
    """The type Scheme<...> canonicalises to, spelled as a demangler spells it."""
    granularity = row["granularity"]
    if granularity != "RowWise":
        granularity = f"BlockSize<{granularity}>"
    nested = "true" if row["nested"] == "nested" else "false"
    return f"BasicScheme<{row['format']}, {granularity}, DoubleQuant<{nested}>>"


def load_families(folder=HERE / "families"):
    """{name: module} of families/*.py."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"families.{path.stem}", path)
        found[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[path.stem])
    return found


def axes_of(families):
    """{axis: values}: the common ones and the families' own."""
    axes = dict(COMMON)
    for family in families.values():
        axes.update(getattr(family, "OWN_AXES", {}))
    return axes


def applies(family, row):
    return exists(row) and family.applies(row)


def pairs_of(name, family, row):
    """The pairs of axis values that a row tries on a family's kernel."""
    if not applies(family, row):
        return set()
    return {(name, a, row[a], b, row[b]) for a, b in itertools.combinations(family.AXES, 2)} or {
        (name, a, row[a]) for a in family.AXES}


def label(name, family, row):
    """What an instantiation is called in reports: the family and the values it depends on."""
    return " ".join([name, *(row[a] for a in family.AXES)])


def template_id(family, row):
    values = {**row, "scheme": scheme(row), "aligned": str(row["aligned"] == "aligned").lower()}
    return family.KERNEL(values) if callable(family.KERNEL) else family.KERNEL.format(**values)
