# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""A Llama's forward pass in plain Python and double precision: the engine's oracle. Nothing of it is taken from the
engine; it states the architecture from its definition, one token and one head at a time.
"""
import json
import math
import operator
import pathlib
import struct


def bfloat16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


BFLOAT16 = [bfloat16(b) for b in range(1 << 16)]


class Folder:
    """Rows of the tensors of a folder's safetensors, as lists of floats."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.tensors = {}
        for path in sorted(folder.glob("*.safetensors")):
            data = path.read_bytes()
            size = struct.unpack("<Q", data[:8])[0]
            for name, info in json.loads(data[8 : 8 + size]).items():
                if name == "__metadata__":
                    continue
                begin, end = info["data_offsets"]
                values = data[8 + size + begin : 8 + size + end]
                if info["dtype"] == "BF16":
                    flat = [BFLOAT16[b] for b in struct.unpack(f"<{len(values) // 2}H", values)]
                elif info["dtype"] == "F16":
                    flat = list(struct.unpack(f"<{len(values) // 2}e", values))
                else:
                    flat = list(struct.unpack(f"<{len(values) // 4}f", values))
                cols = info["shape"][-1]
                self.tensors[name] = [flat[i : i + cols] for i in range(0, len(flat), cols)]


def dot(a, b):
    return sum(map(operator.mul, a, b))


def times(rows, x):
    return [dot(row, x) for row in rows]


def rms_norm(x, gain, eps):
    scale = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * scale * g for v, g in zip(x, gain)]


def rotated(head, position, theta):
    """Pairs (i, i + n/2), each turned by position * theta^(-2i/n)."""
    n = len(head)
    out = list(head)
    for i in range(n // 2):
        angle = position * theta ** (-2 * i / n)
        turn = complex(math.cos(angle), math.sin(angle)) * complex(head[i], head[i + n // 2])
        out[i], out[i + n // 2] = turn.real, turn.imag
    return out


def softmax(x):
    top = max(x)
    e = [math.exp(v - top) for v in x]
    total = sum(e)
    return [v / total for v in e]


def logits(folder, ids):
    """The logits after each id: a list of lists."""
    c, t = folder.config, folder.tensors
    heads, eps, theta = c["num_attention_heads"], c["rms_norm_eps"], c["rope_theta"]
    groups = c.get("num_key_value_heads", heads)
    n = c.get("head_dim") or c["hidden_size"] // heads
    head_rows = t["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
    cache = [([[] for _ in range(groups)], [[] for _ in range(groups)]) for _ in range(c["num_hidden_layers"])]
    out = []
    for position, id in enumerate(ids):
        x = list(t["model.embed_tokens.weight"][id])
        for layer, (keys, values) in enumerate(cache):
            w = lambda name: t[f"model.layers.{layer}.{name}.weight"]
            y = rms_norm(x, w("input_layernorm")[0], eps)
            q, k, v = (times(w(f"self_attn.{p}_proj"), y) for p in "qkv")
            for g in range(groups):
                keys[g].append(rotated(k[g * n : (g + 1) * n], position, theta))
                values[g].append(v[g * n : (g + 1) * n])
            mixed = []
            for h in range(heads):
                g = h * groups // heads
                query = rotated(q[h * n : (h + 1) * n], position, theta)
                share = softmax([dot(query, key) / math.sqrt(n) for key in keys[g]])
                mixed += [dot(share, column) for column in zip(*values[g])]
            x = list(map(operator.add, x, times(w("self_attn.o_proj"), mixed)))
            y = rms_norm(x, w("post_attention_layernorm")[0], eps)
            gate, up = times(w("mlp.gate_proj"), y), times(w("mlp.up_proj"), y)
            hidden = [a / (1 + math.exp(-a)) * b for a, b in zip(gate, up)]
            x = list(map(operator.add, x, times(w("mlp.down_proj"), hidden)))
        out.append(times(head_rows, rms_norm(x, t["model.norm.weight"][0], eps)))
    return out


def write_safetensors(path, tensors):
    """tensors: {name: (dtype, shape, bytes)}"""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def write_folder(folder, config, tensors, shards=2):
    """A folder as the Hugging Face Hub has them: config.json, an index and so many shards."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    total = sum(len(data) for _, _, data in tensors.values())
    parts, size = [{}], 0
    for name, tensor in tensors.items():
        if size > total / shards and len(parts) < shards:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += len(tensor[2])
    index = {}
    for i, part in enumerate(parts):
        file = f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors"
        write_safetensors(folder / file, part)
        index.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=1, sort_keys=True) + "\n")
