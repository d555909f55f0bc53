"""Resident memory over many training steps of a CNN: conv-pool-conv-pool-fc-fc on 1x28x28, SGD with momentum."""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import report

STATM = Path("/proc/self/statm")  # Linux's


def resident() -> float:
    """MiB of this process in memory now."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**20


def make_step(width: int, batch: int) -> Callable[[], float]:
    """A step on fresh images and labels; it returns the loss. ``width``: channels of the first convolution."""
    import trainctl
    from trainctl import nn

    trainctl.manual_seed(0)
    random = np.random.default_rng(0)
    net = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * 49, 4 * width), nn.ReLU(), nn.Linear(4 * width, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimizer = trainctl.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step() -> float:
        images = trainctl.from_numpy(random.standard_normal((batch, 1, 28, 28), np.float32))
        labels = trainctl.from_numpy(random.integers(0, 10, batch))
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--points", type=int, default=10, help="rows of the table")
    parser.add_argument("--width", type=int, default=32, help="channels of the first convolution")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--collector", action=argparse.BooleanOptionalAction, default=False, help="Python's, of cycles")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()

    step = make_step(args.width, args.batch)
    if not args.collector:  # what only the collector would free then shows as growth
        gc.disable()
    rows: list[report.Row] = []
    every, start = max(1, args.steps // args.points), time.perf_counter()
    for number in range(1, args.steps + 1):
        step()
        if number % every == 0:
            now, seconds = resident(), time.perf_counter() - start
            grown = now - float(rows[0]["resident, MiB"]) if rows else 0.0
            rows.append(
                {"steps": number, "seconds": seconds, "resident, MiB": now, "more than in the first row": grown}
            )
    settings = {key: value for key, value in vars(args).items() if key != "json"}
    report.publish("Resident memory while a CNN trains", settings, rows, args.json)


if __name__ == "__main__":
    main()
