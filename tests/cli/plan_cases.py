# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""`qfmt plan` against bytes counted by hand."""
import json

import tools

LLAMA = {"model_type": "llama", "torch_dtype": "float16", "vocab_size": 32000,
         "tie_word_embeddings": False}
CONFIGS = {
    "7B": {**LLAMA, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
           "num_attention_heads": 32},
    "13B": {**LLAMA, "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
            "num_attention_heads": 40, "num_key_value_heads": 40},
    "70B": {**LLAMA, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
            "num_attention_heads": 64, "num_key_value_heads": 8},
    "405B": {**LLAMA, "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126,
             "num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256},
}
# By hand, 7B: a layer's linear weights are 4 x 4096 x 4096 + 3 x 4096 x 11008 = 202,375,168 values,
# 32 layers 6,476,005,376: half as many bytes of codes, a 16th of scales in f32; nested a 64th,
# 4 bytes for 256 of those, and 4 for each of 7 x 32 offsets. Embedding and head 2 x 32000 x 4096,
# norms 65 x 4096, two bytes each. Workspace 4096 x 11008 x 2. The others alike.
HAND = {  # codes, plain scales, nested scales, unquantized, workspace
    "7B": (3_238_002_688, 404_750_336, 102_769_536, 524_820_480, 90_177_536),
    "13B": (6_343_884_800, 792_985_600, 201_345_120, 656_189_440, 141_557_760),
    "70B": (34_225_520_640, 4_278_190_080, 1_086_261_440, 1_051_213_824, 469_762_048),
    "405B": (200_823_275_520, 25_102_909_440, 6_373_789_128, 8_413_675_520, 1_744_830_464),
}


class Plan(tools.Case):
    def plan(self, config, *options, code=0):
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        done = tools.run("plan", path, *options, "--json")
        self.assertEqual(done.returncode, code, done.stderr)
        return {s["scheme"]: s for s in json.loads(done.stdout)["schemes"]} if code < 2 else done

    def test_hand_counted(self):
        for name, (codes, plain, nested, kept, workspace) in HAND.items():
            with self.subTest(model=name):
                schemes = self.plan(CONFIGS[name])
                for scheme, scales in [("nf4/64", plain), ("nf4/64/double", nested)]:
                    self.assertEqual(schemes[scheme]["ranks"], [
                        {"codes": codes, "scales": scales, "unquantized": kept,
                         "workspace": workspace, "total": codes + scales + kept + workspace}])
                half = schemes["float16"]["ranks"][0]
                self.assertEqual(half, {"codes": 0, "scales": 0, "unquantized": 4 * codes + kept,
                                        "workspace": 0, "total": 4 * codes + kept})
                self.assertEqual(schemes["int8/row"]["ranks"][0]["codes"], 2 * codes)
        # Rows of a 7B layer: 4 x 4096 + 2 x 11008 + 4096, four bytes each, 32 layers.
        self.assertEqual(self.plan(CONFIGS["7B"])["int8/row"]["ranks"][0]["scales"], 5_439_488)

    def test_what_fits(self):
        """The guide's 70B on a 24 GB card: not the weights alone."""
        fits = lambda *o, code=0: self.plan(CONFIGS["70B"], *o, code=code)["nf4/64/double"]["fits"]
        self.assertFalse(fits("--gpu-memory", "24GB"))
        self.assertFalse(fits("--scheme", "nf4/64/double", "--gpu-memory", "24GB", code=1))
        self.assertTrue(fits("--gpu-memory", "40GB"))
        self.assertTrue(fits("--gpu-memory", "24GiB", "--ranks", "2"))
        for bad in ["24", "24 TB", "-1GB", "many", "0GB", "1e300GB"]:
            self.plan(CONFIGS["70B"], "--gpu-memory", bad, code=2)

    def test_ranks_hold_what_shards_hold(self):
        """Tensor parallel: parts on block boundaries add up to the whole, which norms do not."""
        for ranks in [2, 4]:
            parts = self.plan(CONFIGS["7B"], "--scheme", "nf4", "--ranks", ranks)["nf4/64"]["ranks"]
            self.assertEqual(len(parts), ranks)
            codes, plain, _, kept, _ = HAND["7B"]
            self.assertEqual(sum(p["codes"] for p in parts), codes)
            self.assertEqual(sum(p["scales"] for p in parts), plain)
            norms = 65 * 4096 * 2
            self.assertEqual(sum(p["unquantized"] for p in parts), kept + (ranks - 1) * norms)
        # 8 ranks cut down_proj's 11008 columns into 21.5 blocks: a row of a rank takes 22, a few 23.
        parts = self.plan(CONFIGS["7B"], "--scheme", "nf4", "--ranks", 8)["nf4/64"]["ranks"]
        more = sum(p["codes"] for p in parts) - codes
        self.assertGreater(more, 0)
        self.assertLess(more, 32 * 8 * 4096 * 32)

    def test_a_model_written_holds_what_was_planned(self):
        config = {"model_type": "llama", "dtype": "float32", "vocab_size": 40, "hidden_size": 48,
                  "intermediate_size": 90, "num_hidden_layers": 1, "num_attention_heads": 4,
                  "num_key_value_heads": 2, "tie_word_embeddings": False}
        layer = "model.layers.0."
        shapes = {"model.embed_tokens.weight": [40, 48], "lm_head.weight": [40, 48],
                  "model.norm.weight": [48], layer + "input_layernorm.weight": [48],
                  layer + "post_attention_layernorm.weight": [48],
                  layer + "self_attn.q_proj.weight": [48, 48],
                  layer + "self_attn.k_proj.weight": [24, 48],
                  layer + "self_attn.v_proj.weight": [24, 48],
                  layer + "self_attn.o_proj.weight": [48, 48],
                  layer + "mlp.gate_proj.weight": [90, 48], layer + "mlp.up_proj.weight": [90, 48],
                  layer + "mlp.down_proj.weight": [48, 90]}
        model, out = self.folder / "model", self.folder / "out"
        model.mkdir()
        tools.write(model / "model.safetensors", {
            name: ("F32", shape, tools.floats(tools.gaussian(shape[0] * (shape + [1])[1], 1)))
            for name, shape in shapes.items()})
        (model / "config.json").write_text(json.dumps(config))
        for options, scheme in [(["nf4"], "nf4/64"), (["fp4", "--double-quant"], "fp4/64/double"),
                                (["int8"], "int8/row")]:
            done = tools.run("quantize", model, out, "--format", *options, "--force", "--quiet")
            self.assertEqual(done.returncode, 0, done.stderr)
            tensors = tools.read(out / "model.safetensors")[0]
            planned = self.plan(config, "--scheme", scheme)[scheme]["ranks"][0]
            codes = sum(len(t[2]) for n, t in tensors.items() if t[0] in ("U8", "I8")
                        and n.endswith(".weight"))
            scales = sum(len(t[2]) for n, t in tensors.items()
                         if n.endswith((".absmax", ".nested_absmax", ".SCB")))
            kept = sum(len(t[2]) for n, t in tensors.items() if n in shapes and t[0] == "F32")
            offsets = 4 * 7 if len(options) > 1 else 0
            self.assertEqual((planned["codes"], planned["scales"], planned["unquantized"]),
                             (codes, scales + offsets, kept))

    def test_refusals(self):
        for change, word in [({"model_type": "rwkv"}, "rwkv"), ({"hidden_size": None}, "hidden_size"),
                             ({"hidden_size": -1}, "hidden_size"), ({"hidden_size": 0}, "hidden_size"),
                             ({"num_hidden_layers": 1 << 40}, "num_hidden_layers"),
                             ({"num_attention_heads": 5000}, "num_attention_heads"),
                             ({"model_type": None}, "no model_type"),
                             ({"vocab_size": 2**31 - 1, "hidden_size": 2**31 - 1}, "2^50"),
                             ({"model_type": "mixtral", "num_local_experts": 2**31 - 1,
                               "num_hidden_layers": 2**31 - 1}, "2^50"),
                             ({"vocab_size": "many"}, "vocab_size")]:
            self.assertIn(word, self.plan({**CONFIGS["7B"], **change}, code=3).stderr)
        self.plan(CONFIGS["7B"], "--scheme", "q4_k", code=2)
