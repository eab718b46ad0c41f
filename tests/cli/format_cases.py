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
        for options, sizes in [(["mxfp4", "--block-size", 64], "mxfp4 takes blocks of 32\n"),
                               (["fp8_e4m3", "--native", "--block-size", 64], "blocks of 128\n"),
                               (["int4", "--native", "--block-size", 16], "of 32, 64, 128, 256\n")]:
            stderr = self.quantize("--format", *options, code=2).stderr
            self.assertIn("no such scheme", stderr)
            self.assertIn(sizes, stderr)
        stderr = self.quantize("--format", "nvfp4", "--rule", "m=mxfp4/64", code=2).stderr
        self.assertIn("mxfp4 takes blocks of 32", stderr)
        self.assertIn("--double-quant",
                      self.quantize("--format", "nvfp4", "--double-quant", code=2).stderr)

    def test_rows_of_broken_blocks_pass_through(self):
        odd = ("F32", [64, 40], tools.floats([0.5] * 2560))
        good = ("F32", [ROWS, COLS], tools.floats(self.values))
        for name, block in [("mxfp4", 32), ("nvfp4", 16)]:
            tools.write(self.input, {"m.weight": good, "odd.weight": odd})
            note = self.quantize("--format", name, "--force").stderr
            self.assertIn(f"odd.weight passes through: {name} needs a last dimension that is a "
                          f"multiple of {block}", note)
            out = tools.read(self.output)[0]
            self.assertEqual(out["odd.weight"], odd)
            self.assertNotEqual(out.get("m.weight"), good)
            # What counts is the dimension that is last once the weight is turned.
            out = self.written("--format", name, "--transpose-modules", "odd")
            self.assertNotEqual(out.get("odd.weight"), odd)
            tools.write(self.input, {"odd.weight": ("F32", [40, 64], odd[2])})
            out = self.written("--format", name, "--transpose-modules", "odd")
            self.assertEqual(out, {"odd.weight": ("F32", [40, 64], odd[2])})

    def test_malformed_pieces(self):
        """Every fault of a piece is found, and the piece named."""
        nv, mx = self.written("--format", "nvfp4"), self.written("--format", "mxfp4")
        w, s, t = "m.weight", "m.weight_scale", "m.weight_scale_2"
        blocks, scales = "m.weight_blocks", "m.weight_scales"
        flat = [ROWS * COLS // 16]
        eight = {blocks: ("U8", [ROWS, COLS // 16, 8], mx[blocks][2]),
                 scales: ("U8", [ROWS, COLS // 16], bytes(ROWS * COLS // 16))}
        for good, piece, harm in [
                (nv, w, {w: None}), (nv, s, {s: None}), (nv, t, {t: None}),
                (nv, s, {s: ("F8_E4M3", flat, nv[s][2])}),
                (nv, s, {s: ("F8_E8M0", *nv[s][1:])}), (nv, s, {s: ("U8", *nv[s][1:])}),
                (nv, t, {t: ("F16", [], b"\0\0")}), (nv, t, {t: ("F32", [2], bytes(8))}),
                (nv, w, {w: ("I8", *nv[w][1:])}),
                (mx, scales, {scales: ("U8", [ROWS * COLS // 32], mx[scales][2])}),
                (mx, scales, {scales: ("F8_E8M0", *mx[scales][1:])}),
                (mx, blocks, {blocks: ("I8", *mx[blocks][1:])}), (mx, blocks, eight)]:
            broken = {name: tensor for name, tensor in {**good, **harm}.items() if tensor}
            tools.write(self.output, broken)
            with self.subTest(piece=piece, harm={n: x and x[:2] for n, x in harm.items()}):
                done = tools.run("info", self.output, "--validate")
                self.assertEqual(done.returncode, 3, done.stdout)
                self.assertRegex(done.stdout, rf"FAIL .*\n +{piece}( in .*)?: ")
                back = self.folder / "back.safetensors"
                done = tools.run("dequantize", self.output, back)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertRegex(done.stderr, rf" {piece}( in .*)?: ")
                self.assertFalse(back.exists())

    def test_tensors_that_are_only_called_so(self):
        """As existing checkpoints of other formats have them."""
        one = ("F32", [], tools.floats([1]))
        tools.write(self.input, {"a": ("F8_E4M3", [2, 16], bytes(32)), "a_scale": one,
                                 "b": ("U8", [2, 16], bytes(32)), "b_scale": one, "_scale": one,
                                 "c_blocks": ("U8", [4], bytes(4)), "c_scales": one, "_scales": one,
                                 "d_blocks": ("F32", [16], bytes(64)), "d_scales": one})
        done = tools.run("info", self.input, "--validate")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(json.loads(tools.run("info", self.input, "--json").stdout)["totals"]["quantized"], 0)

    def test_tensor_scale_of_shape_1(self):
        out, back = self.written("--format", "nvfp4"), self.folder / "back.safetensors"
        decoded = []
        for shape in [[], [1]]:
            out["m.weight_scale_2"] = ("F32", shape, out["m.weight_scale_2"][2])
            tools.write(self.output, out)
            self.assertEqual(tools.run("info", self.output, "--validate").returncode, 0)
            done = tools.run("dequantize", self.output, back, "--force", "--quiet")
            self.assertEqual(done.returncode, 0, done.stderr)
            decoded.append(tools.read(back)[0]["m.weight"])
        self.assertEqual(decoded[0][1], [ROWS, COLS])
        self.assertEqual(decoded[0], decoded[1])

    def test_state_in_other_spacing(self):
        back = self.folder / "back.safetensors"
        for name in ["fp8_e4m3", "int4_asymmetric"]:
            out = self.written("--format", name, "--native")
            decoded = []
            for indent in [None, 3]:
                key = f"m.weight.quant_state.qfmt__{name}"
                text = json.dumps(json.loads(out[key][2]), indent=indent).encode()
                tools.write(self.output, {**out, key: ("U8", [len(text)], text)})
                self.assertEqual(tools.run("info", self.output, "--validate").returncode, 0)
                done = tools.run("dequantize", self.output, back, "--force", "--quiet")
                self.assertEqual(done.returncode, 0, done.stderr)
                decoded.append(tools.read(back)[0]["m.weight"])
            self.assertEqual(decoded[0], decoded[1])

    def test_validate_does_not_promise_bitsandbytes(self):
        for options in [["nvfp4"], ["mxfp4"], ["int4", "--native"], ["nf4"]]:
            self.written("--format", *options)
            done = tools.run("info", self.output, "--validate")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("bitsandbytes loads", done.stdout)

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

    def test_plot_replaces_nothing_unasked(self):
        self.quantize("--format", "nf4")
        picture = self.folder / "out.svg"
        picture.write_text("precious")
        link = self.folder / "link.svg"
        link.symlink_to(self.input)
        plot = lambda path, *more: tools.run("compare", self.input, self.output, "--plot", path, *more)
        kept = {p: p.read_bytes() for p in self.folder.iterdir()}
        for path in kept:
            done = plot(path)
            self.assertEqual((done.returncode, done.stdout), (4, ""), done.stderr)
            self.assertIn("--force", done.stderr)
        for path in [self.input, self.output, link]:
            done = plot(path, "--force")
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn("same file", done.stderr)
        done = plot("/dev/null", "--force")
        self.assertEqual((done.returncode, done.stdout), (4, ""), done.stderr)
        self.assertIn("no regular file", done.stderr)
        self.assertEqual({p: p.read_bytes() for p in self.folder.iterdir()}, kept)
        self.assertEqual(plot(picture, "--force").returncode, 0)
        self.assertTrue(picture.read_text().endswith("</svg>\n"))
        self.assertEqual(sorted(self.folder.iterdir()), sorted(kept))  # no temporary is left

    def test_plot_of_errors_that_are_no_numbers(self):
        self.quantize("--format", "nf4")
        values = list(self.values)
        values[5], values[77], values[300] = math.nan, math.inf, -math.inf
        tools.write(self.input, {"m.weight": ("F32", [ROWS, COLS], tools.floats(values)),
                                 "m.bias": self.bias})
        picture = self.folder / "out.svg"
        done = tools.run("compare", self.input, self.output, "--plot", picture)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = "".join(xml.etree.ElementTree.parse(picture).getroot().itertext())
        self.assertIn("3 errors are NaN or infinite and left out", text)
        self.assertNotIn("nan", text)


class Tables(tools.Case):
    def test_model_without_matrices(self):
        tools.write(self.input, {"m.bias": ("F32", [4], bytes(16)), "none": ("F32", [0, 4], b"")})
        done = tools.run("table", self.input)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = done.stdout.splitlines()[2:]
        self.assertGreaterEqual(len(rows), 13)
        self.assertTrue(all(row.endswith(" | - |") for row in rows), done.stdout)

    def test_a_value_that_is_no_number_is_named(self):
        values = [0.5] * 128
        values[77] = math.nan
        tools.write(self.input, {"a.weight": ("F32", [8, 16], tools.floats([0.5] * 128)),
                                 "z.weight": ("F32", [8, 16], tools.floats(values))})
        done = tools.run("table", self.input)
        self.assertEqual(done.returncode, 5)
        self.assertIn("z.weight: value 77 is NaN or infinite", done.stderr)


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
