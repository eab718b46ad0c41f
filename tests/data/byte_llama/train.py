#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Trains byte_llama on one CPU core, stopped by the clock.

    pip install torch numpy
    nice -n 19 python3 train.py --root / --minutes 45 --out checkpoint.pt

Then `write.py` makes the folders from the checkpoint. The rate warms up, stays, and falls to zero over the last quarter.
By the clock the fall begins at three quarters of the time; the log says at which step, and `--decay-at STEP` takes
the same steps again. Windows are drawn with a fixed seed.
"""
import argparse
import hashlib
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F

import corpus

HERE = pathlib.Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())


class Norm(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, CONFIG["rms_norm_eps"])


class Attention(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.groups = c["num_attention_heads"], c["num_key_value_heads"]
        self.size = c["hidden_size"] // self.heads
        make = lambda rows, cols: torch.nn.Linear(cols, rows, bias=False)
        self.q_proj = make(self.heads * self.size, c["hidden_size"])
        self.k_proj = make(self.groups * self.size, c["hidden_size"])
        self.v_proj = make(self.groups * self.size, c["hidden_size"])
        self.o_proj = make(c["hidden_size"], self.heads * self.size)

    def rotate(self, x, cos, sin):
        half = self.size // 2
        a, b = x[..., :half], x[..., half:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        split = lambda y, n: y.view(b, t, n, self.size).transpose(1, 2)
        q = self.rotate(split(self.q_proj(x), self.heads), cos, sin)
        k = self.rotate(split(self.k_proj(x), self.groups), cos, sin)
        v = split(self.v_proj(x), self.groups)
        k, v = (y.repeat_interleave(self.heads // self.groups, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = torch.nn.Linear(d, h, bias=False)
        self.up_proj = torch.nn.Linear(d, h, bias=False)
        self.down_proj = torch.nn.Linear(h, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = Norm(c["hidden_size"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = Norm(c["hidden_size"])
        self.mlp = Mlp(c)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = torch.nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"])
        size = c["hidden_size"] // c["num_attention_heads"]
        steps = c["rope_theta"] ** (-torch.arange(0, size, 2).float() / size)
        angles = torch.outer(torch.arange(c["max_position_embeddings"]).float(), steps)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                std = 0.02 if "embed" in name else p.shape[1] ** -0.5
                torch.nn.init.normal_(p, std=std / math.sqrt(2 * c["num_hidden_layers"]) if last else std)

    def forward(self, ids):
        x = self.embed_tokens(ids)
        t = ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        return F.linear(self.norm(x), self.embed_tokens.weight)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--root", default="/")
    p.add_argument("--minutes", type=float, default=45)
    p.add_argument("--decay-at", type=int, help="the step where the rate begins to fall")
    p.add_argument("--steps", type=int, help="stop after so many")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--rate", type=float, default=3e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--autocast", action="store_true", help="products in bf16")
    p.add_argument("--out", default="checkpoint.pt")
    a = p.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    books, glosses, held_out = corpus.load(a.root)
    for name, text in (("books", books), ("glosses", glosses), ("held_out", held_out)):
        print(name, len(text), hashlib.sha256(text).hexdigest(), flush=True)
    texts = [torch.frombuffer(bytearray(t), dtype=torch.uint8).long() for t in (books, glosses)]
    test = torch.frombuffer(bytearray(held_out[: 16 * 1024 + 1]), dtype=torch.uint8).long()
    model = Llama(CONFIG)
    print("parameters", sum(q.numel() for q in model.parameters()), flush=True)
    flat = [q for q in model.parameters() if q.dim() < 2]
    wide = [q for q in model.parameters() if q.dim() > 1]
    opt = torch.optim.AdamW([{"params": wide, "weight_decay": 0.1}, {"params": flat, "weight_decay": 0.0}],
                            lr=a.rate, betas=(0.9, 0.98), eps=1e-9)
    draw = torch.Generator().manual_seed(a.seed)
    length = CONFIG["max_position_embeddings"]

    def save(step, decay_at):
        torch.save({"model": model.state_dict(), "step": step, "decay_at": decay_at, "args": vars(a)}, a.out)

    @torch.no_grad()
    def loss_on_test():
        loss = 0.0
        rows = test[:-1].view(-1, length), test[1:].view(-1, length)
        for x, y in zip(rows[0].split(16), rows[1].split(16)):
            loss += F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
        return loss / (len(test) - 1) / math.log(2)

    begin, step, decay_at, until = time.monotonic(), 0, a.decay_at, None
    while True:
        spent = (time.monotonic() - begin) / 60
        if decay_at is None and spent > 0.75 * a.minutes:
            decay_at = step
        if decay_at is not None and until is None and step >= decay_at:
            until = a.steps or (decay_at * 4 + 2) // 3
            print("decay from", decay_at, "to", until, flush=True)
        if step == until or spent > 1.25 * a.minutes:  # a busy machine may be slower at the end
            break
        factor = min(1.0, (step + 1) / 100)
        if until is not None:
            factor = max(0.0, (until - step) / (until - decay_at))
        for group in opt.param_groups:
            group["lr"] = a.rate * factor
        rows = []
        for _ in range(a.batch):
            text = texts[0 if torch.rand(1, generator=draw).item() < 0.7 else 1]
            at = torch.randint(len(text) - length - 1, (1,), generator=draw).item()
            rows.append(text[at : at + length + 1])
        rows = torch.stack(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.autocast):
            logits = model(rows[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step += 1
        if step % 50 == 0:
            print(f"step {step} minutes {spent:.2f} train {loss.item() / math.log(2):.3f} bits/byte", flush=True)
        if step % 250 == 0:
            print(f"step {step} held out {loss_on_test():.4f} bits/byte", flush=True)
            save(step, decay_at)
    print(f"end: step {step} held out {loss_on_test():.4f} bits/byte, decay from {decay_at}", flush=True)
    save(step, decay_at)


if __name__ == "__main__":
    main()
