"""Inference with the seven workloads' models, one sample and 256 at a time: compiled calls against PyTorch's."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import report, timing
from benchmarks.workloads import WORKLOADS, Training, Workload, training, weights_of

PLAN = "trainctl plan"
CLOSE = 1e-4


def predict(side: Training, lib: Any) -> Any:
    """The model's call in evaluation mode, without a graph."""
    model = side.model.eval()

    def infer(*inputs: Any) -> Any:
        with lib.no_grad():
            return model(*inputs)

    return infer


def sides_of(workload: Workload, threads: int) -> dict[str, timing.Call]:
    """Calls that return the model's outputs for one batch, in every way that is measured."""
    import torch

    import trainctl

    ours = training(workload, trainctl)
    theirs = training(workload, torch, weights_of(ours.model))
    compiled, eager = trainctl.compile(predict(ours, trainctl), threads=threads), predict(theirs, torch)
    calls: dict[str, timing.Call] = {
        PLAN: lambda: compiled(*ours.batch[:-1]),
        "torch eager": lambda: eager(*theirs.batch[:-1]),
    }
    if workload.is_image:
        last = training(workload, torch, weights_of(ours.model))
        image = last.batch[0].to(memory_format=torch.channels_last)
        last.model.to(memory_format=torch.channels_last)
        infer = predict(last, torch)
        calls["torch channels_last"] = lambda: infer(image)
    return calls


def row_of(workload: Workload, threads: int, rounds: int) -> report.Row:
    """Check that the outputs agree, then time them."""
    calls = sides_of(workload, threads)
    right = calls["torch eager"]().numpy()
    for name, call in calls.items():
        for _ in range(3):  # the third is the plan's
            np.testing.assert_allclose(call().numpy(), right, rtol=CLOSE, atol=CLOSE, err_msg=name)
    times = timing.interleaved(calls, rounds)
    peer = timing.fastest(times, [name for name in times if name != PLAN])
    return {
        "workload": workload.title,
        "batch": workload.batch_size,
        **{
            f"{name}, ms": median(times[name]) if name in times else "-"
            for name in (PLAN, "torch eager", "torch channels_last")
        },
        "plan / best peer": round(timing.ratio(times, PLAN, peer), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--threads", type=int, default=report.cores(), help="for each side, default: all cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    timing.fix_threads(args.threads)
    timing.torch_of(args.threads)
    rows = [
        row_of(replace(WORKLOADS[name], batch_size=size), args.threads, args.rounds)
        for name in args.workloads or WORKLOADS
        for size in (1, 256)
    ]
    print(f"Outputs agree to {CLOSE}.\n")
    report.publish("Inference", {"threads": args.threads, "rounds": args.rounds}, rows, args.json)


if __name__ == "__main__":
    main()
