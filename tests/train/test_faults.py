"""Whatever operation fails, and however, a run loads its old state or its new one, and the error says what happened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import trainctl
from tests.storage.faults import faults, operations, plans
from tests.train.faulty_runs import (
    attempted,
    check_it_goes_on,
    fresh,
    go_on,
    in_memory,
    make_states,
    start_anew,
    temporaries,
)
from trainctl.errors import CheckpointError
from trainctl.jobs import verify_checkpoints
from trainctl.train.checkpoint import read_checkpoint
from trainctl.train.resolve import find_checkpoint
from trainctl.train.rundir import RunDirectory


@pytest.fixture(scope="module")
def states() -> Iterator[dict[str, Path]]:
    with TemporaryDirectory(dir=in_memory()) as root:
        yield make_states(Path(root))


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with TemporaryDirectory(dir=in_memory()) as root:
        yield Path(root)


def load(path: Path) -> None:
    found = find_checkpoint(path)
    assert (read_checkpoint(found).model["w"] == 1).all()
    for each in verify_checkpoints(path)["checkpoints"]:
        for damage in each["damage"]:
            raise CheckpointError(damage["message"])


@pytest.mark.parametrize("state", ["whole", "copied", "killed"])
def test_saving_and_recovery_leave_the_old_state_or_the_new(states: dict[str, Path], tmp_path: Path, state: str):
    def prepared(name: str) -> Path:
        return Path(shutil.copytree(states[state], tmp_path / name, symlinks=True))

    count = len(operations(lambda: go_on(prepared("counted"))))
    assert count > 60
    told = 0
    tried = list(plans(count))
    always = [each for each in tried if each[2] in ("ENOSPC", "MemoryError")] if state == "whole" else []
    tried = [*always, *tried[:: int(os.environ.get("FAULT_STEP", "7"))]]
    for name, fails, kind in tried:
        path = prepared(name)
        with faults(fails, kind):
            error = attempted(lambda path=path: go_on(path))
        if error is not None:
            told += 1
            assert error.exit_code in (1, 2, 4), name
            assert str(path) in error.message, name
            assert error.hint, name
        with faults(lambda number: False):
            check_it_goes_on(path, (3, 4))
        shutil.rmtree(path)
    assert told > len(tried) / 2


def test_a_first_save_leaves_no_checkpoint_or_one(tmp_path: Path):
    count = len(operations(lambda: fresh(tmp_path / "counted")))
    for name, fails, kind in list(plans(count))[::3]:
        path = tmp_path / name
        with faults(fails, kind):
            error = attempted(lambda path=path: fresh(path))
        assert error is None or (error.hint and str(path.parent) in error.message), name
        with faults(lambda number: False):
            if (path / "config.resolved.yaml").exists():
                with RunDirectory.open(path) as run:
                    last = run.checkpoints.recover()
                    assert last is None or read_checkpoint(last).progress.global_step == 1
            start_anew(path)
            assert temporaries(path) == [], name
            assert (path / "config.resolved.yaml").read_text() == "seed: 1\n"


def test_starting_anew_leaves_a_run_that_can_be_started_anew(states: dict[str, Path], tmp_path: Path):
    def prepared(name: str) -> Path:
        return Path(shutil.copytree(states["killed"], tmp_path / name, symlinks=True))

    count = len(operations(lambda: start_anew(prepared("counted"))))
    for name, fails, kind in list(plans(count))[::3]:
        path = prepared(name)
        with faults(fails, kind):
            error = attempted(lambda path=path: start_anew(path))
        assert error is None or (error.hint and str(path) in error.message), name
        with faults(lambda number: False):
            start_anew(path)
        assert sorted(entry.name for entry in path.iterdir()) == [".trainctl.lock", "config.resolved.yaml"]


@pytest.mark.parametrize("state", ["whole", "copied", "killed"])
def test_loading_gives_the_checkpoint_or_an_error_and_writes_nothing(states: dict[str, Path], state: str):
    path = states[state]
    before = {entry: entry.lstat().st_mtime_ns for entry in path.rglob("*")}
    done = operations(lambda: load(path))
    assert set(done) <= {"open", "readv", "scandir", "readlink"}
    told = 0
    tried = list(plans(len(done)))[:: 1 if state == "whole" else 9]
    for _, fails, kind in tried:
        with faults(fails, kind):
            error = attempted(lambda: load(path))
        told += error is not None
        assert error is None or isinstance(error, CheckpointError)
    assert told > len(tried) / 2
    assert before == {entry: entry.lstat().st_mtime_ns for entry in path.rglob("*")}


def test_save_leaves_the_old_file_or_the_new(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    count = len(operations(lambda: trainctl.save({"w": trainctl.zeros(2)}, path)))
    for name, fails, kind in plans(count):
        with faults(lambda number: False):
            trainctl.save({"w": trainctl.zeros(2)}, path)
        with faults(fails, kind):
            try:
                trainctl.save({"w": trainctl.ones(2)}, path)
            except (OSError, MemoryError):
                pass
            else:
                assert trainctl.load(path)["w"].tolist() == [1, 1], name
        assert trainctl.load(path)["w"].tolist() in ([0, 0], [1, 1]), name
        if " at " in name:
            assert temporaries(tmp_path) == [], name
