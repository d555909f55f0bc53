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

Call = Callable[[Any, Any, Any], object]

# name: NumPy's own call, and that of PyTorch's surface; of a library and two arrays of shape [2, 2]
CASES: dict[str, tuple[Call, Call]] = {
    "x + y": (lambda np, x, y: x + y, lambda torch, x, y: x + y),
    "x * 2.0": (lambda np, x, y: x * 2.0, lambda torch, x, y: x * 2.0),
    "1 - x": (lambda np, x, y: 1 - x, lambda torch, x, y: 1 - x),
    "x / y": (lambda np, x, y: x / y, lambda torch, x, y: x / y),
    "x ** 2": (lambda np, x, y: x * x, lambda torch, x, y: x**2),
    "-x": (lambda np, x, y: -x, lambda torch, x, y: -x),
    "x > y": (lambda np, x, y: x > y, lambda torch, x, y: x > y),
    "x @ y": (lambda np, x, y: x @ y, lambda torch, x, y: x @ y),
    "x.add(y)": (lambda np, x, y: np.add(x, y), lambda torch, x, y: x.add(y)),
    "x.exp()": (lambda np, x, y: np.exp(x), lambda torch, x, y: x.exp()),
    "x.log()": (lambda np, x, y: np.log(x), lambda torch, x, y: x.log()),
    "x.tanh()": (lambda np, x, y: np.tanh(x), lambda torch, x, y: x.tanh()),
    "x.relu()": (lambda np, x, y: np.maximum(x, 0), lambda torch, x, y: x.relu()),
    "x.abs()": (lambda np, x, y: np.abs(x), lambda torch, x, y: x.abs()),
    "x.clone()": (lambda np, x, y: x.copy(), lambda torch, x, y: x.clone()),
    "x.sum()": (lambda np, x, y: x.sum(), lambda torch, x, y: x.sum()),
    "x.sum(1)": (lambda np, x, y: x.sum(1), lambda torch, x, y: x.sum(1)),
    "x.mean()": (lambda np, x, y: x.mean(), lambda torch, x, y: x.mean()),
    "x.reshape(4)": (lambda np, x, y: x.reshape(4), lambda torch, x, y: x.reshape(4)),
    "x.view(4)": (lambda np, x, y: x.reshape(4), lambda torch, x, y: x.view(4)),
    "x.transpose(0, 1)": (lambda np, x, y: x.transpose(1, 0), lambda torch, x, y: x.transpose(0, 1)),
    "x.unsqueeze(0)": (lambda np, x, y: np.expand_dims(x, 0), lambda torch, x, y: x.unsqueeze(0)),
    "x[0]": (lambda np, x, y: x[0], lambda torch, x, y: x[0]),
    "x[0:1]": (lambda np, x, y: x[0:1], lambda torch, x, y: x[0:1]),
    "x[:, 1]": (lambda np, x, y: x[:, 1], lambda torch, x, y: x[:, 1]),
    "add(x, y)": (lambda np, x, y: np.add(x, y), lambda torch, x, y: torch.add(x, y)),
    "mul(x, y)": (lambda np, x, y: np.multiply(x, y), lambda torch, x, y: torch.mul(x, y)),
    "exp(x)": (lambda np, x, y: np.exp(x), lambda torch, x, y: torch.exp(x)),
    "sum(x, dim=0)": (lambda np, x, y: np.sum(x, axis=0), lambda torch, x, y: torch.sum(x, dim=0)),
    "matmul(x, y)": (lambda np, x, y: np.matmul(x, y), lambda torch, x, y: torch.matmul(x, y)),
    "maximum(x, y)": (lambda np, x, y: np.maximum(x, y), lambda torch, x, y: torch.maximum(x, y)),
    "where(x > y, x, y)": (lambda np, x, y: np.where(x > y, x, y), lambda torch, x, y: torch.where(x > y, x, y)),
    "cat([x, y])": (lambda np, x, y: np.concatenate([x, y]), lambda torch, x, y: torch.cat([x, y])),
    "stack([x, y])": (lambda np, x, y: np.stack([x, y]), lambda torch, x, y: torch.stack([x, y])),
}


def microseconds(call: Call, library: Any, x: Any, y: Any, repeats: int) -> float:
    """Best of five, as `timeit` advises for a lower bound."""
    return min(timeit.repeat(lambda: call(library, x, y), number=repeats, repeat=5)) / repeats * 1e6


def row(name: str, repeats: int) -> dict[str, str | float]:
    """The figures of one case."""
    import torch

    import trainctl
    from trainctl.autograd.state import quietly

    plain, ours = CASES[name]
    base = microseconds(plain, np, *(np.ones((2, 2), np.float32) for _ in range(2)), repeats)
    x, w, y = trainctl.ones(2, 2), trainctl.ones(2, 2, requires_grad=True), trainctl.ones(2, 2)
    tw, ty = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    within = quietly(lambda: microseconds(ours, trainctl, w, y, repeats))  # NumPy's warnings are off already
    return {
        "op": name,
        "NumPy": base,
        "trainctl over it": microseconds(ours, trainctl, x, y, repeats) - base,
        "recorded": microseconds(ours, trainctl, w, y, repeats) - base,
        "recorded, in a module": within() - base,
        "PyTorch, recorded": microseconds(ours, torch, tw, ty, repeats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager_ops", description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000, help="calls a round")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    rows = [row(name, args.repeats) for name in CASES]
    for what, pick in (("median", median), ("largest", max)):
        figures = {key: pick(float(each[key]) for each in rows) for key in rows[0] if key != "op"}
        rows.append({"op": f"**{what}**", **figures})
    report.publish("Eager ops on 2x2 elements, µs", {"repeats": args.repeats}, rows, args.json)


if __name__ == "__main__":
    main()
