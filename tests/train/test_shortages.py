"""Memory or disk that runs out in a part of the loop: a clear error, the last checkpoint intact, and a run that goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.train import tiny
from tests.train.sessions import record, session
from trainctl.errors import TrainctlError
from trainctl.train import store
from trainctl.train.averaging import Ema
from trainctl.train.checkpoint import read_checkpoint
from trainctl.train.metrics import Accuracy
from trainctl.train.rundir import RunDirectory
from trainctl.train.steps import Steps

EAGER = ("train.compile=false", "train.ema={}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


NO_MEMORY = MemoryError("Unable to allocate 9.00 TiB")
FULL = OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")
SHORTAGES = {  # where, which call fails, with what; the checkpoint that is then the last
    "step": (Steps, "_learn", 8, NO_MEMORY, 5),
    "averaging": (Ema, "after_step", 12, NO_MEMORY, 10),
    "validation": (Accuracy, "update", 5, NO_MEMORY, 5),
    "test": (Accuracy, "update", 11, NO_MEMORY, 15),
    "saving": (store, "encode", 2, NO_MEMORY, 5),
    "full-saving": (store, "write_file", 5, FULL, 5),
    "full-metrics": (RunDirectory, "append_metrics", 2, FULL, 5),
    "full-summary": (RunDirectory, "write_summary", 1, FULL, 15),
}


@pytest.mark.parametrize("place", SHORTAGES)
def test_what_runs_out_is_said_and_nothing_is_lost(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    owner, name, call, error, last = SHORTAGES[place]
    original, calls = getattr(owner, name), []

    def fails(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == call:
            raise error
        return original(*args, **kwargs)

    list(session(config, tmp_path / "whole", *EAGER))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fails)
        with pytest.raises((TrainctlError, OSError)) as caught:
            list(session(config, tmp_path / "run", *EAGER))
    assert len(calls) == call
    if isinstance(error, MemoryError):
        assert isinstance(caught.value, TrainctlError)
        assert caught.value.exit_code == 1
        assert "out of memory" in caught.value.message
        if "cannot save the checkpoint" not in caught.value.message:
            assert "9.00 TiB; its last checkpoint is " in caught.value.message
        assert "--resume" in caught.value.hint
    kept = RunDirectory.open(tmp_path / "run")
    path = kept.checkpoints.last()
    kept.close()
    assert path is not None
    assert read_checkpoint(path).progress.global_step == last
    list(session(config, tmp_path / "run", *EAGER))
    assert record(tmp_path / "run") == record(tmp_path / "whole")


def test_out_of_memory_before_the_first_checkpoint_says_that(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Steps, "_learn", fails)
    with pytest.raises(TrainctlError, match=r"epoch 1, after step 0; it has no checkpoint yet") as caught:
        list(session(config, tmp_path / "run", *EAGER))
    assert "a smaller data.batch_size" in caught.value.hint
