"""Runs in the states that a fault may find them in, what is done with them, and what must hold afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.storage.faults import faults
from trainctl.errors import TrainctlError
from trainctl.jobs import verify_checkpoints
from trainctl.storage.files import TEMPORARY
from trainctl.train.checkpoint import Best, Checkpoint, Progress, read_checkpoint
from trainctl.train.monitor import Monitor
from trainctl.train.resolve import find_checkpoint
from trainctl.train.retention import Keep
from trainctl.train.rundir import RunDirectory

COLUMNS = ["epoch", "global_step", "train_loss"]
KEEP = Keep(best=2, monitor=Monitor("train_loss", higher_is_better=False))


def checkpoint_of(step: int) -> Checkpoint:
    """A checkpoint after as many epochs of one step, the first of which was the best."""
    rows = [{"epoch": each, "global_step": each, "train_loss": float(each)} for each in range(1, step + 1)]
    progress = Progress(epoch=step + 1, global_step=step, best=Best(1.0, 1, 1), history=rows)
    weights = {"w": np.full((4, 4), step, np.float32)}
    return Checkpoint("seed: 0\n", 1, "numpy", progress, weights, {"rng": {"$array": "rng"}}, {"rng": np.arange(9)})


def save(run: RunDirectory, step: int) -> None:
    checkpoint = checkpoint_of(step)
    run.checkpoints.keep = KEEP
    run.append_metrics(COLUMNS, checkpoint.progress.history[-1])
    run.checkpoints.save(checkpoint, best=step == 1)


def fresh(path: Path) -> None:
    with RunDirectory.create(path) as run:
        run.write_config("seed: 0\n")
        run.write_metrics(COLUMNS, [])
        save(run, 1)


def go_on(path: Path) -> None:
    with RunDirectory.open(path) as run:
        run.checkpoints.recover()
        save(run, 4)
        run.write_summary({"schema_version": 1})
        run.remove_summary()


def start_anew(path: Path) -> None:
    with RunDirectory.create(path, force=True) as run:
        run.write_config("seed: 1\n")


def make_states(root: Path) -> dict[str, Path]:
    """Runs to begin from: whole, copied without links, killed in the middle of a save."""
    with faults(lambda number: False):
        fresh(root / "whole")
        with RunDirectory.open(root / "whole") as run:
            for step in (2, 3):
                save(run, step)
    shutil.copytree(root / "whole", root / "copied")
    shutil.copytree(root / "whole", root / "killed", symlinks=True)
    half = root / "killed" / "checkpoints" / f"{TEMPORARY}step-00000004"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    (root / "killed" / f"{TEMPORARY}summary.json").write_text("{")
    return {name: root / name for name in ("whole", "copied", "killed")}


def temporaries(path: Path) -> list[Path]:
    return [entry for entry in path.rglob("*") if entry.name.startswith(TEMPORARY)]


def check_it_goes_on(path: Path, steps: tuple[int, ...]) -> None:
    """The run loads one of these states, recovers, leaves nothing unfinished, and saves again."""
    last = read_checkpoint(find_checkpoint(path, "last"))
    assert last.progress.global_step in steps
    assert (last.model["w"] == last.progress.global_step).all()
    assert (read_checkpoint(find_checkpoint(path)).model["w"] == 1).all()
    with RunDirectory.open(path) as run:
        assert run.checkpoints.recover() is not None
        assert temporaries(path) == []
        save(run, 5)
    found = verify_checkpoints(path)
    assert found["intact"]
    kept = [Path(each["path"]).name for each in found["checkpoints"]]
    assert [name[:13] for name in kept] == ["step-00000001", "step-00000002", "step-00000005"]


def in_memory() -> Path | None:
    """A folder that is no disk, for tests that make thousands of files; None where the system has none."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def attempted(act: Callable[[], object]) -> TrainctlError | None:
    """The error that ``act`` raises, None where it raises none."""
    try:
        act()
    except TrainctlError as error:
        return error
    return None
