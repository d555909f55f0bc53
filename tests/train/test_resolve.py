from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from trainctl.errors import CheckpointError
from trainctl.train.checkpoint import INDEX, Checkpoint, Progress
from trainctl.train.commands import resume_command
from trainctl.train.resolve import find_checkpoint, latest_run, run_of
from trainctl.train.store import CheckpointStore


def make_run(path: Path, last: int = 2, best: int | None = 1) -> Path:
    store = CheckpointStore(path / "checkpoints")
    for step in sorted({best or last, last}):
        checkpoint = Checkpoint("", 1, "numpy", Progress(global_step=step), {"w": np.zeros(1)}, None, {})
        store.save(checkpoint, best=step == best)
    (path / "config.resolved.yaml").write_text("")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "mnist-mlp")


@pytest.mark.parametrize(
    ("named", "default", "step"),
    [
        ("", "best", 1),
        ("", "last", 2),
        ("", "latest", 2),
        ("best", "last", 1),
        ("last", "best", 2),
        ("latest", "best", 2),
        ("checkpoints", "best", 1),
        ("checkpoints/best", "last", 1),
        ("checkpoints/last", "best", 2),
        ("checkpoints/step-00000002", "best", 2),
        ("checkpoints/step-00000002/model.safetensors", "best", 2),
        ("checkpoints/last/checkpoint.json", "best", 2),
    ],
)
def test_what_may_be_named(run: Path, named: str, default: str, step: int):
    expected = run / "checkpoints" / f"step-{step:08d}"
    assert find_checkpoint(run / named, default) == expected
    assert find_checkpoint(str(run / named), default) == expected
    assert run_of(expected) == run


def test_a_run_without_a_best_gives_its_last(tmp_path: Path):
    run = make_run(tmp_path / "run", last=7, best=None)
    assert find_checkpoint(run).name == "step-00000007"
    with pytest.raises(CheckpointError, match="the run has no best checkpoint yet"):
        find_checkpoint(run / "best")


def test_a_run_whose_links_were_lost_gives_its_newest(run: Path):
    for name in ("last", "best"):
        (run / "checkpoints" / name).unlink()
    assert find_checkpoint(run).name == "step-00000002"


def test_a_relative_path_stays_relative(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(run.parent)
    assert str(find_checkpoint("mnist-mlp")) == "mnist-mlp/checkpoints/step-00000001"
    monkeypatch.chdir(run)
    assert str(find_checkpoint(".")) == "checkpoints/step-00000001"
    assert str(find_checkpoint("best")) == "checkpoints/step-00000001"
    assert str(resume_command(".")) == "trainctl train config.resolved.yaml --resume ."


def test_a_checkpoint_that_lost_a_file_is_still_the_one_meant(run: Path):
    (run / "checkpoints" / "step-00000002" / INDEX).unlink()
    assert find_checkpoint(run / "checkpoints" / "last").name == "step-00000002"


@pytest.mark.parametrize(
    ("named", "message", "hint"),
    [
        ("runs/mnst-mlp", "no such run or checkpoint", "did you mean .*mnist-mlp"),
        ("nowhere/at/all", "no such run or checkpoint", "trainctl train CONFIG"),
        ("runs/mnist-mlp/bets", "no such run or checkpoint", "trainctl train CONFIG"),
        ("runs", "neither a run directory .* nor a checkpoint", "name a run"),
        ("empty", "neither a run directory .* nor a checkpoint", "name a run"),
        ("weights.pt", "a file, not a run directory or a checkpoint", r"model\.safetensors"),
        (
            "young",
            "the run has no checkpoint yet",
            r"trainctl train .*young/config\.resolved\.yaml --resume .*young",
        ),
        ("young/best", "no such run or checkpoint", ""),
        ("dangling/checkpoints/last", "names step-00000002, which is not there", "another"),
        ("best", "no such run or checkpoint", ""),
    ],
)
def test_what_is_wrong_is_said(run: Path, tmp_path: Path, named: str, message: str, hint: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "weights.pt").write_bytes(b"")
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "config.resolved.yaml").write_text("")
    shutil.rmtree(make_run(tmp_path / "dangling") / "checkpoints" / "step-00000002")
    with pytest.raises(CheckpointError, match=message) as caught:
        find_checkpoint(tmp_path / named)
    assert str(tmp_path / named) in str(caught.value)
    assert caught.value.hint
    assert re.search(hint, caught.value.hint)


def test_a_dangling_link_gives_way_to_what_is_there(tmp_path: Path):
    run = make_run(tmp_path / "run")
    shutil.rmtree(run / "checkpoints" / "step-00000002")
    assert find_checkpoint(run, "last").name == "step-00000001"


def test_the_latest_run_is_the_one_last_saved(tmp_path: Path):
    root = tmp_path / "runs"
    for age, name in enumerate(["third", "second", "first"]):
        index = find_checkpoint(make_run(root / name), "last") / INDEX
        os.utime(index, (10_000 - age, 10_000 - age))
        os.utime(find_checkpoint(root / name, "best") / INDEX, (5_000, 5_000))
    (root / "young").mkdir()
    (root / "young" / "config.resolved.yaml").write_text("")
    (root / "notes.txt").write_text("")
    assert latest_run(root) == root / "third"
    os.utime(root / "first" / "checkpoints" / "best" / INDEX, (20_000, 20_000))
    assert latest_run(root) == root / "first"


def test_no_run_at_all_is_an_error_that_says_how_to_make_one(tmp_path: Path):
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="no run with a checkpoint in it") as caught:
            latest_run(root)
        assert caught.value.hint
        assert caught.value.hint.startswith("trainctl train")


def test_the_resume_command_is_quoted():
    assert resume_command("my runs/a") == ("trainctl train 'my runs/a/config.resolved.yaml' --resume 'my runs/a'")
