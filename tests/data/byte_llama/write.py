#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the two model folders from what train.py left: `write.py checkpoint.pt FOLDER` writes

    FOLDER/byte_llama            bf16, two shards
    FOLDER/byte_llama_outliers   the same function with outliers in its activations

The second: in every norm before a linear layer, the gains of a few channels are multiplied by 32 or 64 and the columns
of the layers behind it that read those channels are divided by it. Powers of two: each product is the same to the bit
in bf16 and fp32.
"""
import json
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "engine"))
import llama

BEHIND = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}


def plant(tensors, layers, hidden):
    """Outliers in 4 channels of each norm, the same ones in every layer, as large models have them."""
    out = {name: t.clone() for name, t in tensors.items()}
    channels = [(37 * i + 11) % hidden for i in range(4)]
    for layer in range(layers):
        for norm, behind in BEHIND.items():
            for i, channel in enumerate(channels):
                factor = (32, 64)[i % 2]
                prefix = f"model.layers.{layer}."
                out[f"{prefix}{norm}.weight"][channel] *= factor
                for name in behind:
                    out[f"{prefix}{name}.weight"][:, channel] /= factor
    return out


def as_bytes(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def main():
    saved = torch.load(sys.argv[1], weights_only=True)
    config = json.loads((HERE / "config.json").read_text())
    tensors = {f"model.{name}": t.bfloat16() for name, t in saved["model"].items()}
    outliers = plant(tensors, config["num_hidden_layers"], config["hidden_size"])
    for name, values in (("byte_llama", tensors), ("byte_llama_outliers", outliers)):
        llama.write_folder(pathlib.Path(sys.argv[2]) / name, config,
                           {n: ("BF16", list(t.shape), as_bytes(t)) for n, t in values.items()})
    print({k: v for k, v in saved.items() if k != "model"})


if __name__ == "__main__":
    main()
