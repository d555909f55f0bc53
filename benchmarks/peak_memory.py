"""The most memory that a process has resident while it trains each workload; one process a workload and side."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.workloads import WORKLOADS, training

STATUS = Path("/proc/self/status")  # Linux's
BAR = 0.7
NOTHING = "import alone"


def peak() -> float:
    """MiB that were resident at most since this program was started; ``ru_maxrss`` would count its parent's too."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[1]) / 1024


def train(side: str, name: str, steps: int, threads: int) -> None:
    """Train in this process, and print the peak."""
    lib = importlib.import_module(side)
    if side == "torch":
        lib.set_num_threads(threads)
    if name == NOTHING:
        lib.ones(2) + 1
    else:
        job = training(WORKLOADS[name], lib)
        if side == "trainctl":
            job.step = lib.compile(job.step, threads=threads)
        for _ in range(steps):
            job()
    print(peak())


def measure(side: str, name: str, args: argparse.Namespace) -> float:
    """The peak of a process of its own."""
    call = ["-m", "benchmarks.peak_memory", name, "--side", side, f"--steps={args.steps}", f"--threads={args.threads}"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *call], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def row_of(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One workload on both sides."""
    ours, theirs = (measure(side, name, args) for side in ("trainctl", "torch"))
    title = NOTHING if name == NOTHING else WORKLOADS[name].title
    return {
        "workload": title,
        "trainctl, MiB": ours,
        "torch, MiB": theirs,
        "ratio": round(ours / theirs, 2),
        "bar": BAR,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak_memory", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=report.cores(), help="for each side, default: all cores")
    parser.add_argument("--side", choices=["trainctl", "torch"], help="train in this process and print the peak alone")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    if args.side:
        train(args.side, args.workloads[0], args.steps, args.threads)
        return
    rows = [row_of(name, args) for name in args.workloads or [NOTHING, *WORKLOADS]]
    settings = {"steps": args.steps, "threads": args.threads}
    report.publish("Peak resident memory of training steps", settings, rows, args.json)


if __name__ == "__main__":
    main()
