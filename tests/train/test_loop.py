from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import trainctl
from tests.train import tiny
from tests.train.sessions import record, session, stopped_at
from trainctl.build import Experiment, build
from trainctl.errors import CheckpointError, DataError, DivergedError, Interrupted, UsageError
from trainctl.train.checkpoint import MODEL, read_checkpoint
from trainctl.train.events import CheckpointSaved, EpochEnd, Notice, StepEnd, TrainEnd, TrainStart
from trainctl.train.lengths import check_experiment
from trainctl.train.metrics import Accuracy
from trainctl.train.resolve import find_checkpoint
from trainctl.train.rundir import RunDirectory
from trainctl.train.session import train
from trainctl.train.signals import StopSignals


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


VARIANTS = {
    "adam": (),
    "momentum": ("optimizer={SGD: {lr: 0.05, momentum: 0.9}}",),
    "often-saved": ("train.checkpoint_every=2",),
    "no-validation": ("data.split.val=0", "metrics=[]"),
    "drop-last": ("data.batch_size=24", "data.drop_last=true", "train.monitor=accuracy"),
    "ragged": ("data.batch_size=24", "data.shuffle=false", "threads=2"),
    "one-batch": ("data.batch_size=100",),
    "sum": ("loss={CrossEntropyLoss: {reduction: sum}}", "optimizer.Adam.lr=1e-3"),
    "one-cycle": ("scheduler={OneCycleLR: {max_lr: 0.02}}", "train.checkpoint_every=2"),
    "plateau": ("scheduler={ReduceLROnPlateau: {patience: 0, threshold: 0.5}}",),
    "warm-up": (
        "scheduler={SequentialLR: {schedulers: [LinearLR, CosineAnnealingLR], milestones: [4], interval: step}}",
    ),
}


def test_events_tell_the_whole_story(config: Path, tmp_path: Path):
    events = list(session(config, tmp_path / "run", "train.checkpoint_every=2", "threads=auto"))
    kinds = [type(event).__name__ for event in events]
    step, saved = "StepEnd", "CheckpointSaved"
    odd = [
        step,
        step,
        saved,
        step,
        step,
        saved,
        step,
        "EpochEnd",
        saved,
    ]  # saved after 2, 4 and at the end, 5
    even = [step, saved, step, step, saved, step, step, "EpochEnd", saved]  # after 6, 8 and, once, 10
    assert kinds == ["TrainStart", *odd, *even, *odd, "TrainEnd"]

    steps = [event for event in events if isinstance(event, StepEnd)]
    assert [event.global_step for event in steps] == list(range(1, 16))
    assert [(event.epoch, event.step) for event in steps] == [(e, s) for e in (1, 2, 3) for s in range(1, 6)]
    assert all(event.samples == 16 and event.lr == 0.01 for event in steps)

    epochs = [event for event in events if isinstance(event, EpochEnd)]
    for number, event in enumerate(epochs, 1):
        losses = [step.loss for step in steps if step.epoch == number]
        assert event.train_loss == pytest.approx(sum(losses) / 5, rel=1e-12)
        assert 0 <= event.metrics["accuracy"] <= 1
        assert event.seconds > 0
        assert event.samples_per_second == pytest.approx(80 / event.seconds)
        assert event.is_best == (event.val_loss == min(each.val_loss for each in epochs[:number]))

    start, end = events[0], events[-1]
    assert isinstance(start, TrainStart)
    assert dataclasses.replace(start, threads=0) == TrainStart(
        run_dir=tmp_path / "run",
        name="tiny",
        device="cpu",
        threads=0,
        parameters=785 * 8 + 9 * 10,
        epochs=3,
        steps_per_epoch=5,
        train_samples=80,
        val_samples=20,
    )
    assert start.threads == len(os.sched_getaffinity(0))
    assert isinstance(end, TrainEnd)
    assert end.summary["steps"] == 15
    assert end.summary["val_loss"] == epochs[-1].val_loss
    assert end.summary["val_metrics"] == epochs[-1].metrics
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert [event.global_step for event in saved] == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert [event.epoch for event in saved] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_a_run_stopped_after_any_step_ends_as_one_that_never_stopped(
    config: Path, tmp_path: Path, overrides: tuple[str, ...]
):
    whole = list(session(config, tmp_path / "whole", *overrides))
    expected = record(tmp_path / "whole")
    steps = [event for event in whole if isinstance(event, StepEnd)]
    for step in steps[:: 3 if overrides else 1]:
        path = tmp_path / str(step.global_step)
        stopped_at(config, path, step.global_step, *overrides)
        rest = list(session(config, path, *overrides))
        assert [event for event in rest if isinstance(event, StepEnd)] == steps[step.global_step :]
        assert record(path) == expected
        assert untimed(rest[-1].summary) == untimed(whole[-1].summary)


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in ("seconds", "samples_per_second")}


def test_a_run_stopped_after_every_step_ends_as_one_that_never_stopped(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "whole"))
    for step in range(1, 16):
        stopped_at(config, tmp_path / "pieces", step)
    list(session(config, tmp_path / "pieces"))
    assert record(tmp_path / "pieces") == record(tmp_path / "whole")


