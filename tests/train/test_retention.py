from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train import tiny
from tests.train.faulty_runs import checkpoint_of
from tests.train.sessions import record, session, stopped_at
from trainctl.storage import files
from trainctl.train.checkpoint import Progress, read_progress
from trainctl.train.layout import step_of, steps
from trainctl.train.monitor import Monitor
from trainctl.train.resolve import find_checkpoint
from trainctl.train.retention import Keep
from trainctl.train.store import CheckpointStore

LOSSES = st.lists(st.none() | st.sampled_from([0.5, 1.0, 1.5, 2.0]), max_size=12)


def progress_of(losses: list[float | None], each: int = 5) -> Progress:
    rows = [{"epoch": n, "global_step": each * n, "val_loss": loss} for n, loss in enumerate(losses, 1)]
    return Progress(epoch=len(rows) + 1, global_step=each * len(rows), history=rows)


@given(LOSSES, st.integers(1, 5), st.integers(1, 5), st.none() | st.integers(1, 7), st.booleans())
def test_what_is_kept_is_the_best_and_the_last(losses, best, last, every, higher):
    progress = progress_of(losses)
    kept = Keep(best, last, every, Monitor("val_loss", higher)).steps(progress)
    ranked = [(-loss if higher else loss, n) for n, loss in enumerate(losses, 1) if loss is not None]
    expected = {5 * n for _, n in sorted(ranked)[:best]}
    due = [s for s in range(1, 5 * len(losses) + 1) if s % 5 == 0 or (every and s % every == 0)]
    assert kept == expected | set(due[-last:])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


def kept(run: Path) -> list[int | None]:
    return [step_of(step) for step in steps(run / "checkpoints")]


OPTIONS = ("train.keep_best=2", "train.keep_last=3", "train.checkpoint_every=2")


def test_a_run_that_was_stopped_keeps_what_one_that_was_not_keeps(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "whole", *OPTIONS))
    expected = kept(tmp_path / "whole")
    assert expected[-3:] == [12, 14, 15]
    rows = read_progress(find_checkpoint(tmp_path / "whole", "last")).history
    assert {row["global_step"] for row in sorted(rows, key=lambda row: row["val_loss"])[:2]} <= set(expected)
    for step in (1, 5, 7, 13, 15):
        stopped_at(config, tmp_path / str(step), step, *OPTIONS)
        list(session(config, tmp_path / str(step), *OPTIONS))
        assert kept(tmp_path / str(step)) == expected, step
        assert record(tmp_path / str(step)) == record(tmp_path / "whole")


def test_a_checkpoint_of_the_same_step_replaces_the_other(tmp_path: Path):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.keep = Keep(best=9, last=9, monitor=Monitor("train_loss", False))
    for step in (1, 2, 2, 3, 3):
        store.save(checkpoint_of(step), best=step == 1)
    assert [step_of(step) for step in steps(store.path)] == [1, 2, 3]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_links_files_name_the_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
):
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "symlink", refuse)
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    for step in (1, 2, 3):
        store.save(checkpoint_of(step), best=step == 1)
    assert (store.path / "last").read_text() == "step-00000003\n"
    assert not (store.path / "best").is_symlink()
    assert kept(tmp_path / "run") == [1, 3]
    for name, step in (("", 1), ("best", 1), ("last", 3), ("checkpoints/best", 1), ("checkpoints/last", 3)):
        assert step_of(find_checkpoint(tmp_path / "run" / name)) == step
    assert step_of(store.recover()) == 3


def test_what_a_kill_left_after_the_last_save_goes_when_the_run_is_taken_up(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *OPTIONS))
    expected = kept(tmp_path / "run")
    left = tmp_path / "run" / "checkpoints" / "step-00000006"
    shutil.copytree(find_checkpoint(tmp_path / "run", "last"), left)
    list(session(config, tmp_path / "run", *OPTIONS))
    assert 6 not in expected
    assert kept(tmp_path / "run") == expected
