"""``quantize`` of what was trained with rounding: by its run, or by a short training before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.train import tiny
from tests.train.sessions import session
from trainctl.errors import UsageError
from trainctl.jobs import Predictor, Source, run_evaluation, run_quantization
from trainctl.storage.quantization_record import Settings
from trainctl.train.checkpoint import MODEL, read_checkpoint

NORM = (
    "model=[{AvgPool2d: {kernel_size: 4}}, {Conv2d: {out_channels: 4, kernel_size: 3}}, BatchNorm2d, ReLU, Flatten, "
    "{Dropout: {p: 0.2}}, {Linear: {out_features: 10}}]",
)
AWARE = {
    "8": (*NORM, "quantization.start_epoch=2"),
    "8-per-tensor": (*NORM, "quantization={per_channel: false, observer: MinMaxObserver}"),
    "4": (*NORM, "quantization={bits: 4, group_size: 12, start_epoch: 2}"),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def quantized(run: Path, out: Path, **settings: Any) -> dict[str, Any]:
    return run_quantization(run, out, Settings(**settings))


@pytest.mark.parametrize("overrides", AWARE.values(), ids=AWARE)
def test_a_run_that_rounds_becomes_the_model_that_it_measured(config: Path, tmp_path: Path, overrides: tuple[str, ...]):
    *_, end = session(config, tmp_path / "run", *overrides)
    result = quantized(tmp_path / "run", tmp_path / "out")
    assert (result["method"], result["passed"]) == ("qat", True)
    assert result["bits"] == (4 if "bits: 4" in overrides[-1] else 8)
    for figure in result["figures"]:
        assert figure["quantized"] == pytest.approx(figure["float"], abs=1e-3)
    found = run_evaluation(tmp_path / "out")
    assert found["metrics"]["accuracy"] == pytest.approx(end.summary["test_metrics"]["accuracy"], abs=1e-3)
    assert found["loss"] == pytest.approx(end.summary["test_loss"], abs=1e-3)
    assert all(layer["sqnr"] > 5 for layer in result["layers"])


def test_it_is_the_same_bytes_each_time(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *AWARE["8"]))
    for name in ("a", "b"):
        quantized(tmp_path / "run", tmp_path / name)
    assert (tmp_path / "a" / MODEL).read_bytes() == (tmp_path / "b" / MODEL).read_bytes()
    assert read_checkpoint(tmp_path / "a").quantization == read_checkpoint(tmp_path / "b").quantization


@pytest.mark.parametrize("bits", [8, 4])
def test_a_float_run_is_trained_a_little_first(config: Path, tmp_path: Path, bits: int):
    list(session(config, tmp_path / "run", *NORM))
    before = (tmp_path / "run" / "checkpoints" / "last" / MODEL).read_bytes()
    stages: list[str] = []
    settings = Settings(method="qat", bits=bits, epochs=2)
    result = run_quantization(tmp_path / "run", tmp_path / "out", settings, on_stage=stages.append)
    assert stages[:2] == ["training with rounding, for 2 epochs of 80 samples", stages[1]]
    assert stages[1].startswith("epoch 1 of 2: the training loss is ")
    assert (result["method"], result["bits"]) == ("qat", bits)
    quantized(tmp_path / "run", tmp_path / "again", method="qat", bits=bits, epochs=2)
    assert (tmp_path / "again" / MODEL).read_bytes() == (tmp_path / "out" / MODEL).read_bytes()
    assert (tmp_path / "run" / "checkpoints" / "last" / MODEL).read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again", "out", "run"]


def test_a_schedule_a_list_of_optimizers_and_an_average_do_not_stand_in_its_way(config: Path, tmp_path: Path):
    more = (
        "optimizer=[{Muon: {params: '1.weight', lr: 0.02}}, {AdamW: {param_groups: [{params: '*.bias', lr: 0.02}]}}]",
        "scheduler={OneCycleLR: {max_lr: 0.02, cycle_momentum: false}}", "train.ema={}", "train.monitor=accuracy",
        "train.early_stopping={patience: 2}",
    )  # fmt: skip
    list(session(config, tmp_path / "run", *more))
    assert quantized(tmp_path / "run", tmp_path / "out", method="qat")["passed"]


def test_more_layers_may_be_excluded_than_its_training_did(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *AWARE["8"]))
    result = quantized(tmp_path / "run", tmp_path / "out", exclude=["1"])
    assert [layer["name"] for layer in result["layers"]] == ["6"]
    assert ("1", "--exclude 1") in [(layer["name"], layer["reason"]) for layer in result["float_layers"]]
    assert run_evaluation(tmp_path / "out")["loss"] == pytest.approx(run_evaluation(tmp_path / "run")["loss"], abs=0.05)


def test_layers_stay_in_float_where_the_drop_asks_for_it(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *AWARE["8"]))
    result = quantized(tmp_path / "run", tmp_path / "out", max_drop=1.0)
    assert result["passed"]


def test_it_was_trained_for_fixed_grids(config: Path, tmp_path: Path):
    list(session(config, tmp_path / "run", *AWARE["8"]))
    with pytest.raises(UsageError, match="trained for activations on fixed grids") as caught:
        quantized(tmp_path / "run", tmp_path / "out", method="dynamic")
    assert caught.value.hint == "leave out --method"


def test_what_was_made_of_it_predicts(config: Path, tmp_path: Path):
    import numpy as np

    list(session(config, tmp_path / "run", *AWARE["8"]))
    quantized(tmp_path / "run", tmp_path / "out")
    np.save(tmp_path / "some.npy", np.zeros((3, 1, 28, 28), np.float32))
    assert len(list(Predictor(tmp_path / "out").predict(Source([str(tmp_path / "some.npy")])))) == 3