@pytest.mark.parametrize("batch", [1, 2])
def test_a_run_stopped_in_validation_validates_again(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
):
    stop, update, batches = StopSignals(), Accuracy.update, []

    def update_and_draw(self: Accuracy, output: trainctl.Tensor, target: trainctl.Tensor) -> None:
        update(self, output, target)
        trainctl.rand(1)  # a model may draw random numbers even in evaluation
        batches.append(None)
        if len(batches) == 4 + batch:  # one as it was tried, three in an epoch: in the second one
            stop.signum = signal.SIGINT

    monkeypatch.setattr(Accuracy, "update", update_and_draw)
    with pytest.raises(Interrupted, match="stopped by SIGINT at epoch 2, step 5") as caught:
        list(session(config, tmp_path / "run", stop=stop))
    assert caught.value.exit_code == 130
    list(session(config, tmp_path / "run"))
    list(session(config, tmp_path / "whole"))
    assert record(tmp_path / "run") == record(tmp_path / "whole")


def test_a_run_stopped_in_the_last_evaluation_only_repeats_that(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = list(session(config, tmp_path / "whole"))[-1]
    error = stopped_at(config, tmp_path / "run", 15, event=CheckpointSaved)
    assert "the end of epoch 3" in error.message
    assert error.exit_code == 143
    assert not (tmp_path / "run" / "summary.json").exists()
    rest = list(session(config, tmp_path / "run"))
    assert [type(event) for event in rest] == [TrainStart, TrainEnd]
    assert untimed(rest[-1].summary) == untimed(expected.summary)


def test_the_hint_of_an_interruption_is_the_command_that_resumes(config: Path, tmp_path: Path):
    run = tmp_path / "run"
    error = stopped_at(config, run, 1)
    assert error.message == "stopped by SIGTERM at epoch 1, step 1; everything up to there is saved"
    assert error.hint == f"trainctl train {run}/config.resolved.yaml --resume {run}"


def test_more_epochs_later_are_the_same_as_at_once(config: Path, tmp_path: Path):
    for epochs in (1, 2, 5):
        list(session(config, tmp_path / "pieces", f"train.epochs={epochs}"))
    list(session(config, tmp_path / "whole", "train.epochs=5"))
    assert record(tmp_path / "pieces") == record(tmp_path / "whole")


def test_a_finished_run_stays_as_it_is_and_says_so(config: Path, tmp_path: Path):
    first = list(session(config, tmp_path / "run"))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    start, notice, end = session(config, tmp_path / "run")
    assert (start.start_epoch, start.resumed) == (4, True)
    assert isinstance(notice, Notice)
    assert "3 epochs already" in notice.message
    assert end == first[-1]
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_fewer_epochs_than_done_are_refused(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run"))
    before = record(tmp_path / "run")
    with pytest.raises(UsageError, match=r"past train\.epochs 2: it has 3"):
        list(session(config, tmp_path / "run", "train.epochs=2"))
    assert record(tmp_path / "run") == before


def test_metrics_are_put_right_from_the_checkpoint(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "whole"))
    stopped_at(config, tmp_path / "run", 12)
    for name in ("metrics.jsonl", "metrics.csv"):
        with open(tmp_path / "run" / name, "a") as file:
            file.write('3,15,0.1,{"torn')  # a kill within a row that is after the checkpoint
    (tmp_path / "run" / "metrics.csv").unlink()
    list(session(config, tmp_path / "run"))
    assert record(tmp_path / "run") == record(tmp_path / "whole")


@pytest.mark.parametrize("monitor", [None, "val_loss", "train_loss", "accuracy"])
def test_best_is_the_best_epoch_by_the_monitored_figure(config: Path, tmp_path: Path, monitor: str | None):
    overrides = [] if monitor is None else [f"train.monitor={monitor}"]
    events = list(session(config, tmp_path / "run", "optimizer.Adam.lr=0.3", "train.epochs=6", *overrides))
    epochs = [event for event in events if isinstance(event, EpochEnd)]
    figures = [
        -event.metrics["accuracy"] if monitor == "accuracy" else getattr(event, monitor or "val_loss")
        for event in epochs
    ]
    best = figures.index(min(figures)) + 1
    assert find_checkpoint(tmp_path / "run").name == f"step-{5 * best:08d}"
    assert events[-1].summary["best_epoch"] == best
    assert events[-1].summary["monitor"] == (monitor or "val_loss")
    assert [event.epoch for event in epochs if event.is_best][-1] == best


def test_the_test_figures_are_those_of_the_best_weights(config: Path, tmp_path: Path):
    experiment = build(tiny.load(config, "optimizer.Adam.lr=0.3", "train.epochs=6"))
    with RunDirectory.create(tmp_path / "run") as run:
        *_, end = train(experiment, run)
    assert end.summary["best_epoch"] < 6
    best = read_checkpoint(find_checkpoint(tmp_path / "run"))
    for name, tensor in experiment.model.state_dict().items():
        assert tensor.numpy().tobytes() == best.model[name].tobytes()
    assert end.summary["weights_sha256"] != end.summary["best_weights_sha256"]
    for link, key in (("last", "weights_sha256"), ("best", "best_weights_sha256")):
        data = (find_checkpoint(tmp_path / "run", link) / MODEL).read_bytes()
        assert end.summary[key] == hashlib.sha256(data).hexdigest()


def test_without_a_validation_split_the_training_loss_decides(config: Path, tmp_path: Path):
    *events, end = session(config, tmp_path / "run", "data.split.val=0")
    assert end.summary["monitor"] == "train_loss"
    epochs = [event for event in events if isinstance(event, EpochEnd)]
    assert all(event.val_loss is None and not event.metrics for event in epochs)
    assert (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1].split(",")[3:5] == ["", ""]


@pytest.mark.parametrize("lr", [1e30, 1e38])
@pytest.mark.parametrize("every", [None, 1])
def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(
    config: Path, tmp_path: Path, lr: float, every: int | None
):
    run = tmp_path / "run"
    list(session(config, run, "train.epochs=1", "train.checkpoint_every=1"))
    last = find_checkpoint(run, "last")

    def blow_up(experiment: Experiment) -> None:
        def set_lr(optimizer: Any, args: Any, kwargs: Any) -> None:
            optimizer.param_groups[0]["lr"] = lr

        experiment.optimizer.register_step_pre_hook(set_lr)

    with pytest.raises(DivergedError) as caught:
        list(session(config, run, "train.epochs=3", f"train.checkpoint_every={every or 'null'}", change=blow_up))
    assert "diverged at epoch 2, step" in caught.value.message
    assert f"lr {lr:g}" in caught.value.message
    assert f"--set optimizer.Adam.lr={lr / 10:g}" in caught.value.hint
    kept = find_checkpoint(run, "last")
    assert str(kept) in caught.value.hint
    checkpoint = read_checkpoint(kept)
    assert all(math.isfinite(value) for array in checkpoint.model.values() for value in array.ravel())
    assert kept == last or every == 1
    assert not (run / "summary.json").exists()


def test_divergence_before_any_checkpoint_says_that_too(config: Path, tmp_path: Path):
    with pytest.raises(DivergedError, match=r"at epoch 1, step \d \(lr 1e\+30\): the (loss|weight)") as caught:
        list(session(config, tmp_path / "run", "optimizer={SGD: {lr: 1e30}}"))
    assert "no checkpoint was saved before" in caught.value.hint


def test_an_infinite_weight_after_a_finite_loss_is_not_saved(config: Path, tmp_path: Path):
    def poison(experiment: Experiment) -> None:
        step = experiment.optimizer.step

        def step_and_poison() -> None:
            step()
            with trainctl.no_grad():
                experiment.model[1].weight[0, 0] = math.inf

        experiment.optimizer.step = step_and_poison

    with pytest.raises(DivergedError, match=r"epoch 1, step 1 .*: the weight 1\.weight is no longer finite"):
        list(session(config, tmp_path / "run", "train.checkpoint_every=1", change=poison))
    assert not (tmp_path / "run" / "checkpoints" / "last").exists()


def test_a_validation_loss_that_is_not_finite_is_divergence(config: Path, tmp_path: Path):
    def only_in_evaluation(experiment: Experiment) -> None:
        loss = experiment.loss
        experiment.loss.forward = lambda output, target: (
            type(loss).forward(loss, output, target) * (1.0 if trainctl.is_grad_enabled() else math.nan)
        )

    with pytest.raises(DivergedError, match=r"epoch 1, step 5 .*: the validation loss is nan"):
        list(session(config, tmp_path / "run", change=only_in_evaluation))


def test_a_checkpoint_of_another_model_is_refused(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run"))
    with pytest.raises(CheckpointError, match=r"1\.weight: float32 \[8, 784\] in the checkpoint"):
        list(session(config, tmp_path / "run", "model.1.Linear.out_features=9"))


def test_what_would_stop_a_run_later_is_found_before(config: Path):
    experiment = build(tiny.load(config))
    check_experiment(experiment)
    with pytest.raises(DataError, match="the test split has no samples"):
        check_experiment(dataclasses.replace(experiment, whole_test_data=[]))
    with pytest.raises(DataError, match="80 training samples make no batch of 81") as caught:
        check_experiment(build(tiny.load(config, "data.batch_size=81", "data.drop_last=true")))
    assert "data.batch_size" in caught.value.hint


def test_an_abandoned_run_lets_go_of_the_threads(config: Path, tmp_path: Path):
    from threadpoolctl import threadpool_info

    def used() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = used()
    events = session(config, tmp_path / "run", "threads=1")
    next(events)
    assert set(used()) == {1}
    events.close()
    assert used() == before


def test_a_resumed_run_has_the_threads_it_began_with(config: Path, tmp_path: Path):
    stopped_at(config, tmp_path / "run", 3, "threads=1")
    start, *_, end = session(config, tmp_path / "run", "threads=2")
    assert start.threads == end.summary["threads"] == 1
