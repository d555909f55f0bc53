"""One training step of the MLP 784-128-10, batch 64, SGD with momentum: trainctl and PyTorch, in turn."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import report

Step = Callable[[], float]


def make_step(torch: Any) -> Step:
    """A step of `torch` (PyTorch or trainctl) from fixed weights on one fixed batch; it returns the loss."""
    random = np.random.RandomState(0)
    nn = torch.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    weights = {
        name: torch.from_numpy(random.uniform(-0.05, 0.05, tuple(weight.shape)).astype(np.float32))
        for name, weight in net.state_dict().items()
    }
    net.load_state_dict(weights)
    inputs = torch.from_numpy(random.standard_normal((64, 1, 28, 28)).astype(np.float32))
    labels = torch.from_numpy(random.randint(0, 10, 64))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def check_agreement(steps: dict[str, Step], count: int = 20) -> None:
    """Times mean nothing unless both compute the same."""
    curves = {name: [step() for _ in range(count)] for name, step in steps.items()}
    np.testing.assert_allclose(curves["trainctl"], curves["PyTorch"], rtol=1e-4)


def milliseconds(step: Step, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlp_step", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=200, help="steps a round")
    parser.add_argument("--threads", type=int, default=report.cores(), help="for both, default: all cores")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()

    import torch
    from threadpoolctl import threadpool_limits

    import trainctl

    torch.set_num_threads(args.threads)
    with threadpool_limits(limits=args.threads, user_api="blas"):
        steps = {"trainctl": make_step(trainctl), "PyTorch": make_step(torch)}
        check_agreement(steps)
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(args.rounds):
            for name, step in steps.items():
                times[name].append(milliseconds(step, args.repeats))

    ours = median(times["trainctl"])
    rows = [
        {"step": name, "ms (median)": median(each), "trainctl / this": round(ours / median(each), 2)}
        for name, each in times.items()
    ]
    settings = {"rounds": args.rounds, "repeats": args.repeats, "threads": args.threads}
    report.publish("MLP training step, eager", settings, rows, args.json)


if __name__ == "__main__":
    main()
