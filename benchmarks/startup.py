"""How long a process takes until there is something to compute with, from its start to its end."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks import report

TORCH = "import torch"
PROCESSES = {
    "trainctl --help": ["-m", "trainctl", "--help"],
    "trainctl validate configs/mlp.yaml": ["-m", "trainctl", "validate", "configs/mlp.yaml"],
    "import trainctl, one op": ["-c", "import trainctl; trainctl.ones(2) + 1"],
    "import numpy": ["-c", "import numpy"],
    TORCH: ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> float:
    """The wall time of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=Path(__file__).parents[1], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="after one that fills the system's file cache")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for _ in range(args.rounds + 1):
        for name, arguments in PROCESSES.items():
            times[name].append(seconds(arguments))
    medians = {name: median(each[1:]) for name, each in times.items()}
    rows = [
        {"process": name, "seconds (median)": each, f"this / {TORCH}": round(each / medians[TORCH], 2)}
        for name, each in medians.items()
    ]
    report.publish("Start-up", {"rounds": args.rounds}, rows, args.json)


if __name__ == "__main__":
    main()
