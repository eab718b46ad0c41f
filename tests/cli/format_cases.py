# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Formats beyond bitsandbytes': their files decoded here by their definitions, `qfmt doctor`, `--plot`."""
import json
import math
import struct
import xml.etree.ElementTree

import tools

ROWS, COLS = 6, 256


def small_float(code, exponent_bits, fraction_bits):
    """A finite number of the IEEE layout."""
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if code >> (exponent_bits + fraction_bits) & 1 else 1.0
    exponent = code >> fraction_bits & (2 ** exponent_bits - 1)
    fraction = (code & (2 ** fraction_bits - 1)) / 2 ** fraction_bits
    if exponent == 0:
        return sign * math.ldexp(fraction, 1 - bias)
    return sign * math.ldexp(1 + fraction, exponent - bias)


def e2m1(code):
    return small_float(code, 2, 1)


def nibbles(data, low_first):
    pairs = [(b & 15, b >> 4) if low_first else (b >> 4, b & 15) for b in data]
    return [code for pair in pairs for code in pair]


def bfloat(data):
    return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]


def signed(code):
    return code - 16 if code > 7 else code


class Formats(tools.Case):
    def setUp(self):
        super().setUp()
        self.values = [tools.f32(v) for v in tools.gaussian(ROWS * COLS, 5)]
        self.bias = ("F32", [COLS], tools.floats(self.values[:COLS]))
        tools.write(self.input, {"m.weight": ("F32", [ROWS, COLS], tools.floats(self.values)),
                                 "m.bias": self.bias})

    def check(self, decoded, limit, scheme):
        """`qfmt dequantize` gives these values, `compare` and `info` know the weight."""
        back = self.folder / "back.safetensors"
        done = tools.run("dequantize", self.output, back, "--force", "--quiet", "--dtype", "float32")
        self.assertEqual(done.returncode, 0, done.stderr)
        tensors = tools.read(back)[0]
        self.assertEqual(sorted(tensors), ["m.bias", "m.weight"])
        self.assertEqual(tensors["m.weight"][1], [ROWS, COLS])
        self.assertEqual(tools.as_floats(tensors["m.weight"][2]), [tools.f32(v) for v in decoded])
        done = tools.run("compare", self.input, self.output, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        row, = [t for t in json.loads(done.stdout)["tensors"] if t["name"] == "m.weight"]
        self.assertEqual(row["scheme"], scheme)
        power = math.fsum(v * v for v in self.values)
        error = math.fsum((d - v) ** 2 for d, v in zip(decoded, self.values))
        self.assertAlmostEqual(row["relative_rmse"], math.sqrt(error / power), places=6)
        self.assertLess(row["relative_rmse"], limit)
        info = json.loads(tools.run("info", self.output, "--json").stdout)
        names = [t["name"] for t in info["tensors"] if "scheme" in t]
        self.assertEqual(names, ["m.weight"])

    def test_mxfp4(self):
        out = self.written("--format", "mxfp4")
        self.assertEqual(out["m.weight_blocks"][:2], ("U8", [ROWS, COLS // 32, 16]))
        self.assertEqual(out["m.weight_scales"][:2], ("U8", [ROWS, COLS // 32]))
        self.assertEqual(out["m.bias"], self.bias)
        codes, scales = nibbles(out["m.weight_blocks"][2], True), out["m.weight_scales"][2]
        for block, scale in enumerate(scales):
            absmax = max(map(abs, self.values[block * 32:block * 32 + 32]))
            self.assertEqual(scale - 127, math.floor(math.log2(absmax)) - 2)
        self.check([e2m1(c) * 2.0 ** (scales[i // 32] - 127) for i, c in enumerate(codes)], 0.2,
                   "mxfp4/32")

    def test_nvfp4(self):
        out = self.written("--format", "nvfp4")
        self.assertEqual(out["m.weight"][:2], ("U8", [ROWS, COLS // 2]))
        self.assertEqual(out["m.weight_scale"][:2], ("F8_E4M3", [ROWS, COLS // 16]))
        self.assertEqual(out["m.weight_scale_2"][:2], ("F32", []))
        whole, = tools.as_floats(out["m.weight_scale_2"][2])
        self.assertEqual(whole, tools.f32(max(map(abs, self.values)) / 2688))
        codes = nibbles(out["m.weight"][2], True)
        scales = [tools.f32(small_float(s, 4, 3) * whole) for s in out["m.weight_scale"][2]]
        self.check([e2m1(c) * scales[i // 16] for i, c in enumerate(codes)], 0.15, "nvfp4/16")

    def test_fp8(self):
        for name, dtype, bits in [("fp8_e4m3", "F8_E4M3", (4, 3)), ("fp8_e5m2", "F8_E5M2", (5, 2))]:
            out = self.written("--format", name, "--native")
            self.assertEqual(out["m.weight"][:2], (dtype, [ROWS, COLS]))
            self.assertEqual(out["m.weight.scale"][:2], ("F32", [ROWS * COLS // 128]))
            scales = tools.as_floats(out["m.weight.scale"][2])
            self.check([small_float(c, *bits) * scales[i // 128]
                        for i, c in enumerate(out["m.weight"][2])], 0.06, name + "/128")

    def test_int4(self):
        for group in [32, 64, 128, 256]:
            out = self.written("--format", "int4", "--native", "--block-size", group)
            self.assertEqual(out["m.weight.scale"][:2], ("BF16", [ROWS * COLS // group]))
            scales = bfloat(out["m.weight.scale"][2])
            self.check([signed(c) * scales[i // group]
                        for i, c in enumerate(nibbles(out["m.weight"][2], False))], 0.2,
                       f"int4/{group}")
            out = self.written("--format", "int4_asymmetric", "--native", "--block-size", group)
            scales, zeros = bfloat(out["m.weight.scale"][2]), out["m.weight.zero_point"][2]
            self.check([(c - zeros[i // group]) * scales[i // group]
                        for i, c in enumerate(nibbles(out["m.weight"][2], False))], 0.2,
                       f"int4_asymmetric/{group}")

    def test_codebooks(self):
        for name, limit in [("af4", 0.11), ("nf3", 0.25), ("nf2", 0.6)]:
            out = self.written("--format", name, "--native")
            levels = tools.as_floats(out["m.weight.quant_map"][2])
            scales = tools.as_floats(out["m.weight.absmax"][2])
            self.check([levels[c] * scales[i // 64]
                        for i, c in enumerate(nibbles(out["m.weight"][2], False))], limit,
                       name + "/64")

    def test_refusals(self):
        self.assertIn("--native", self.quantize("--format", "int4", code=2).stderr)
        self.assertIn("no such scheme", self.quantize("--format", "mxfp4", "--block-size", 64, code=2).stderr)
        self.assertIn("--double-quant",
                      self.quantize("--format", "nvfp4", "--double-quant", code=2).stderr)
        tools.write(self.input, {"m.weight": ("F32", [3, 40], tools.floats(self.values[:120]))})
        self.assertIn("multiple of 32", self.quantize("--format", "mxfp4", code=5).stderr)

    def test_plot(self):
        tools.write(self.input, {f"m{i}.weight": ("F32", [ROWS, COLS], tools.floats(self.values))
                                 for i in range(3)})
        self.quantize("--format", "nf4", "--native", "--rule", "m1=mxfp4", "--rule", "m2=int8")
        picture = self.folder / "out.svg"
        done = tools.run("compare", self.input, self.output, "--plot", picture)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = "".join(xml.etree.ElementTree.parse(picture).getroot().itertext())
        for scheme in ["nf4/64", "mxfp4/32", "int8/row"]:
            self.assertIn(scheme, text)
        self.assertEqual(text.count("how often a code is used"), 3)
        done = tools.run("compare", self.input, self.output, "--plot", self.folder / "no" / "x.svg")
        self.assertEqual(done.returncode, 4)


class Doctor(tools.Case):
    def test_report(self):
        done = tools.run("doctor", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertTrue(report["good"])
        self.assertGreaterEqual(len(report["formats"]), 13)
        self.assertTrue(all(f["good"] and f["milliseconds"] < 1000 for f in report["formats"]))
        text = tools.run("doctor").stdout
        for word in ["SIMD", "compiler", "CUDA driver", "GPU", "nvfp4/16"]:
            self.assertIn(word, text)
