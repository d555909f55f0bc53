"""Every config of the repository builds, takes a step and survives being written and read."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import cnn
from trainctl import nn
from trainctl.build import build, check
from trainctl.config import config_from_yaml, load_config
from trainctl.data import DataLoader

REPO = Path(__file__).parents[1]
CONFIGS = sorted((REPO / "configs").rglob("*.yaml"))


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    """Paths in configs are relative to it."""
    monkeypatch.chdir(REPO)


def test_there_are_configs():
    assert REPO / "configs" / "mlp.yaml" in CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_step_changes_every_parameter(path):
    experiment = build(load_config(path, environ={}))
    before = {name: value.numpy().copy() for name, value in experiment.model.state_dict().items()}
    loader = DataLoader(experiment.train_data, batch_size=experiment.config.data.batch_size)
    for inputs, target in itertools.islice(loader, 1):
        loss = experiment.loss(experiment.model(inputs), target)
        loss.backward()
        experiment.optimizer.step()
    assert np.isfinite(loss.item())
    for name, value in experiment.model.state_dict().items():
        assert not np.array_equal(value.numpy(), before[name]), name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_resolved_config_is_the_same_config(path):
    loaded = load_config(path, environ={})
    again = config_from_yaml(loaded.to_yaml(), "config.resolved.yaml")
    assert again.config == loaded.config
    assert check(again) == check(loaded)


def test_mlp_is_the_net_of_the_introductions():
    loaded = load_config("configs/mlp.yaml", environ={})
    assert [layer.layer for layer in check(loaded).layers if layer.parameters] == [
        "Linear(in_features=784, out_features=128, bias=True)",
        "Linear(in_features=128, out_features=10, bias=True)",
    ]
    config = loaded.config
    assert {key: config.optimizer.args[key] for key in ("lr", "momentum")} == {"lr": 0.01, "momentum": 0.9}
    assert (config.name, config.data.batch_size, config.train.epochs) == ("mnist-mlp", 64, 10)


def test_cnn_is_the_net_of_the_benchmarks_on_one_cycle():
    loaded = load_config("configs/cnn.yaml", environ={})
    summary = check(loaded)
    assert [row.output_shape for row in summary.layers if row.parameters] == [(32, 28, 28), (64, 14, 14), (128,), (10,)]
    assert summary.parameters == sum(parameter.numel() for parameter in cnn(nn, 32, 28, 128, 10).parameters())
    assert (loaded.config.scheduler.name, loaded.config.train.monitor) == ("OneCycleLR", "accuracy")
    assert loaded.config.train.epochs <= 6
