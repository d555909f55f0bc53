"""Runs whose learning rate changes as they go."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from tests.train import tiny
from tests.train.sessions import record, session
from trainctl.errors import DivergedError
from trainctl.plan.plan import Plan
from trainctl.train.checkpoint import Progress, read_checkpoint
from trainctl.train.events import EpochEnd, StepEnd
from trainctl.train.resolve import find_checkpoint


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


CYCLE = "scheduler={OneCycleLR: {max_lr: 0.05}}"
MOMENTUM = "optimizer={SGD: {lr: 0.05, momentum: 0.9}}"


def test_the_learning_rate_told_is_the_one_that_was_used(config: Path, tmp_path: Path):
    events = list(session(config, tmp_path / "run", "scheduler={ExponentialLR: {gamma: 0.5, interval: step}}"))
    steps = [event.lr for event in events if isinstance(event, StepEnd)]
    assert steps == [0.01 * 0.5**step for step in range(15)]
    epochs = [event.lr for event in events if isinstance(event, EpochEnd)]
    assert epochs == steps[4::5]
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert [float(row.rpartition(",")[2]) for row in rows[1:]] == epochs


def test_a_schedule_of_epochs_changes_between_them(config: Path, tmp_path: Path):
    events = session(config, tmp_path / "run", "scheduler={ExponentialLR: {gamma: 0.5}}")
    assert [event.lr for event in events if isinstance(event, EpochEnd)] == [0.01, 0.005, 0.0025]


def test_a_scheduled_run_killed_anywhere_ends_as_one_that_never_stopped(config: Path, tmp_path: Path):
    options = (CYCLE, MOMENTUM, "train.checkpoint_every=2")
    list(session(config, tmp_path / "whole", *options))
    for step in (3, 5, 9):
        run = tmp_path / str(step)
        killed = tiny.train_in_process(config, run, *options, signal_at=step, signum=signal.SIGKILL)
        assert killed.returncode == -signal.SIGKILL
        list(session(config, run, *options))
        assert record(run) == record(tmp_path / "whole")


def test_more_epochs_go_on_with_the_last_learning_rate_of_the_schedule(config: Path, tmp_path: Path):
    last = [event for event in session(config, tmp_path / "run", CYCLE) if isinstance(event, StepEnd)][-1]
    more = [event for event in session(config, tmp_path / "run", CYCLE, "train.epochs=5") if isinstance(event, StepEnd)]
    assert [event.lr for event in more] == [last.lr] * 10


@pytest.mark.parametrize("optimizer", [MOMENTUM, "optimizer={Adam: {lr: 0.01}}"])
def test_plans_follow_a_schedule_of_rates_and_momentum(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
):
    made, make = [], Plan.__init__
    monkeypatch.setattr(Plan, "__init__", lambda self, *args: (made.append(self), make(self, *args))[1])
    options = (CYCLE, optimizer, "model.2.Dropout.p=0")
    planned = [each for each in session(config, tmp_path / "plan", *options) if isinstance(each, StepEnd)]
    assert len(made) == 1 + 3  # for steps; for batches of 7 in evaluation, and what is left of 20 and of 30
    eager = session(config, tmp_path / "eager", *options, "train.compile=false")
    losses = [each.loss for each in eager if isinstance(each, StepEnd)]
    assert [each.loss for each in planned] == pytest.approx(losses, rel=1e-4)
    assert len({each.lr for each in planned}) == 15


def test_divergence_with_a_schedule_names_what_sets_its_height(config: Path, tmp_path: Path):
    with pytest.raises(DivergedError) as caught:
        list(session(config, tmp_path / "run", "scheduler={OneCycleLR: {max_lr: 1e30}}", MOMENTUM))
    assert "--set scheduler.OneCycleLR.max_lr=1e+29;" in caught.value.hint
    with pytest.raises(DivergedError) as caught:
        list(session(config, tmp_path / "other", "scheduler=CosineAnnealingLR", "optimizer={SGD: {lr: 1e30}}"))
    assert "--set optimizer.SGD.lr=1e+29;" in caught.value.hint


def test_a_checkpoint_of_before_there_were_schedules_still_loads(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", "train.epochs=1"))
    checkpoint = read_checkpoint(find_checkpoint(tmp_path / "run"))
    values = {key: value for key, value in dataclasses.asdict(checkpoint.progress).items() if key != "lr"}
    assert TypeAdapter(Progress).validate_python(values).lr is None
