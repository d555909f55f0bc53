"""A run that diverges says which layer, which samples, and stays with its last good weights."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainctl
from tests.train import tiny
from tests.train.sessions import session, stopped_at
from trainctl import nn
from trainctl.data import Subset
from trainctl.errors import DivergedError
from trainctl.train import diagnosis
from trainctl.train.checkpoint import read_checkpoint
from trainctl.train.events import Diverged
from trainctl.train.probe import gradient_norm, probe, sample_ids
from trainctl.train.resolve import find_checkpoint

HUGE = "optimizer={SGD: {lr: 1e30}}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class LogOfNothing(nn.Module):
    def forward(self, x: Any) -> Any:
        return (x - x).log() * 0 + x


class RootOfNothing(nn.Module):
    """Finite on the way there, not on the way back."""

    def forward(self, x: Any) -> Any:
        return (x.abs() * 0).sqrt() * 0 + x


class Nested(nn.Module):
    """Goes wrong between its layers, not in one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        return self.second((self.first(x) - 1e9).log())


class BadInEvaluation(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if self.training else x * math.inf * 0


class BadAfterTwelveCalls(nn.Module):
    """Its state is in no checkpoint: what it did cannot be done again."""

    calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += self.training
        return x * math.nan if self.calls > 12 else x


class NoHooks(nn.Module):
    def forward(self, x: Any) -> Any:
        if self._forward_hooks:
            raise KeyError("I am not to be looked at")
        return x * math.nan


def layer_three(layer: type[nn.Module]) -> Callable[[Any], None]:
    def change(experiment: Any) -> None:
        experiment.model[3] = layer()

    return change


def diverged(config: Path, run: Path, *overrides: str, change: Any = lambda experiment: None) -> tuple[Diverged, Any]:
    """What a run that diverges says of it, and the error; its model is seen to be good."""
    experiments: list[Any] = []
    events: list[Any] = []

    def note(experiment: Any) -> None:
        experiments.append(experiment)
        change(experiment)

    def follow() -> None:
        for event in session(config, run, *overrides, change=note):
            events.append(event)

    with pytest.raises(DivergedError) as caught:
        follow()
    assert isinstance(events[-1], Diverged)
    for tensor in experiments[0].model.state_dict().values():
        assert np.isfinite(tensor.numpy()).all()
    return events[-1], caught.value


def first_ids(config: Path, count: int, step: int = 0) -> list[int]:
    """The samples of a step of the first epoch."""
    from trainctl.build import build
    from trainctl.data import EpochSampler

    data = build(tiny.load(config)).train_data
    sampler = EpochSampler(data, seed=3)
    sampler.set_epoch(1, start=step * count)
    return [int(data.indices[place]) for place in sampler.order()[:count]]


FORMS = {"eager": ("train.compile=false",), "planned": (), "saved": ("train.checkpoint_every=1",)}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    ("layer", "quantity", "name", "kind", "step", "noticed"),
    [
        (LogOfNothing, "output", "3", "LogOfNothing", 1, 1),
        (RootOfNothing, "gradient", "3", "RootOfNothing", 1, 2),
        (Nested, "output", "3", "Nested", 1, 1),
    ],
)
def test_the_first_bad_layer_is_named(config: Path, tmp_path: Path, layer: Any, form: Any, quantity: str, name: str, kind: str, step: int, noticed: int):  # fmt: skip
    event, error = diverged(config, tmp_path / "run", *form, change=layer_three(layer))
    found = (event.quantity, event.layer, event.layer_type, event.first_step)
    assert found == (quantity, name, kind, step)
    assert event.global_step == (step if form == FORMS["saved"] else noticed)
    assert list(event.samples) == first_ids(config, 16)
    assert event.lr == 0.01
    assert event.grad_norm is not None
    assert f"first, at step {step} of the run: the {quantity} of layer 3 ({kind}) is not finite" in error.message
    assert f"samples of the training split: {first_ids(config, 16)[0]}, " in error.message
    assert "gradient norm: " in error.message
    assert error.exit_code == 5


@pytest.mark.parametrize("more", [(), ("train.accumulate=2",), ("train.ema={}",), ("train.clip_grad_norm=1e9",)])
def test_a_learning_rate_that_is_too_high(config: Path, tmp_path: Path, more: tuple[str, ...]):
    event, _ = diverged(config, tmp_path / "run", HUGE, *more)
    assert (event.quantity, event.first_step, event.layer_type) == ("output", 2, "Linear")
    assert list(event.samples) == first_ids(config, 16, step=2 if "train.accumulate=2" in more else 1)


def test_a_step_that_spoils_a_weight(config: Path, tmp_path: Path):
    event, _ = diverged(config, tmp_path / "run", "optimizer={Adam: {lr: 1e38}}")
    assert (event.quantity, event.layer, event.first_step, event.global_step) == ("update", "1", 1, 2)
    assert 0 < event.grad_norm < 100


def test_a_weight_alone_that_goes_bad_unseen(config: Path, tmp_path: Path):
    def poison(experiment: Any) -> None:
        def after(optimizer: Any, args: Any, kwargs: Any) -> None:
            if experiment.model[4].bias.grad is not None and optimizer.state[experiment.model[4].bias]["step"] == 4:
                with trainctl.no_grad():
                    experiment.model[1].weight[0, 0] = -math.inf

        experiment.optimizer.register_step_post_hook(after)
        experiment.model[3] = nn.Hardtanh()

    more = ("train.compile=false", "model.2.Dropout.p=0", "data.shuffle=false")
    event, error = diverged(config, tmp_path / "run", *more, change=poison)
    assert (event.quantity, event.layer, event.first_step) == ("update", "1", 4)
    assert "the new 1.weight of layer 1 (Linear)" in error.message


