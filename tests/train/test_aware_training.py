"""A run that trains for quantization: when its model begins to round, what it keeps, and that it can stop anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train import tiny
from tests.train.sessions import record, session, stopped_at
from trainctl.build import build
from trainctl.errors import DivergedError
from trainctl.jobs import Predictor, Source, inspect_checkpoint, run_evaluation
from trainctl.jobs.experiments import build_from, first_build
from trainctl.quantization.aware import is_aware
from trainctl.train.aware import plan_in
from trainctl.train.checkpoint import MODEL, Checkpoint, read_checkpoint
from trainctl.train.events import EpochEnd, Notice, StepEnd
from trainctl.train.resolve import find_checkpoint

NORM = (
    "model=[{AvgPool2d: {kernel_size: 4}}, {Conv2d: {out_channels: 4, kernel_size: 3}}, BatchNorm2d, ReLU, Flatten, "
    "{Dropout: {p: 0.2}}, {Linear: {out_features: 10}}]",
)
LATE = (*NORM, "train.epochs=4", "quantization={start_epoch: 2, freeze_observers_epoch: 4, freeze_bn_epoch: 3}")
EVERYTHING = (
    *LATE,
    "train.accumulate=2",
    "train.clip_grad_norm=0.5",
    "train.ema={decay: 0.9}",
    "train.early_stopping={patience: 3}",
    "freeze=['6.bias']",
    "optimizer=[{Muon: {params: '6.weight', lr: 0.02}}, "
    "{AdamW: {lr: 1e-2, param_groups: [{params: '*.bias', weight_decay: 0, lr: 0.02}]}}]",
    "scheduler={OneCycleLR: {max_lr: 0.02, cycle_momentum: false}}",
)
PARTS = {
    "from-the-start": (*NORM, "quantization={}"),
    "four-bits": ("quantization={bits: 4, group_size: 16, start_epoch: 2}",),
    "min-max": ("quantization={observer: MinMaxObserver, per_channel: false, start_epoch: 3}",),
    "learned": (*LATE, "quantization.learned_step_size=true", "optimizer={SGD: {lr: 0.01}}", "train.clip_grad_norm=1"),
    "eager": (*LATE, "train.compile=false"),
    "excluded": (*NORM, "quantization={exclude: ['1'], start_epoch: 2}"),
    "frozen-statistics": (*LATE, "freeze=['2.running_*', '2.bias']"),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def saved(run: Path, link: str = "last") -> Checkpoint:
    return read_checkpoint(find_checkpoint(run, link))


def notices(events: list[Any]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


def test_with_everything_on_a_run_stopped_after_any_step_ends_as_one_that_never_stopped(config: Path, tmp_path: Path):
    whole = list(session(config, tmp_path / "whole", *EVERYTHING))
    steps = [event for event in whole if isinstance(event, StepEnd)]
    assert len(steps) == 12
    for step in range(1, 12):  # 3 is the last in float, 6 and 9 the last before what is frozen
        path = tmp_path / str(step)
        stopped_at(config, path, step, *EVERYTHING)
        rest = [event for event in session(config, path, *EVERYTHING) if isinstance(event, StepEnd)]
        assert rest == steps[step:]
        assert record(path) == record(tmp_path / "whole"), step


@pytest.mark.parametrize("overrides", PARTS.values(), ids=PARTS)
def test_each_part_alone(config: Path, tmp_path: Path, overrides: tuple[str, ...]):
    whole = list(session(config, tmp_path / "whole", *overrides))
    count = sum(isinstance(event, StepEnd) for event in whole)
    for step in (1, 5, 7, count - 1):
        path = tmp_path / str(step)
        stopped_at(config, path, step, *overrides)
        list(session(config, path, *overrides))
        assert record(path) == record(tmp_path / "whole"), step


def test_a_run_stopped_between_its_epochs_goes_on_too(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "whole", *LATE))
    for step in (5, 10):
        stopped_at(config, tmp_path / str(step), step, *LATE, event=EpochEnd)
        list(session(config, tmp_path / str(step), *LATE))
        assert record(tmp_path / str(step)) == record(tmp_path / "whole")


def test_the_epochs_before_it_are_those_of_a_float_run(config: Path, tmp_path: Path):
    plain = [each for each in session(config, tmp_path / "float", *NORM) if isinstance(each, StepEnd)]
    events = list(session(config, tmp_path / "aware", *NORM, "quantization.start_epoch=3"))
    aware = [each for each in events if isinstance(each, StepEnd)]
    assert aware[:10] == plain[:10]
    assert all(a.loss != b.loss for a, b in zip(aware[10:], plain[10:], strict=True))
    assert notices(events) == [
        "quantization-aware from here on: 2 of 2 layers with weights round them to 8 bits, 2 their inputs to 8 bits; "
        "1 batch norms are part of the layer before them"
    ]


def test_neither_workers_nor_compiled_plans_nor_saves_change_it(config: Path, tmp_path: Path):
    weights = []
    for name, more in {"a": (), "b": ("data.num_workers=2",), "c": ("train.checkpoint_every=1",)}.items():
        list(session(config, tmp_path / name, *LATE, *more))
        weights.append((find_checkpoint(tmp_path / name, "last") / MODEL).read_bytes())
    assert weights[0] == weights[1] == weights[2]


@pytest.mark.parametrize(
    "observer", ["HistogramObserver: {bins: 64}", "PercentileObserver: {percentile: 99, bins: 64}"]
)
def test_observers_that_no_plan_can_replay_are_said_to_be(config: Path, tmp_path: Path, observer: str):
    events = list(
        session(config, tmp_path / "run", *NORM, "train.epochs=1", f"quantization={{observer: {{{observer}}}}}")
    )
    assert any("runs without a plan" in each for each in notices(events))
    assert sum(isinstance(each, StepEnd) for each in events) == 5


@pytest.mark.parametrize("start", [1, 2])
def test_a_run_that_diverges_while_it_rounds_says_where(config: Path, tmp_path: Path, start: int):
    more = ("optimizer={SGD: {lr: 0.01}}", "scheduler={StepLR: {step_size: 1, gamma: 1e30}}", "train.epochs=3")
    with pytest.raises(DivergedError, match=r"first, at step \d+ of the run") as caught:
        list(session(config, tmp_path / "run", *LATE[:1], *more, f"quantization.start_epoch={start}"))
    assert "diverged at epoch 2" in caught.value.message


def test_steps_are_replayed_as_plans(config: Path, tmp_path: Path):
    events = list(session(config, tmp_path / "run", *LATE))
    assert not [each for each in notices(events) if "without a plan" in each]


def test_the_best_epoch_is_one_that_rounds(config: Path, tmp_path: Path):
    more = ("train.epochs=5", "train.keep_best=2", "optimizer.Adam.lr=0.3")  # the best is early
    list(session(config, tmp_path / "float", *more))
    assert saved(tmp_path / "float", "best").progress.best.epoch < 4
    list(session(config, tmp_path / "run", *more, "quantization.start_epoch=4"))
    best = saved(tmp_path / "run", "best")
    assert best.progress.best.epoch >= 4
    assert plan_in(best)
    kept = [read_checkpoint(each).progress.epoch for each in sorted((tmp_path / "run" / "checkpoints").glob("step-*"))]
    assert all(epoch > 4 for epoch in kept)


def test_a_checkpoint_before_it_is_of_a_float_model_and_one_after_it_is_not(config: Path, tmp_path: Path):
    stopped_at(config, tmp_path / "run", 5, *LATE, event=EpochEnd)
    assert plan_in(saved(tmp_path / "run")) is None
    list(session(config, tmp_path / "run", *LATE))
    last = saved(tmp_path / "run")
    assert [(part.name, part.norm) for part in plan_in(last)] == [("1", "2"), ("6", None)]
    assert {
        "1.weight",
        "1.bn.running_mean",
        "1.weight_fake_quant.scale",
        "1.input_fake_quant.scale",
    } <= last.model.keys()


def test_it_is_evaluated_predicted_and_inspected_as_it_was_measured(config: Path, tmp_path: Path):
    *_, end = session(config, tmp_path / "run", *LATE)
    found = run_evaluation(tmp_path / "run")
    assert found["loss"] == end.summary["test_loss"]
    assert found["metrics"] == end.summary["test_metrics"]
    assert run_evaluation(tmp_path / "run", split="val")["loss"] == pytest.approx(end.summary["best_value"])
    assert "1.weight_fake_quant.scale" in {each["name"] for each in inspect_checkpoint(tmp_path / "run")["tensors"]}
    np.save(tmp_path / "some.npy", np.zeros((3, 1, 28, 28), np.float32))
    assert len(list(Predictor(tmp_path / "run").predict(Source([str(tmp_path / "some.npy")])))) == 3


def test_what_is_evaluated_stays_as_it_is(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *LATE))
    path = find_checkpoint(tmp_path / "run")
    experiment = build_from(read_checkpoint(path), path)
    assert is_aware(experiment.model)
    before = {name: each.numpy().copy() for name, each in experiment.model.state_dict().items()}
    experiment.model.eval()
    experiment.model(experiment.test_data[0][0].unsqueeze(0) * 100)
    for name, each in experiment.model.state_dict().items():
        if not name.endswith("observer_enabled"):
            np.testing.assert_array_equal(each.numpy(), before[name], err_msg=name)


def test_frozen_ranges_and_norms_stay_and_those_that_are_not_move(config: Path, tmp_path: Path):
    def at(step: int) -> dict[str, Any]:
        stopped_at(config, tmp_path / str(step), step, *LATE)
        return saved(tmp_path / str(step)).model

    early, middle, late, later = (at(step) for step in (7, 12, 16, 19))  # of epochs 2, 3, 4 and 4
    mean, grid = "1.bn.running_mean", "6.input_fake_quant.scale"
    assert (early[mean] != middle[mean]).all()
    assert (middle[mean] == late[mean]).all()
    assert (middle[grid] != late[grid]).all()
    assert all(
        (late[name] == later[name]).all() for name in late if name.endswith(("scale", "zero_point", "running_var"))
    )
    assert (late["6.weight"] != later["6.weight"]).any()


def test_a_float_run_is_where_it_may_begin(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "float", *NORM))
    loaded = tiny.load(config, *NORM, "quantization={}", f"init_from={tmp_path / 'float'}")
    experiment = first_build(loaded, lambda event: None)
    assert (
        experiment.model.state_dict()["6.weight"].numpy().tobytes()
        == saved(tmp_path / "float", "best").model["6.weight"].tobytes()
    )


def test_and_its_weights_are_where_a_float_run_may_begin(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "aware", *LATE))
    experiment = first_build(tiny.load(config, *NORM, f"init_from={tmp_path / 'aware'}"), lambda event: None)
    weights, state = saved(tmp_path / "aware", "best").model, experiment.model.state_dict()
    for ours, theirs in (
        ("1.weight", "1.weight"),
        ("2.running_mean", "1.bn.running_mean"),
        ("2.weight", "1.bn.weight"),
    ):
        assert state[ours].numpy().tobytes() == weights[theirs].tobytes()


def test_the_average_rounds_with_the_ranges_of_the_model(config: Path, tmp_path: Path):
    more = (*LATE, "train.ema={decay: 0.5}")
    *_, end = session(config, tmp_path / "run", *more)
    assert run_evaluation(tmp_path / "run")["loss"] == end.summary["test_loss"]
    last = saved(tmp_path / "run")
    assert plan_in(last)


def test_a_single_layer_may_be_the_whole_model(config: Path, tmp_path: Path):
    more = ("model={Linear: {out_features: 10}}", "data.dataset={SmallMNIST: {}}")
    assert build(tiny.load(config, *more[:0], "quantization={}")).rounding is not None
