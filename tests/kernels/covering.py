#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The covering set: rows of axis values such that every kernel meets every pair of values that a
library call can ask of it. Its first rows, chosen to cover the most, are what ordinary checks
compile.

    covering.py check        the committed list, covering_set.txt, covers what it must
    covering.py write        a new list, after axes or families have changed
    covering.py self-test    lists with something missing or wrong are found
"""
import itertools
import random
import sys

from axes import COMMON, HERE, applies, axes_of, exists, load_families, pairs_of

LIST = HERE / "covering_set.txt"
ORDINARY = 24
# Format x granularity alone has 26 pairs that exist, so 24 rows cannot hold every pair of every
# kernel. At least this share of them they do hold, every value of every axis and every kernel.
ORDINARY_SHARE = 0.9
MOST_CANDIDATES = 40000


def product(axes):
    return (dict(zip(axes, values)) for values in itertools.product(*axes.values()))


def all_pairs(families):
    """Every pair that some call can ask of some kernel."""
    found = set()
    for name, family in families.items():
        axes = {**COMMON, **getattr(family, "OWN_AXES", {})}
        for row in product(axes):
            found |= pairs_of(name, family, row)
    return found


def covered(families, rows):
    return set().union(*(pairs_of(name, family, row)
                         for row in rows for name, family in families.items()))


def values_of(pairs):
    """(family, axis, value) of the pairs."""
    return {(p[0], p[i], p[i + 1]) for p in pairs for i in range(1, len(p), 2)}


def candidates(axes):
    size = 1
    for values in axes.values():
        size *= len(values)
    if size <= MOST_CANDIDATES:
        return [row for row in product(axes) if exists(row)]
    dice = random.Random(1)
    rows = ({a: dice.choice(values) for a, values in axes.items()} for _ in range(3 * MOST_CANDIDATES))
    return [row for row in rows if exists(row)][:MOST_CANDIDATES]


def greedy(masks, everything):
    """Indices of rows, each the one that covers the most pairs still open."""
    chosen, still_open = [], everything
    while still_open:
        best = max(range(len(masks)), key=lambda i: bin(masks[i] & still_open).count("1"))
        if not masks[best] & still_open:
            raise SystemExit("covering.py: pairs that no candidate row has")
        chosen.append(best)
        still_open &= ~masks[best]
    return chosen


def build(families):
    """The shortest of several greedy lists, and among those the one whose first rows cover most."""
    numbers = {pair: i for i, pair in enumerate(sorted(all_pairs(families)))}
    rows = candidates(axes_of(families))
    random.Random(1).shuffle(rows)  # rows that cover as much are taken in turn
    masks = [sum(1 << numbers[p] for p in covered(families, [row])) for row in rows]
    lists = []
    for shift in range(0, len(rows), max(1, len(rows) // 16)):
        turned = rows[shift:] + rows[:shift]
        chosen = greedy(masks[shift:] + masks[:shift], (1 << len(numbers)) - 1)
        lists.append([turned[i] for i in chosen])
    return min(lists, key=lambda rows: (len(rows), -len(covered(families, rows[:ORDINARY]))))


def read_list(path=LIST):
    lines = [line.split() for line in path.read_text().splitlines() if line.strip() and line[0] != "#"]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def write_list(families, rows):
    axes = axes_of(families)
    table = [list(axes)] + [[row[a] for a in axes] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(axes))]
    text = "# Written by covering.py write, checked by covering.py check. A row a line; the first\n"
    text += f"# {ORDINARY} are the ordinary checks'.\n"
    for line in table:
        text += "  ".join(value.ljust(width) for value, width in zip(line, widths)).rstrip() + "\n"
    LIST.write_text(text)


def errors_of(families, rows):
    axes = axes_of(families)
    for i, row in enumerate(rows):
        wrong = [a for a in axes if row.get(a) not in axes[a]]
        if set(row) != set(axes) or wrong:
            yield f"row {i + 1} does not name a value on every axis: {wrong or sorted(set(row) ^ set(axes))}"
            return
        if not exists(row):
            yield f"row {i + 1} names a scheme or encoder that does not exist: {row}"
        elif not any(applies(family, row) for family in families.values()):
            yield f"row {i + 1} serves no kernel"
    pairs = all_pairs(families)
    for pair in sorted(pairs - covered(families, rows)):
        yield "no row has " + " ".join(pair)
    ordinary = covered(families, rows[:ORDINARY])
    for value in sorted(values_of(pairs) - values_of(ordinary)):
        yield f"none of the first {ORDINARY} rows has " + " ".join(value)
    if len(ordinary) < ORDINARY_SHARE * len(pairs):
        yield f"the first {ORDINARY} rows have only {len(ordinary)} of {len(pairs)} pairs"


def check(families, rows):
    errors = list(errors_of(families, rows))
    for error in errors:
        print(error)
    if not errors:
        pairs = all_pairs(families)
        ordinary = covered(families, rows[:ORDINARY])
        print(f"{len(rows)} rows cover all {len(pairs)} pairs of {len(families)} kernels; the first "
              f"{min(ORDINARY, len(rows))} cover {len(ordinary)}")
    return 1 if errors else 0


def self_test(families):
    rows = read_list()
    no_such = {**rows[0], "format": "NF4", "granularity": "RowWise"}
    planted = [(rows[:5] + rows[6:], "no row has"),
               (rows + [no_such], "does not exist"),
               ([{**rows[0], "element": "double"}] + rows[1:], "element"),
               ([row for row in rows if row["format"] != "FP4"], f"none of the first {ORDINARY}"),
               (rows[:1] * ORDINARY + rows, "have only")]
    missed = [sentence for changed, sentence in planted
              if not any(sentence in e for e in errors_of(families, changed))]
    for sentence in missed:
        print(f"not found: a list where `{sentence}`")
    print(f"{len(planted)} planted, {len(missed)} missed")
    return 1 if missed or list(errors_of(families, rows)) else 0


def main():
    families = load_families()
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what == "write":
        write_list(families, build(families))
    elif what == "self-test":
        return self_test(families)
    elif what != "check":
        print(__doc__)
        return 2
    return check(families, read_list())


if __name__ == "__main__":
    sys.exit(main())
