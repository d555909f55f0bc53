"""What clipping, accumulation, averaging, freezing and groups of parameters do to a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainctl
from tests.train import tiny
from tests.train.sessions import session, stopped_at
from trainctl import nn
from trainctl.build import build
from trainctl.jobs import run_evaluation
from trainctl.train.averaging import Ema
from trainctl.train.checkpoint import read_checkpoint
from trainctl.train.events import EpochEnd, StepEnd
from trainctl.train.monitor import EarlyStopping, Monitor
from trainctl.train.patterns import hint
from trainctl.train.resolve import find_checkpoint

EXACT = ("model.2.Dropout.p=0", "data.split.val=0", "metrics=[]", "optimizer={SGD: {lr: 0.1, momentum: 0.9}}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def steps_of(config: Path, path: Path, *overrides: str) -> list[StepEnd]:
    return [event for event in session(config, path, *overrides) if isinstance(event, StepEnd)]


def weights(run: Path) -> dict[str, np.ndarray]:
    return read_checkpoint(find_checkpoint(run, "last")).model


@pytest.mark.parametrize("compiled", ["true", "false"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_accumulated_steps_are_those_of_one_large_batch(config: Path, tmp_path: Path, reduction: str, compiled: str):
    """100 samples by 48 leave 4; by 3 batches of 16 they leave 4 as well, in a group of one short batch."""
    more = (*EXACT, f"loss={{CrossEntropyLoss: {{reduction: {reduction}}}}}", f"train.compile={compiled}")
    more += ("optimizer.SGD.lr=0.001",) if reduction == "sum" else ()
    large = steps_of(config, tmp_path / "large", *more, "data.batch_size=48")
    small = steps_of(config, tmp_path / "small", *more, "data.batch_size=16", "train.accumulate=3")
    assert [step.samples for step in small] == [step.samples for step in large] == [48, 48, 4] * 3
    assert [step.loss for step in small] == pytest.approx([step.loss for step in large], rel=1e-5)
    for name, array in weights(tmp_path / "large").items():
        np.testing.assert_allclose(weights(tmp_path / "small")[name], array, rtol=1e-4, atol=1e-6)


def test_a_short_last_batch_of_a_group_weighs_what_it_holds(config: Path, tmp_path: Path):
    """One group of 24 batches of 4 and one of 100 - 96; the same as all 100 at once."""
    at_once = steps_of(config, tmp_path / "at-once", *EXACT, "data.batch_size=100")
    grouped = steps_of(config, tmp_path / "grouped", *EXACT, "data.batch_size=32", "train.accumulate=9")
    assert [step.samples for step in grouped] == [100] * 3
    assert [step.loss for step in grouped] == pytest.approx([step.loss for step in at_once], rel=1e-5)


def test_a_schedule_of_steps_counts_optimizer_steps(config: Path, tmp_path: Path):
    steps = steps_of(config, tmp_path / "run", *EXACT, "train.accumulate=3", "scheduler={OneCycleLR: {max_lr: 0.1}}")
    assert len(steps) == 9
    assert steps[-1].lr == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize("compiled", ["true", "false"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_clipping_by_norm_bounds_the_step(config: Path, tmp_path: Path, accumulate: int, compiled: str):
    plain = ("optimizer.SGD.lr=1", "optimizer.SGD.momentum=0", "train.epochs=1", "data.batch_size=50")
    more = (*EXACT, *plain, f"train.compile={compiled}", f"train.accumulate={accumulate}", "train.clip_grad_norm=0.01")
    before = {
        name: tensor.numpy().copy() for name, tensor in build(tiny.load(config, *more)).model.state_dict().items()
    }
    steps = steps_of(config, tmp_path / "run", *more)
    assert all(step.grad_norm > 0.1 for step in steps)
    moved = np.sqrt(sum(((array - before[name]) ** 2).sum() for name, array in weights(tmp_path / "run").items()))
    assert 0.005 < moved <= 0.01 * len(steps) + 1e-6
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert row["grad_norm"] == pytest.approx(np.mean([step.grad_norm for step in steps]))


def test_clipping_by_value_bounds_each_element(config: Path, tmp_path: Path):
    plain = ("optimizer.SGD.lr=1", "optimizer.SGD.momentum=0", "train.epochs=1", "data.batch_size=100")
    more = (*EXACT, *plain, "train.clip_grad_value=1e-4")
    before = {
        name: tensor.numpy().copy() for name, tensor in build(tiny.load(config, *more)).model.state_dict().items()
    }
    (step,) = steps_of(config, tmp_path / "run", *more)
    moved = max(np.abs(array - before[name]).max() for name, array in weights(tmp_path / "run").items())
    assert moved == pytest.approx(1e-4, rel=1e-2)
    assert step.grad_norm > 0.1


def test_the_average_is_what_is_evaluated_and_kept(config: Path, tmp_path: Path):
    expected: dict[str, Any] = {}

    def follow(experiment: Any) -> None:
        def after(optimizer: Any, args: Any, kwargs: Any) -> None:
            for name, tensor in experiment.model.state_dict().items():
                now = tensor.numpy().astype(float)
                expected[name] = 0.75 * expected[name] + 0.25 * now if name in expected else now

        experiment.optimizer.register_step_post_hook(after)

    more = ("train.ema={decay: 0.75}", "train.compile=false")
    *_, end = session(config, tmp_path / "run", *more, change=follow)
    for name, array in weights(tmp_path / "run").items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6)
    plain = list(session(config, tmp_path / "plain", "train.compile=false"))[-1]
    assert end.summary["val_loss"] != plain.summary["val_loss"]
    assert end.summary["train_loss"] == plain.summary["train_loss"]


def test_the_average_is_what_the_run_ends_with(config: Path, tmp_path: Path):
    experiments: list[Any] = []
    list(session(config, tmp_path / "run", "train.ema={decay: 0.75}", change=experiments.append))
    kept = read_checkpoint(find_checkpoint(tmp_path / "run")).model
    for name, tensor in experiments[0].model.state_dict().items():
        assert tensor.numpy().tobytes() == kept[name].tobytes()


def test_an_average_that_goes_on_is_the_one_that_was(config: Path):
    model = nn.Linear(2, 1)
    ema = Ema(model, 0.5)
    ema.after_step()
    with trainctl.no_grad():
        model.weight.fill_(4.0)
    ema.after_step()
    state, averaged = ema.state_dict(), ema.module.weight.tolist()
    other = nn.Linear(2, 1)
    again = Ema(other, 0.5)
    other.load_state_dict(ema.module.state_dict())
    again.load_state_dict(state)
    assert (again.module.weight.tolist(), other.weight.tolist()) == (averaged, [[4.0, 4.0]])


def test_frozen_parameters_and_statistics_stay(config: Path, tmp_path: Path):
    norm = ("model.2={BatchNorm1d: {}}",)
    runs = {}
    for name, patterns in (("all", "['2.*', '1.weight']"), ("weights", "['2.weight', '2.bias']"), ("none", "[]")):
        more = (*norm, f"freeze={patterns}")
        start = {key: each.numpy().copy() for key, each in build(tiny.load(config, *more)).model.state_dict().items()}
        list(session(config, tmp_path / name, *more))
        end = weights(tmp_path / name)
        runs[name] = {key for key in start if start[key].tobytes() != end[key].tobytes()}
    learned = {"1.weight", "1.bias", "4.weight", "4.bias", "2.weight", "2.bias"}
    statistics = {"2.running_mean", "2.running_var", "2.num_batches_tracked"}
    assert runs["none"] == learned | statistics
    assert runs["weights"] == (learned | statistics) - {"2.weight", "2.bias"}
    assert runs["all"] == {"1.bias", "4.weight", "4.bias"}


def test_each_group_has_its_own_learning_rate_in_the_metrics(config: Path, tmp_path: Path):
    groups = "optimizer={SGD: {lr: 0.1, param_groups: [{params: '*.bias', lr: 0.2}, {params: 4.weight, lr: 0.3}]}}"
    more = (groups, "scheduler={ExponentialLR: {gamma: 0.5}}")
    epochs = [event for event in session(config, tmp_path / "run", *more) if isinstance(event, EpochEnd)]
    assert [event.lrs for event in epochs] == [(0.1, 0.2, 0.3), (0.05, 0.1, 0.15), (0.025, 0.05, 0.075)]
    header, first, *_ = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert header.endswith(",lr,lr_1,lr_2")
    assert first.endswith(",0.1,0.2,0.3")


@pytest.mark.parametrize(
    ("figures", "options", "over_after"),
    [
        ([3, 2, 1, 1, 1], {"patience": 2}, 5),
        ([3, 2, 1, 1, 0.5, 1], {"patience": 2}, None),
        ([3, 2.95, 2.92, 2.85], {"patience": 2, "min_delta": 0.1}, 3),
        ([3, 2.8, 2.6], {"patience": 1, "min_delta": 0.1}, None),
        ([1, 2, 2, 2, 2], {"patience": 1, "start_epoch": 4}, 4),
        ([None, None], {"patience": 2}, 2),
        ([1, None, 0.5, None, None], {"patience": 2}, 5),
    ],
)
def test_when_early_stopping_stops(figures: list[float | None], options: dict[str, Any], over_after: int | None):
    early = EarlyStopping(Monitor("val_loss", higher_is_better=False), **options)
    mirrored = EarlyStopping(Monitor("accuracy", higher_is_better=True), **options)
    over, over_mirrored = [], []
    for epoch, figure in enumerate(figures, 1):
        early.after_epoch(epoch, figure)
        mirrored.after_epoch(epoch, None if figure is None else -figure)
        over += [epoch] if early.is_over else []
        over_mirrored += [epoch] if mirrored.is_over else []
    assert (over or [None])[0] == (over_mirrored or [None])[0] == over_after


def test_a_pattern_that_fits_nothing_is_told_what_would():
    names = ["features.0.weight", "features.0.bias", "head.weight"]
    assert hint("features", names) == "did you mean 'features.*'?"
    assert hint("*.wieght", names) == "did you mean '*.weight'?"
    assert hint("qqq", names) == "the names are 'features.0.weight', 'features.0.bias', 'head.weight'"
    assert hint("qqq", [str(n) for n in range(20)]).endswith("and 8 more")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_training_loss_is_over_the_targets_that_count(config: Path, tmp_path: Path, accumulate: int):
    """Without a step to speak of, it is the loss that the training split has; also where the run was resumed."""
    more = ("loss={CrossEntropyLoss: {ignore_index: 7}}", "optimizer={SGD: {lr: 1e-30}}", "model.2.Dropout.p=0")
    more += ("data.batch_size=11", f"train.accumulate={accumulate}", "train.epochs=1", "metrics=[]")
    whole = [event for event in session(config, tmp_path / "whole", *more) if isinstance(event, EpochEnd)]
    expected = run_evaluation(tmp_path / "whole", split="train")["loss"]
    assert whole[0].train_loss == pytest.approx(expected, rel=1e-6)
    stopped_at(config, tmp_path / "resumed", 3, *more)
    resumed = [event for event in session(config, tmp_path / "resumed", *more) if isinstance(event, EpochEnd)]
    assert resumed[0].train_loss == whole[0].train_loss
