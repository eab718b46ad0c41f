# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Safetensors files and the program, in the Python standard library."""
import json
import math
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

PROGRAM = None  # set by the scripts
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "U8": 1, "I8": 1, "BOOL": 1,
         "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def halves(values):
    return struct.pack(f"<{len(values)}e", *values)


def bfloats(values):
    """The upper halves of floats: exact for values of eight significant bits."""
    return b"".join(struct.pack("<f", v)[2:] for v in values)


def as_floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def gaussian(count, seed, scale=0.05):
    source = random.Random(seed)
    return [source.gauss(0, scale) for _ in range(count)]


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def write(path, tensors, metadata=None, pad=0):
    """tensors: {name: (dtype, shape, bytes)}; every value aligned, but for `pad` bytes' shift."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, content) in sorted(tensors.items(), key=lambda t: -BYTES[t[1][0]]):
        assert len(content) == math.prod(shape) * BYTES[dtype], name
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8 + pad)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path):
    """({name: (dtype, shape, bytes)}, metadata)"""
    content = pathlib.Path(path).read_bytes()
    length, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", {})
    data = content[8 + length:]
    return {name: (t["dtype"], t["shape"], data[t["data_offsets"][0]:t["data_offsets"][1]])
            for name, t in header.items()}, metadata


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300)


class Case(unittest.TestCase):
    """A test with a folder of its own."""
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.input = self.folder / "in.safetensors"
        self.output = self.folder / "out.safetensors"

    def quantize(self, *options, code=0):
        done = run("quantize", self.input, self.output, *options)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def written(self, *options):
        """The tensors of a fresh output."""
        self.quantize(*options, "--force", "--quiet")
        return read(self.output)[0]

    def shapes(self, tensors):
        return {name: (dtype, shape) for name, (dtype, shape, _) in tensors.items()}
