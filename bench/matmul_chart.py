#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The speed-up of NF4 nested over cuBLAS bf16 against M, as SVG, from matmul_bench's JSON.

    python3 bench/matmul_chart.py matmul-h200.json matmul-h200.svg
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 430, 60, 50, 190, 50
COLORS = ["#1b6ca8", "#d1495b", "#2e933c", "#8d5a97", "#e08e0b", "#444444"]


def speed_ups(rows):
    """{(n, k): [(m, cuBLAS / qfmt)]}"""
    times = {(r["n"], r["k"], r["m"], r["name"]): r["us"] for r in rows}
    result = {}
    for n, k, m, name in times:
        if name == "qfmt nf4 nested":
            ratio = times[n, k, m, "cublas bf16"] / times[n, k, m, name]
            result.setdefault((n, k), []).append((m, ratio))
    return {shape: sorted(points) for shape, points in result.items()}


def draw(data, device):
    shapes = speed_ups(data)
    most_m = max(m for points in shapes.values() for m, _ in points)
    top = math.ceil(max(r for points in shapes.values() for _, r in points) * 2) / 2
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(m):
        return LEFT + width * math.log2(m) / math.log2(most_m)

    def y(ratio):
        return TOP + height * (1 - ratio / top)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="15">NF4 nested matmul beside cuBLAS bf16, '
           f'{device}</text>']
    for step in range(int(top * 2) + 1):
        r = step / 2
        out.append(f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y(r):.1f}" y2="{y(r):.1f}" '
                   f'stroke="{"#333" if r == 1 else "#ddd"}"/>'
                   f'<text x="{LEFT - 8}" y="{y(r) + 4:.1f}" text-anchor="end">{r:g}</text>')
    for m in sorted({m for points in shapes.values() for m, _ in points}):
        out.append(f'<text x="{x(m):.1f}" y="{TOP + height + 18}" text-anchor="middle">{m}</text>')
    out.append(f'<text x="{LEFT + width / 2}" y="{HEIGHT - 10}" text-anchor="middle">M</text>')
    out.append(f'<text x="16" y="{TOP + height / 2}" text-anchor="middle" transform="rotate(-90 16 '
               f'{TOP + height / 2})">time of cuBLAS / time of qfmt</text>')
    for i, (shape, points) in enumerate(shapes.items()):
        color = COLORS[i % len(COLORS)]
        path = " ".join(f"{x(m):.1f},{y(r):.1f}" for m, r in points)
        at = TOP + 14 + 20 * i
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{x(m):.1f}" cy="{y(r):.1f}" r="3" fill="{color}"/>'
                for m, r in points]
        out.append(f'<line x1="{LEFT + width + 20}" x2="{LEFT + width + 44}" y1="{at}" y2="{at}" '
                   f'stroke="{color}" stroke-width="2"/><text x="{LEFT + width + 52}" '
                   f'y="{at + 4}">{shape[0]} x {shape[1]}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(draw(data["rows"], data["device"]))


if __name__ == "__main__":
    main()
