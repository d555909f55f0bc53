"""Time the three jobs in turn, several rounds, each in a process of its own, start-up included."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import report

REPO = Path(__file__).parents[2]
JOBS = {
    "trainctl train configs/mlp.yaml": ["-m", "trainctl", "train", "configs/mlp.yaml", "--quiet"],
    "PyTorch, DataLoader": ["-m", "benchmarks.mlp_main_job.torch_job", "--batches=dataloader"],
    "PyTorch, gather by index": ["-m", "benchmarks.mlp_main_job.torch_job", "--batches=index"],
}


def run(job: str, epochs: int, threads: int, output: Path) -> float:
    """Seconds from starting the process to its end."""
    options = ["--epochs", str(epochs), "--threads", str(threads), "--output-dir", str(output)]
    if "torch_job" in JOBS[job][1]:
        options += ["--root", "datasets/mnist"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # PyTorch comes with its bytecode, so ours may be kept too
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *JOBS[job], *options],
        cwd=REPO,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlp_main_job", description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=report.cores(), help="for both, default: all cores")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()

    seconds: dict[str, list[float]] = {job: [] for job in JOBS}
    accuracy: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for index, job in enumerate(JOBS):
                output = Path(folder) / f"{number}-{index}"
                seconds[job].append(run(job, args.epochs, args.threads, output))
                accuracy[job] = json.loads((output / "summary.json").read_text())["test_metrics"]["accuracy"]

    ours = median(next(iter(seconds.values())))
    rows = [
        {
            "job": job,
            "seconds (median)": round(median(times), 2),
            "fastest": round(min(times), 2),
            "trainctl / this": round(ours / median(times), 2),
            "test accuracy": accuracy[job],
        }
        for job, times in seconds.items()
    ]
    settings = {"epochs": args.epochs, "rounds": args.rounds, "threads": args.threads}
    report.publish("MLP main job, whole process", settings, rows, args.json)


if __name__ == "__main__":
    main()
