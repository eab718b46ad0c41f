# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What `qfmt quantize` writes: bitsandbytes' keys, types, shapes, text and codes."""
import tools

RAMP = [(i - 32) / 32 for i in range(64)]  # absmax 1: bitsandbytes' published codes
GOLDEN = {"nf4": "000001111111122222333344455566677788999AAABBBCCCCDDDDEEEEEEEFFFF",
          "fp4": "BBBBBBAAAAAAAADDDDDCCCCFFFEEEE9901166667774444555552222222233333"}
NF4_LEVELS = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0]


class FourBit(tools.Case):
    def test_plain(self):
        for dtype, name, pack in [("F32", "float32", tools.floats), ("F16", "float16", tools.halves),
                                  ("BF16", "bfloat16", tools.bfloats)]:
            for quant_type in ["nf4", "fp4"]:
                with self.subTest(dtype=dtype, quant_type=quant_type):
                    tools.write(self.input, {"m.weight": (dtype, [4, 16], pack(RAMP))})
                    out = self.written("--format", quant_type)
                    state = f"m.weight.quant_state.bitsandbytes__{quant_type}"
                    blob = (f'{{"quant_type": "{quant_type}", "blocksize": 64, "dtype": "{name}", '
                            f'"shape": [4, 16]}}').encode()
                    self.assertEqual(self.shapes(out), {
                        "m.weight": ("U8", [32, 1]), "m.weight.absmax": ("F32", [1]),
                        "m.weight.quant_map": ("F32", [16]), state: ("U8", [len(blob)])})
                    self.assertEqual(out[state][2], blob)
                    self.assertEqual(out["m.weight"][2].hex().upper(), GOLDEN[quant_type])
                    self.assertEqual(out["m.weight.absmax"][2], tools.floats([1.0]))

    def test_nested(self):
        values = tools.gaussian(300 * 64, 1)
        tools.write(self.input, {"m.weight": ("F32", [300, 64], tools.floats(values))})
        out = self.written("--format", "nf4", "--double-quant")
        absmax = [max(abs(tools.f32(v)) for v in values[i:i + 64]) for i in range(0, 19200, 64)]
        offset = tools.f32(sum(absmax) / 300)
        blob = ('{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [300, 64], '
                '"nested_blocksize": 256, "nested_dtype": "float32", '
                f'"nested_offset": {offset!r}}}').encode()
        state = "m.weight.quant_state.bitsandbytes__nf4"
        self.assertEqual(self.shapes(out), {
            "m.weight": ("U8", [9600, 1]), "m.weight.absmax": ("U8", [300]),
            "m.weight.nested_absmax": ("F32", [2]), "m.weight.quant_map": ("F32", [16]),
            "m.weight.nested_quant_map": ("F32", [256]), state: ("U8", [len(blob)])})
        self.assertEqual(out[state][2], blob)
        groups = [absmax[:256], absmax[256:]]
        spread = [max(abs(tools.f32(s - offset)) for s in group) for group in groups]
        self.assertEqual(tools.as_floats(out["m.weight.nested_absmax"][2]), spread)
        levels = tools.as_floats(out["m.weight.nested_quant_map"][2])
        self.assertEqual((levels[127], levels[255], levels == sorted(levels)), (0.0, 1.0, True))

    def test_maps(self):
        tools.write(self.input, {"m.weight": ("F32", [4, 16], tools.floats(RAMP))})
        nf4 = self.written("--format", "nf4")["m.weight.quant_map"][2]
        self.assertEqual(tools.as_floats(nf4), NF4_LEVELS)
        fp4 = tools.as_floats(self.written("--format", "fp4")["m.weight.quant_map"][2])
        self.assertEqual(fp4[8:], [-v for v in fp4[:8]])

    def test_block_sizes(self):
        values = tools.gaussian(5000, 2)
        tools.write(self.input, {"m.weight": ("F32", [5, 1000], tools.floats(values))})
        for size in [16, 32, 64, 128, 256, 512, 1024, 2048, 4096]:
            for double in [[], ["--double-quant"]]:
                for quant_type in ["nf4", "fp4"]:
                    native = ["--native"] if size == 16 else []
                    out = self.written("--format", quant_type, "--block-size", size, *double, *native)
                    self.assertEqual(out["m.weight.absmax"][1], [-(-5000 // size)])
                    key = "qfmt" if native else "bitsandbytes"
                    blob = out[f"m.weight.quant_state.{key}__{quant_type}"][2].decode()
                    self.assertIn(f'"blocksize": {size},', blob)

    def test_odd_count_and_three_dimensions(self):
        values = tools.gaussian(27, 3)
        tools.write(self.input, {"experts": ("F32", [3, 3, 3], tools.floats(values))})
        out = self.written("--format", "nf4")
        self.assertEqual(out["experts"][:2], ("U8", [14, 1]))
        self.assertEqual(out["experts"][2][-1] & 15, 7)  # the code of zero
        self.assertIn(b'"shape": [3, 3, 3]}', out["experts.quant_state.bitsandbytes__nf4"][2])


class Int8(tools.Case):
    def test_rows(self):
        row = [1, .5, -.5, .25, .125, -.75, .00390625, .01171875]
        tools.write(self.input, {"m.weight": ("F16", [2, 8], tools.halves(row + [0] * 8)),
                                 "m.bias": ("F16", [2], tools.halves([1, 2]))})
        out = self.written("--format", "int8")
        self.assertEqual(self.shapes(out), {
            "m.weight": ("I8", [2, 8]), "m.SCB": ("F32", [2]), "m.weight_format": ("U8", []),
            "m.bias": ("F16", [2])})
        golden = [127, 64, -64, 32, 16, -95, 0, 1] + [0] * 8
        self.assertEqual(list(memoryview(out["m.weight"][2]).cast("b")), golden)
        self.assertEqual(out["m.SCB"][2], tools.floats([1, 0]))
        self.assertEqual(out["m.weight_format"][2], b"\0")

    def test_other_ranks_pass_through(self):
        content = tools.floats(tools.gaussian(8, 4))
        tools.write(self.input, {"conv.weight": ("F32", [2, 2, 2], content)})
        done = self.quantize("--format", "int8")
        self.assertIn("conv.weight passes through", done.stderr)
        self.assertEqual(tools.read(self.output)[0]["conv.weight"], ("F32", [2, 2, 2], content))


class Untouched(tools.Case):
    def test_byte_identical(self):
        weight = ("F32", [4, 16], tools.floats(RAMP))
        kept = {"norm.weight": ("F32", [64], tools.floats([float("nan")] + RAMP[1:])),
                "scalar": ("F32", [], tools.floats([3])), "empty": ("F32", [0, 4], b""),
                "ids": ("I64", [2, 2], bytes(range(32))), "flags": ("BOOL", [2, 2], b"\1\0\1\0"),
                "wide": ("F64", [1, 2], bytes(range(16))),
                "embeddings.word.weight": weight, "lm_head.weight": weight,
                "h.0.mlp.up.weight": weight, "wte": weight}
        quantized = {"embeddings2.weight": weight, "h.0.mlp2.up.weight": weight,
                     "h.10.mlp.up.weight": weight}
        tools.write(self.input, {**kept, **quantized}, {"format": "pt", "made by": "a test"})
        out = self.written("--format", "nf4", "--skip-modules", "embeddings,lm_head",
                           "--skip-modules", "0.mlp,wte")
        for name, tensor in kept.items():
            self.assertEqual(out[name], tensor, name)
        for name in quantized:
            self.assertEqual(out[name][0], "U8", name)
        self.assertEqual(tools.read(self.output)[1], {"format": "pt", "made by": "a test"})

    def test_metadata_is_completed(self):
        tools.write(self.input, {"b": ("F32", [1], tools.floats([1]))}, {"step": "7"})
        self.quantize("--format", "nf4")
        self.assertEqual(tools.read(self.output)[1], {"step": "7", "format": "pt"})

    def test_unknown_module_is_noted(self):
        tools.write(self.input, {"m.weight": ("F32", [4, 16], tools.floats(RAMP))})
        done = self.quantize("--format", "nf4", "--skip-modules", "head")
        self.assertIn("--skip-modules head matches no tensor", done.stderr)


class SameBytes(tools.Case):
    def test_threads_and_runs(self):
        values = tools.gaussian(700 * 500, 5)
        tools.write(self.input, {"a.weight": ("F32", [700, 500], tools.floats(values)),
                                 "b.weight": ("F16", [50, 500], tools.halves(values[:25000])),
                                 "c.bias": ("F32", [500], tools.floats(values[:500]))})
        for options in [["--format", "nf4"], ["--format", "nf4", "--double-quant"],
                        ["--format", "fp4", "--double-quant", "--block-size", "32"],
                        ["--format", "int8"]]:
            outputs = set()
            for threads in [1, 2, 5, 1]:
                self.quantize(*options, "--threads", threads, "--force", "--quiet")
                outputs.add(self.output.read_bytes())
            self.assertEqual(len(outputs), 1, options)

    def test_misaligned_values(self):
        for dtype, pack in [("F32", tools.floats), ("F16", tools.halves)]:
            outputs = set()
            for pad in range(4):
                tensors = {"m.weight": (dtype, [40, 64], pack(tools.gaussian(2560, 6)))}
                tools.write(self.input, tensors, pad=pad)
                self.quantize("--format", "nf4", "--double-quant", "--force")
                outputs.add(self.output.read_bytes())
            self.assertEqual(len(outputs), 1, dtype)