def bad_sample(experiment: Any) -> None:
    class WithBadSample:
        def __init__(self, data: Any) -> None:
            self.data = data

        def __len__(self) -> int:
            return len(self.data)

        def __getitem__(self, index: int) -> Any:
            image, label = self.data[index]
            return image * math.nan if index == 57 else image, label

    experiment.whole_train_data = WithBadSample(experiment.whole_train_data)


@pytest.mark.parametrize("val", ["0", "0.2"])
def test_a_sample_that_is_not_finite_is_named_alone(config: Path, tmp_path: Path, val: str):
    metrics = () if val != "0" else ("metrics=[]",)
    event, error = diverged(config, tmp_path / "run", f"data.split.val={val}", *metrics, change=bad_sample)
    assert (event.quantity, event.layer, event.samples) == ("input", None, (57,))
    assert event.split == ("training" if val == "0" else "validation")
    assert "look at the samples" in error.hint


@pytest.mark.parametrize("more", [(), ("train.ema={}", "train.compile=false")])
def test_a_layer_that_goes_bad_in_validation(config: Path, tmp_path: Path, more: tuple[str, ...]):
    event, error = diverged(config, tmp_path / "run", *more, change=layer_three(BadInEvaluation))
    assert (event.split, event.quantity, event.layer, event.layer_type) == (
        "validation",
        "output",
        "3",
        "BadInEvaluation",
    )
    assert len(event.samples) == 7
    assert "the validation loss is nan" in error.message


def test_what_does_not_come_again_is_still_looked_at(config: Path, tmp_path: Path):
    event, _ = diverged(config, tmp_path / "run", "train.compile=false", change=layer_three(BadAfterTwelveCalls))
    assert (event.quantity, event.layer, event.first_step, event.global_step) == ("output", "3", 13, 13)
    assert len(event.samples) == 16


def test_a_model_that_will_not_be_looked_at_is_no_crash(config: Path, tmp_path: Path):
    event, error = diverged(config, tmp_path / "run", "train.compile=false", change=layer_three(NoHooks))
    assert (event.finding, event.layer, list(event.samples)) == (None, None, first_ids(config, 16))
    assert "the loss is nan" in error.message


def test_steps_that_would_take_too_long_are_not_taken_again(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(diagnosis, "PATIENCE", 0.0)
    event, _ = diverged(config, tmp_path / "run", "train.compile=false", change=layer_three(BadAfterTwelveCalls))
    assert (event.global_step, event.first_step, event.layer) == (13, 13, "3")
    assert len(event.samples) == 16


def test_a_resumed_run_is_looked_at_from_where_it_went_on(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", "train.epochs=1"))
    kept = find_checkpoint(tmp_path / "run", "last")
    event, error = diverged(config, tmp_path / "run", change=layer_three(LogOfNothing))
    assert (event.epoch, event.step, event.first_step, event.layer) == (2, 1, 6, "3")
    assert event.checkpoint == kept
    assert str(kept) in error.hint
    assert read_checkpoint(kept).progress.global_step == 5


def test_the_model_ends_with_the_weights_before_the_step(config: Path, tmp_path: Path):
    """The steps are taken again with the same bits: in memory is what a run saves that stops after the step before."""
    models: list[Any] = []

    def fail_at_13(experiment: Any) -> None:
        def bad(model: Any, args: Any, output: Any) -> Any:
            is_13 = model.training and experiment.optimizer.param_groups[0]["lr"] < 0.01 * 0.9**11.5
            return output * math.nan if is_13 else output

        experiment.model.register_forward_hook(bad)
        models.append(experiment.model)

    more = ("scheduler={ExponentialLR: {gamma: 0.9, interval: step}}", "train.compile=false")
    event, _ = diverged(config, tmp_path / "run", *more, change=fail_at_13)
    assert event.global_step == event.first_step == 13
    stopped_at(config, tmp_path / "good", 12, *more)
    saved = read_checkpoint(find_checkpoint(tmp_path / "good", "last")).model
    for name, tensor in models[0].state_dict().items():
        assert tensor.numpy().tobytes() == saved[name].tobytes()


def test_outputs_that_are_no_tensors_are_looked_through():
    class Many(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"a": (x, None, "words"), "b": [x * math.inf]}

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.many = Many()

        def forward(self, x: Any) -> Any:
            return self.many(x)["a"][0]

    finding = probe(Model(), nn.MSELoss(), trainctl.ones(2, 1), trainctl.ones(2, 1), learns=False)
    assert str(finding) == "the output of layer many (Many) is not finite"
    good = probe(nn.Linear(1, 1), nn.MSELoss(), trainctl.ones(2, 1), trainctl.ones(2, 1))
    assert good is None


def test_a_loss_that_is_not_finite_of_outputs_that_are():
    class Loss(nn.Module):
        def forward(self, output: Any, target: Any) -> Any:
            return (output - output).log().sum()

    finding = probe(nn.Linear(1, 1), Loss(), trainctl.ones(2, 1), trainctl.ones(2, 1))
    assert (finding.quantity, finding.layer, finding.layer_type) == ("loss", None, "Loss")


def test_only_the_bad_rows_are_named():
    inputs = trainctl.tensor([[1.0], [2.0], [1e30]])
    model = nn.Sequential(nn.Linear(1, 1), nn.Identity())
    with trainctl.no_grad():
        model[0].weight.fill_(1e30)
    finding = probe(model, nn.MSELoss(), inputs, trainctl.ones(3, 1))
    assert (finding.layer, finding.rows) == ("0", (2,))
    assert gradient_norm(nn.Linear(1, 1)) is None
    assert sample_ids(Subset(Subset(range(9), [8, 7, 6]), np.array([2, 0])), [0, 1]) == (6, 8)
