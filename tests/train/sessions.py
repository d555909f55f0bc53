"""Sessions of a run of the tiny config: begun, stopped, gone on with."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.train import tiny
from trainctl.build import build
from trainctl.errors import Interrupted
from trainctl.train.checkpoint import MODEL, STATE, read_checkpoint
from trainctl.train.events import Event, StepEnd
from trainctl.train.resolve import find_checkpoint
from trainctl.train.rundir import RunDirectory
from trainctl.train.session import train
from trainctl.train.signals import StopSignals

RUN_FILES = ("metrics.jsonl", "metrics.csv", "config.resolved.yaml")


def session(
    config: Path,
    path: Path,
    *overrides: str,
    stop: StopSignals | None = None,
    change: Callable[[Any], object] = lambda experiment: None,
) -> Iterator[Event]:
    """One session of a run, fresh where there is none yet, else from its last checkpoint."""
    experiment = build(tiny.load(config, *overrides))
    change(experiment)
    with RunDirectory.open(path) if path.exists() else RunDirectory.create(path) as run:
        last = run.checkpoints.recover()
        yield from train(experiment, run, resume=last and read_checkpoint(last), stop=stop)


def stopped_at(config: Path, path: Path, step: int, *overrides: str, event: type = StepEnd) -> Interrupted:
    """What a session raises that is told to stop at an event of step ``step`` of the run."""
    stop = StopSignals()

    def run() -> None:
        for each in session(config, path, *overrides, stop=stop):
            if isinstance(each, event) and each.global_step == step:
                stop.signum = signal.SIGTERM

    with pytest.raises(Interrupted) as caught:
        run()
    return caught.value


def record(path: Path) -> dict[str, str]:
    """What a resumed run must have in common with one that never stopped, as checksums."""
    places = [path / name for name in RUN_FILES]
    places += [find_checkpoint(path, link) / name for link in ("last", "best") for name in (MODEL, STATE)]
    return {str(n): hashlib.sha256(place.read_bytes()).hexdigest() for n, place in enumerate(places)}
