"""The long versions, by ``make torture``: a thousand kills, ten million changed files, a million integer layers, every
fault and every allocation.

``KILLS``, ``MUTATIONS``, ``LAYERS`` and ``SEED`` in the environment replace how many and from where. What fails names the
seed that does it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.command import environment
from tests.train.faulty_runs import in_memory

REPO = Path(__file__).parents[2]
CORES = len(os.sched_getaffinity(0))
SEED = int(os.environ.get("SEED", "0"))


def in_parallel(commands: list[list[str]], **variables: str) -> None:
    """Run programs side by side; what they say goes where this program's words go. The first that fails ends all."""
    running = [subprocess.Popen([sys.executable, *words], env=environment(**variables), cwd=REPO) for words in commands]
    try:
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.kill()
    assert codes == [0] * len(commands)


def test_a_thousand_kills():
    kills = int(os.environ.get("KILLS", "1000"))
    with TemporaryDirectory(dir=in_memory()) as root:
        folders = [Path(root, str(core)) for core in range(CORES)]
        for folder in folders:
            folder.mkdir()
        share = -(-kills // CORES)
        in_parallel(
            [
                ["-m", "tests.torture.killing", str(folder), str(share), str(SEED + core)]
                for core, folder in enumerate(folders)
            ]
        )


def test_ten_million_changed_files():
    share = -(-int(os.environ.get("MUTATIONS", "10_000_000")) // CORES)
    in_parallel([["-m", "tests.torture.mutating", str(share), str(SEED + core * share)] for core in range(CORES)])


def test_a_million_integer_layers():
    share = -(-int(os.environ.get("LAYERS", "1_000_000")) // CORES)
    in_parallel([["-m", "tests.torture.layering", str(share), str(SEED + core * share)] for core in range(CORES)])


def test_every_fault_and_every_allocation():
    tests = ["tests/train/test_faults.py", "tests/train/test_out_of_memory.py"]
    in_parallel(
        [["-m", "pytest", "-q", *tests]], FAULT_STEP="1", ALLOCATION_STEP=os.environ.get("ALLOCATION_STEP", "3")
    )
