"""What a tensor op costs over NumPy's own: microseconds for tiny arrays, where the work itself is nothing."""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import report

Call = Callable[[Any, Any, Any, Any], object]

# name: NumPy's own call, and that of PyTorch's surface; of a library, two arrays of shape [2, 2] and a mask
CASES: dict[str, tuple[Call, Call]] = {
    "x + y": (lambda np, x, y, m: x + y, lambda torch, x, y, m: x + y),
    "x * 2.0": (lambda np, x, y, m: x * 2.0, lambda torch, x, y, m: x * 2.0),
    "1 - x": (lambda np, x, y, m: 1 - x, lambda torch, x, y, m: 1 - x),
    "x / y": (lambda np, x, y, m: x / y, lambda torch, x, y, m: x / y),
    "x ** 2": (lambda np, x, y, m: x * x, lambda torch, x, y, m: x**2),
    "-x": (lambda np, x, y, m: -x, lambda torch, x, y, m: -x),
    "x > y": (lambda np, x, y, m: x > y, lambda torch, x, y, m: x > y),
    "x @ y": (lambda np, x, y, m: x @ y, lambda torch, x, y, m: x @ y),
    "x.add(y)": (lambda np, x, y, m: np.add(x, y), lambda torch, x, y, m: x.add(y)),
    "x.exp()": (lambda np, x, y, m: np.exp(x), lambda torch, x, y, m: x.exp()),
    "x.log()": (lambda np, x, y, m: np.log(x), lambda torch, x, y, m: x.log()),
    "x.tanh()": (lambda np, x, y, m: np.tanh(x), lambda torch, x, y, m: x.tanh()),
    "x.relu()": (lambda np, x, y, m: np.maximum(x, 0), lambda torch, x, y, m: x.relu()),
    "x.abs()": (lambda np, x, y, m: np.abs(x), lambda torch, x, y, m: x.abs()),
    "x.clone()": (lambda np, x, y, m: x.copy(), lambda torch, x, y, m: x.clone()),
    "x.sum()": (lambda np, x, y, m: x.sum(), lambda torch, x, y, m: x.sum()),
    "x.sum(1)": (lambda np, x, y, m: x.sum(1), lambda torch, x, y, m: x.sum(1)),
    "x.mean()": (lambda np, x, y, m: x.mean(), lambda torch, x, y, m: x.mean()),
    "x.reshape(4)": (lambda np, x, y, m: x.reshape(4), lambda torch, x, y, m: x.reshape(4)),
    "x.view(4)": (lambda np, x, y, m: x.reshape(4), lambda torch, x, y, m: x.view(4)),
    "x.transpose(0, 1)": (lambda np, x, y, m: x.transpose(1, 0), lambda torch, x, y, m: x.transpose(0, 1)),
    "x.unsqueeze(0)": (lambda np, x, y, m: np.expand_dims(x, 0), lambda torch, x, y, m: x.unsqueeze(0)),
    "x[0]": (lambda np, x, y, m: x[0], lambda torch, x, y, m: x[0]),
    "x[0:1]": (lambda np, x, y, m: x[0:1], lambda torch, x, y, m: x[0:1]),
    "x[:, 1]": (lambda np, x, y, m: x[:, 1], lambda torch, x, y, m: x[:, 1]),
    "add(x, y)": (lambda np, x, y, m: np.add(x, y), lambda torch, x, y, m: torch.add(x, y)),
    "mul(x, y)": (lambda np, x, y, m: np.multiply(x, y), lambda torch, x, y, m: torch.mul(x, y)),
    "exp(x)": (lambda np, x, y, m: np.exp(x), lambda torch, x, y, m: torch.exp(x)),
    "sum(x, dim=0)": (lambda np, x, y, m: np.sum(x, axis=0), lambda torch, x, y, m: torch.sum(x, dim=0)),
    "matmul(x, y)": (lambda np, x, y, m: np.matmul(x, y), lambda torch, x, y, m: torch.matmul(x, y)),
    "maximum(x, y)": (lambda np, x, y, m: np.maximum(x, y), lambda torch, x, y, m: torch.maximum(x, y)),
    "where(m, x, y)": (lambda np, x, y, m: np.where(m, x, y), lambda torch, x, y, m: torch.where(m, x, y)),
    "cat([x, y])": (lambda np, x, y, m: np.concatenate([x, y]), lambda torch, x, y, m: torch.cat([x, y])),
    "stack([x, y])": (lambda np, x, y, m: np.stack([x, y]), lambda torch, x, y, m: torch.stack([x, y])),
}


def microseconds(call: Call, library: Any, x: Any, y: Any, rounds: int) -> float:
    """The best of many short rounds: the lower bound, also where other work slows the machine now and then."""
    mask = x > y
    return min(timeit.repeat(lambda: call(library, x, y, mask), number=200, repeat=rounds)) / 200 * 1e6


def row(name: str, rounds: int) -> dict[str, str | float]:
    """The figures of one case."""
    import torch

    import trainctl
    from trainctl.autograd.state import quietly

    plain, ours = CASES[name]
    base = microseconds(plain, np, *(np.ones((2, 2), np.float32) for _ in range(2)), rounds)
    x, w, y = trainctl.ones(2, 2), trainctl.ones(2, 2, requires_grad=True), trainctl.ones(2, 2)
    tw, ty = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    within = quietly(lambda: microseconds(ours, trainctl, w, y, rounds))  # NumPy's warnings are off already
    return {
        "op": name,
        "NumPy": base,
        "trainctl over it": microseconds(ours, trainctl, x, y, rounds) - base,
        "recorded": microseconds(ours, trainctl, w, y, rounds) - base,
        "recorded, in a module": within() - base,
        "PyTorch, recorded": microseconds(ours, torch, tw, ty, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager_ops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="of 200 calls each")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    rows = [row(name, args.rounds) for name in CASES]
    for what, pick in (("median", median), ("largest", max)):
        figures = {key: pick(float(each[key]) for each in rows) for key in rows[0] if key != "op"}
        rows.append({"op": f"**{what}**", **figures})
    report.publish("Eager ops on 2x2 elements, µs", {"rounds": args.rounds}, rows, args.json)


if __name__ == "__main__":
    main()
