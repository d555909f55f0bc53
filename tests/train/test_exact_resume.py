"""Everything that a run may keep from step to step, switched on: stopped anywhere it ends as if it never had been."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.train import tiny
from tests.train.sessions import record, session, stopped_at
from trainctl.train.checkpoint import MODEL, read_checkpoint
from trainctl.train.events import EarlyStop, EpochEnd, Notice, StepEnd, TrainEnd
from trainctl.train.resolve import find_checkpoint

EVERYTHING = (
    "train.epochs=4",
    "train.accumulate=2",
    "train.clip_grad_norm=0.5",
    "train.clip_grad_value=0.2",
    "train.ema={decay: 0.9}",
    "train.early_stopping={patience: 2}",
    "freeze=['4.bias']",
    "optimizer=[{Muon: {params: '1.weight', lr: 0.02}}, "
    "{AdamW: {lr: 1e-2, param_groups: [{params: '*.bias', weight_decay: 0, lr: 0.02}]}}]",
    "scheduler={OneCycleLR: {max_lr: 0.02, cycle_momentum: false}}",
    "train.checkpoint_every=2",
)
STALLED = ("optimizer={SGD: {lr: 1e-9}}", "train.epochs=6", "train.early_stopping={patience: 2, min_delta: 0.1}")
PARTS = {
    "accumulate": ("train.accumulate=3",),
    "accumulate-summed": ("train.accumulate=3", "loss={CrossEntropyLoss: {reduction: sum}}", "optimizer.Adam.lr=1e-3"),
    "clip-norm": ("train.clip_grad_norm=0.1",),
    "clip-value": ("train.clip_grad_value=0.01",),
    "clip-and-accumulate": ("train.accumulate=2", "train.clip_grad_norm=0.1", "train.compile=false"),
    "ema": ("train.ema={decay: 0.8}", "train.monitor=accuracy"),
    "early-stopping": STALLED,
    "groups": ("optimizer={SGD: {lr: 0.1, momentum: 0.9, param_groups: [{params: '*.bias', lr: 0.2, momentum: 0}]}}",),
    "frozen": ("freeze=['1.*']",),
    "norm": ("model.2={BatchNorm1d: {}}", "freeze=['2.running_*']", "train.ema={}"),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_with_everything_on_a_run_stopped_after_any_step_ends_as_one_that_never_stopped(config: Path, tmp_path: Path):
    whole = list(session(config, tmp_path / "whole", *EVERYTHING))
    steps = [event for event in whole if isinstance(event, StepEnd)]
    assert len(steps) == 12
    for step in range(1, 12):
        path = tmp_path / str(step)
        stopped_at(config, path, step, *EVERYTHING)
        rest = [event for event in session(config, path, *EVERYTHING) if isinstance(event, StepEnd)]
        assert rest == steps[step:]
        assert record(path) == record(tmp_path / "whole")


@pytest.mark.parametrize("overrides", PARTS.values(), ids=PARTS)
def test_each_part_alone(config: Path, tmp_path: Path, overrides: tuple[str, ...]):
    whole = [each for each in session(config, tmp_path / "whole", *overrides) if isinstance(each, StepEnd)]
    for step in (1, len(whole) // 2, len(whole) - 1):
        path = tmp_path / str(step)
        stopped_at(config, path, step, *overrides)
        list(session(config, path, *overrides))
        assert record(path) == record(tmp_path / "whole"), step


@pytest.mark.parametrize("step", [3, 8])
def test_with_everything_on_a_run_that_is_killed_does_too(config: Path, tmp_path: Path, step: int):
    list(session(config, tmp_path / "whole", *EVERYTHING))
    run = tmp_path / "run"
    killed = tiny.train_in_process(config, run, *EVERYTHING, signal_at=step, signum=signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    list(session(config, run, *EVERYTHING))
    assert record(run) == record(tmp_path / "whole")


def test_how_often_a_run_is_saved_changes_nothing(config: Path, tmp_path: Path):
    files = {}
    for every in ("1", "7", "null"):
        run = tmp_path / every
        list(session(config, run, *EVERYTHING, f"train.checkpoint_every={every}"))
        weights = [(find_checkpoint(run, link) / MODEL).read_bytes() for link in ("last", "best")]
        files[every] = [*weights, *((run / name).read_bytes() for name in ("metrics.jsonl", "metrics.csv"))]
    assert files["1"] == files["7"] == files["null"]


def test_a_run_that_stopped_early_says_so_and_keeps_the_best_weights(config: Path, tmp_path: Path):
    *_, stop, end = session(config, tmp_path / "run", *STALLED)
    assert isinstance(stop, EarlyStop)
    assert isinstance(end, TrainEnd)
    assert (stop.epoch, stop.reason) == (3, "val_loss has not improved by more than 0.1 for 2 epochs")
    assert (end.summary["stopped_early"], end.summary["epochs"]) == (True, 3)
    assert (
        end.summary["best_epoch"]
        == stop.best_epoch
        == read_checkpoint(find_checkpoint(tmp_path / "run")).progress.best.epoch
    )


def test_more_epochs_do_not_wake_a_run_that_stopped_early_but_more_patience_does(config: Path, tmp_path: Path):
    *_, end = session(config, tmp_path / "run", *STALLED)
    before = record(tmp_path / "run")
    _, notice, same = session(config, tmp_path / "run", *STALLED)
    assert isinstance(notice, Notice)
    assert "stopped early, after epoch 3" in notice.message
    assert "train.early_stopping.patience=7" in notice.message
    assert same == end
    assert record(tmp_path / "run") == before

    _, notice, longer = session(config, tmp_path / "run", *STALLED, "train.epochs=9")
    assert isinstance(notice, Notice)
    assert longer.summary["steps"] == 15

    patient = (*STALLED, "train.early_stopping.patience=4")
    list(session(config, tmp_path / "run", *patient))
    list(session(config, tmp_path / "whole", *patient))
    assert record(tmp_path / "run") == record(tmp_path / "whole")


def test_a_run_stopped_in_the_epoch_that_ends_it_stops_there_too(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "whole", *STALLED))
    stopped_at(config, tmp_path / "run", 15, *STALLED, event=EpochEnd)
    *_, end = session(config, tmp_path / "run", *STALLED)
    assert end.summary["stopped_early"]
    assert record(tmp_path / "run") == record(tmp_path / "whole")
