"""Forward and backward of LSTM, GRU and RNN over a batch of sequences: trainctl and PyTorch, in turn."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report

STEPS, BATCH, INPUTS, HIDDEN = 64, 32, 64, 128
LAYERS = ("LSTM", "GRU", "RNN")


def make_run(torch: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], float]]:
    """The forward pass of one layer, and the backward pass of its output; that returns a sum over a gradient."""
    random = np.random.RandomState(0)
    layer = getattr(torch.nn, name)(INPUTS, HIDDEN)
    for parameter in layer.parameters():
        parameter.data = torch.from_numpy(random.uniform(-0.1, 0.1, tuple(parameter.shape)).astype(np.float32))
    x = torch.from_numpy(random.standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32))

    def backward(output: Any) -> float:
        for parameter in layer.parameters():
            parameter.grad = None
        output.sum().backward()
        return float(layer.weight_hh_l0.grad.abs().sum())

    return lambda: layer(x)[0], backward


def best(forward: Callable[[], Any], backward: Callable[[Any], float], repeats: int) -> tuple[float, float]:
    """The shortest times in milliseconds: of the forward pass, of both passes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        output = forward()
        middle = time.perf_counter()
        backward(output)
        times.append((middle - start, time.perf_counter() - start))
    return min(each for each, _ in times) * 1e3, min(each for _, each in times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recurrent_layers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20, help="passes a round")
    parser.add_argument("--threads", type=int, default=report.cores(), help="for both, default: all cores")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()

    import torch
    from threadpoolctl import threadpool_limits

    import trainctl

    torch.set_num_threads(args.threads)
    rows: list[report.Row] = []
    with threadpool_limits(limits=args.threads, user_api="blas"):
        for name in LAYERS:
            runs = {"trainctl": make_run(trainctl, name), "PyTorch": make_run(torch, name)}
            sums = {library: backward(forward()) for library, (forward, backward) in runs.items()}
            np.testing.assert_allclose(sums["trainctl"], sums["PyTorch"], rtol=1e-3)  # both compute the same
            times = {library: (float("inf"), float("inf")) for library in runs}
            for _ in range(args.rounds):
                for library, run in runs.items():
                    now = best(*run, args.repeats)
                    times[library] = min(times[library][0], now[0]), min(times[library][1], now[1])
            for library, (forward, both) in times.items():
                rows.append(
                    {
                        "layer": name,
                        "library": library,
                        "forward, ms": forward,
                        "forward and backward, ms": both,
                        "trainctl / this": round(times["trainctl"][1] / both, 2),
                    }
                )
    shape = f"{STEPS} steps, batch {BATCH}, {INPUTS} inputs, hidden {HIDDEN}, float32"
    settings = {"rounds": args.rounds, "repeats": args.repeats, "threads": args.threads, "shortest of": shape}
    report.publish("Recurrent layers, eager", settings, rows, args.json)


if __name__ == "__main__":
    main()
