"""What a tensor op costs over NumPy's own: microseconds for tiny arrays, where the work itself is nothing."""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import report


def microseconds(call: Callable[[], object], repeats: int) -> float:
    """Best of five, as `timeit` advises for a lower bound."""
    return min(timeit.repeat(call, number=repeats, repeat=5)) / repeats * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager_ops", description=__doc__)
    parser.add_argument("--repeats", type=int, default=20000, help="calls a round")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()

    import torch

    import trainctl
    from trainctl.autograd.state import quietly

    a, b = np.ones(4, np.float32), np.ones(4, np.float32)
    x, y, w = trainctl.from_numpy(a), trainctl.from_numpy(b), trainctl.ones(4, requires_grad=True)
    tx, ty, tw = torch.ones(4), torch.ones(4), torch.ones(4, requires_grad=True)
    cases: dict[str, tuple[Callable[[], object], Callable[[], object], Callable[[], object]]] = {
        "add": (lambda: np.add(a, b), lambda: x + y, lambda: tx + ty),
        "add, recorded": (lambda: np.add(a, b), lambda: w + y, lambda: tw + ty),
        "mul by a number": (lambda: np.multiply(a, 2.0), lambda: x * 2.0, lambda: tx * 2.0),
        "exp, recorded": (lambda: np.exp(a), lambda: w.exp(), lambda: tw.exp()),
        "sum": (lambda: a.sum(), lambda: x.sum(), lambda: tx.sum()),
        "reshape": (lambda: a.reshape(2, 2), lambda: x.reshape(2, 2), lambda: tx.reshape(2, 2)),
        "index": (lambda: a[1:3], lambda: x[1:3], lambda: tx[1:3]),
    }
    rows = []
    for name, (plain, ours, peer) in cases.items():
        base, alone = microseconds(plain, args.repeats), microseconds(ours, args.repeats)
        within = quietly(lambda ours=ours: microseconds(ours, args.repeats))()  # as inside a module's call
        rows.append(
            {
                "op": name,
                "NumPy, µs": base,
                "trainctl over it, µs": alone - base,
                "over it inside a module, µs": within - base,
                "PyTorch, µs": microseconds(peer, args.repeats),
            }
        )
    report.publish("Eager ops on 4 elements", {"repeats": args.repeats}, rows, args.json)


if __name__ == "__main__":
    main()
