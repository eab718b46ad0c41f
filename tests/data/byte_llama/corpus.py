#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The text that byte_llama is trained and measured on, read from two Debian packages.

    r-cran-janeaustenr 1.0.0-1   six novels by Jane Austen (public domain)
    wordnet-base 1:3.0-37        the glosses of WordNet 3.0 (WordNet licence)

`python3 corpus.py` prints size and SHA-256 of each part. `root` is where the packages are unpacked.
"""
import hashlib
import pathlib
import struct
import sys
import zlib

HELD_OUT = "persuasion"
NOVELS = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
GLOSSES = "usr/share/wordnet/data.%s"


def r_strings(data):
    """The lines of one serialized R character vector (XDR), or None where it is something else."""
    if data[:2] != b"X\n":
        return None
    version, at = struct.unpack(">i", data[2:6])[0], 14
    if version == 3:
        at += 4 + struct.unpack(">i", data[at : at + 4])[0]
    flags, count = struct.unpack(">ii", data[at : at + 8])
    if flags & 0xFF != 16:  # STRSXP
        return None
    at += 8
    lines = []
    for _ in range(count):
        length = struct.unpack(">i", data[at + 4 : at + 8])[0]
        lines.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return lines


def novels(root):
    """{name: text} of the six novels: each chunk of the file is a 4-byte length and a zlib stream."""
    data = (pathlib.Path(root) / NOVELS).read_bytes()
    marks = {b"SENSE AND": "sense_and_sensibility", b"PRIDE AND": "pride_and_prejudice",
             b"MANSFIELD": "mansfield_park", b"EMMA": "emma", b"NORTHANGER": "northanger_abbey",
             b"Persuasion": "persuasion", b"PERSUASION": "persuasion"}
    found = {}
    while data:
        stream = zlib.decompressobj()
        lines = r_strings(stream.decompress(data[4:]) + stream.flush())
        data = stream.unused_data
        if lines:
            title = next(line for line in lines if line.strip())
            name = next(value for mark, value in marks.items() if title.strip().startswith(mark))
            found[name] = b"\n".join(lines) + b"\n"
    return found


def glosses(root):
    """WordNet's glosses: what stands after the bar, one a line."""
    out = []
    for part in ("adj", "adv", "noun", "verb"):
        for line in (pathlib.Path(root) / (GLOSSES % part)).read_bytes().split(b"\n"):
            if b" | " in line:
                out.append(line.split(b" | ", 1)[1].strip())
    return b"\n".join(out) + b"\n"


def load(root="/"):
    """(five novels, glosses, the held-out novel)"""
    books = novels(root)
    held_out = books.pop(HELD_OUT)
    return b"\n\n".join(books[name] for name in sorted(books)), glosses(root), held_out


if __name__ == "__main__":
    root = sys.argv[1] if len(sys.argv) > 1 else "/"
    for name, text in [*sorted(novels(root).items()), ("glosses", glosses(root))]:
        print(f"{hashlib.sha256(text).hexdigest()}  {len(text):8d}  {name}")
