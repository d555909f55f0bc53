"""Kills a training at random moments, goes on with it, and compares its end with that of a run that was left alone.

``python -m tests.torture.killing FOLDER KILLS SEED`` writes what it did as JSON; it ends with 1 at the first difference.
Each session is a fork of one process that has everything imported and compiled, so that a kill costs a fraction of a
second.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.train import tiny
from tests.train.sessions import record
from trainctl.errors import CheckpointError
from trainctl.jobs import run_training, verify_checkpoints
from trainctl.storage.files import TEMPORARY
from trainctl.train.resolve import find_checkpoint

OPTIONS = ("train.epochs=2", "train.checkpoint_every=2", "train.keep_best=2", "train.keep_last=2")


def forked(act: Callable[[], object]) -> int:
    """Begin ``act`` in a process of its own and return its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    """How a process ended; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def session(config: Path, run: Path) -> None:
    """Train from wherever the run is."""
    loaded = tiny.load(config, *OPTIONS)
    if (run / "config.resolved.yaml").exists():
        run_training(loaded, output_dir=run, resume=True)
    else:
        run_training(loaded, output_dir=run)


def contents(run: Path) -> list[str]:
    """Which checkpoints it keeps, as checksums, and where its links lead."""
    steps = sorted(path.name[:13] for path in (run / "checkpoints").iterdir() if not path.is_symlink())
    links = [find_checkpoint(run, link).name[:13] for link in ("last", "best")]
    return [*record(run).values(), *steps, *links]


class Differs(Exception):
    """A run that was killed ended otherwise than one that was not, or could not be gone on with."""


class Killer:
    """Runs to kill.

    Args:
        root: a folder for them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = tiny.write_config(root)
        session(self.config, root / "first")  # compiles, and loads all that is loaded late
        started = time.perf_counter()
        assert ended(forked(lambda: session(self.config, root / "whole"))) == 0
        self.seconds = time.perf_counter() - started
        self.expected = contents(root / "whole")
        self.in_save = self.early = 0

    def kill_one(self, number: int, draw: random.Random) -> None:
        """Kill a fresh run at a random moment, and compare the end to which it then goes on."""
        run = self.root / f"run-{number}"
        child = forked(lambda: session(self.config, run))
        time.sleep(draw.random() * self.seconds)
        os.kill(child, signal.SIGKILL)
        if ended(child) != -signal.SIGKILL:
            self.early += 1  # it had ended by itself
        self.in_save += any(TEMPORARY in path.name for path in run.rglob("*"))
        self._check_readable(run)
        if ended(forked(lambda: session(self.config, run))) != 0:
            raise Differs(f"kill {number}: the run could not go on")
        found = contents(run)
        if found != self.expected:
            raise Differs(f"kill {number}: the run ended otherwise: {found}, not {self.expected}")
        shutil.rmtree(run)

    def _check_readable(self, run: Path) -> None:
        try:
            intact = verify_checkpoints(run)["intact"]
        except CheckpointError:
            return  # killed before its first checkpoint
        if not intact:
            raise Differs(f"{run}: damaged by a kill")


def main(root: str, kills: int, seed: int) -> int:
    """Kill as often as is asked for; 0 where every end was the same."""
    killer = Killer(Path(root))
    for number in range(kills):
        try:
            killer.kill_one(number, random.Random(f"{seed} {number}"))
        except Differs as error:
            print(f"seed {seed}: {error}", flush=True)
            return 1
        if number % 100 == 99:
            print(f"{number + 1} kills of seed {seed}", file=sys.stderr, flush=True)
    print(json.dumps({"kills": kills, "in_save": killer.in_save, "after_the_end": killer.early}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
