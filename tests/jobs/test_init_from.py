"""Runs that begin with the weights of another."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.command import environment, trainctl
from tests.train import tiny
from trainctl import nn, save
from trainctl.errors import CheckpointError, ConfigError
from trainctl.jobs import run_training
from trainctl.train.checkpoint import MODEL, read_checkpoint
from trainctl.train.events import Notice
from trainctl.train.initial import load_initial, read_weights
from trainctl.train.resolve import find_checkpoint


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def source(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose weights others begin with."""
    run = tmp_path_factory.mktemp("source") / "run"
    run_training(tiny.load(config), output_dir=run)
    return run


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def train(config: Path, run: Path, *overrides: str, **options: Any) -> tuple[dict[str, Any], list[str]]:
    """A run's summary, and what the user was told."""
    told: list[str] = []

    def on_event(event: Any) -> None:
        if isinstance(event, Notice):
            told.append(event.message)

    return run_training(tiny.load(config, *overrides), output_dir=run, on_event=on_event, **options), told


def test_a_run_a_checkpoint_and_a_file_are_the_same_start(config: Path, source: Path, tmp_path: Path):
    best = find_checkpoint(source)
    alone = shutil.copy(best / MODEL, tmp_path / "weights.safetensors")
    ends = set()
    for number, path in enumerate((source, best, best / MODEL, source / "best", alone)):
        summary, told = train(config, tmp_path / str(number), f"init_from={path}")
        ends.add(summary["weights_sha256"])
        assert not told
    assert len(ends) == 1
    assert ends != {train(config, tmp_path / "plain")[0]["weights_sha256"]}


def test_the_first_weights_are_those_of_the_source(config: Path, source: Path, tmp_path: Path):
    frozen = ("freeze=['1.*', '4.weight']", "train.epochs=1")
    train(config, tmp_path / "run", f"init_from={source}", *frozen)
    here, there = (read_checkpoint(find_checkpoint(run)).model for run in (tmp_path / "run", source))
    assert all(np.array_equal(here[name], there[name]) for name in ("1.weight", "1.bias", "4.weight"))


def test_the_run_records_what_was_read_and_does_not_read_it_again(config: Path, source: Path, tmp_path: Path):
    other = shutil.copytree(source, tmp_path / "other", symlinks=True)
    whole, _ = train(config, tmp_path / "whole", f"init_from={other}", "train.epochs=4")
    train(config, tmp_path / "run", f"init_from={other}", "train.epochs=2")
    sha256 = hashlib.sha256((find_checkpoint(other) / MODEL).read_bytes()).hexdigest()
    assert f"init_from: {{path: {other}, strict: true, sha256: {sha256}}}" in (
        (tmp_path / "run" / "config.resolved.yaml").read_text().replace("\n  ", " ")
    )
    shutil.rmtree(other)
    resumed, _ = train(config, tmp_path / "run", f"init_from={other}", "train.epochs=4", resume=True)
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_run_killed_before_its_first_checkpoint_reads_it_again_and_wants_the_same(
    config: Path, source: Path, tmp_path: Path
):
    run, weights = tmp_path / "run", tmp_path / "weights.safetensors"
    shutil.copy(find_checkpoint(source) / MODEL, weights)
    whole, _ = train(config, run, f"init_from={weights}")
    shutil.rmtree(run / "checkpoints")
    again, told = train(config, run, f"init_from={weights}", resume=True)
    assert "starts from the beginning" in told[0]
    assert again["weights_sha256"] == whole["weights_sha256"]
    shutil.rmtree(run / "checkpoints")
    save({name: tensor + 1 for name, tensor in nn.Linear(1, 1).state_dict().items()}, weights)
    with pytest.raises(CheckpointError, match=r"not the weights that init_from\.sha256 names"):
        train(config, run, f"init_from={weights}", resume=True)


def test_another_source_is_another_run(config: Path, source: Path, tmp_path: Path):
    train(config, tmp_path / "run", f"init_from={source}")
    with pytest.raises(ConfigError, match=r"init_from\.path"):
        train(config, tmp_path / "run", "init_from=elsewhere", resume=True)


def test_weights_of_another_form_are_refused_by_name(config: Path, source: Path, tmp_path: Path):
    with pytest.raises(CheckpointError) as caught:
        train(
            config,
            tmp_path / "run",
            f"init_from={source}",
            "model.1.Linear.bias=false",
            "model.1.Linear.out_features=9",
        )
    assert caught.value.message.splitlines()[1:] == [
        "  1.weight: [8, 784] there, [9, 784] in the model",
        "  4.weight: [10, 8] there, [10, 9] in the model",
        "  1.bias: not in the model",
    ]
    assert "strict: false" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_without_strict_what_fits_is_taken_and_the_rest_is_told(config: Path, source: Path, tmp_path: Path):
    more = ("model.1.Linear.bias=false", "freeze=['1.weight', '4.*']", "model.2={BatchNorm1d: {}}", "train.epochs=1")
    _, told = train(config, tmp_path / "run", f"init_from={{path: {source}, strict: false}}", *more)
    kept, theirs = (read_checkpoint(find_checkpoint(run)).model for run in (tmp_path / "run", source))
    assert all(np.array_equal(kept[name], theirs[name]) for name in ("1.weight", "4.weight", "4.bias"))
    assert told[0].startswith("init_from: 3 of 8 tensors are from ")
    assert told[0].endswith("2.num_batches_tracked: missing there; and 1 more")


def test_without_strict_nothing_that_fits_is_still_an_error(tmp_path: Path):
    save(nn.Linear(1, 1).state_dict(), tmp_path / "weights.safetensors")
    model = nn.Linear(2, 2)
    before = model.weight.tolist()
    with pytest.raises(CheckpointError, match="not this model's"):
        load_initial(model, str(tmp_path / "weights.safetensors"), strict=False)
    assert model.weight.tolist() == before


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "not a safetensors file"),
        (lambda path: path.write_bytes(b"\x80\x04N."), "not a safetensors file"),
        (lambda path: save({"model": nn.Linear(1, 1).state_dict()}, path), "not a table of tensors by name"),
        (lambda path: save([nn.Linear(1, 1).weight], path), "not a table of tensors by name"),
        (lambda path: None, "no such run or checkpoint"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, write: Any, message: str):
    path = tmp_path / "weights"
    write(path)
    with pytest.raises(CheckpointError, match=message):
        read_weights(path)


def test_the_flag_is_the_config_s_path(config: Path, source: Path, tmp_path: Path):
    run = tmp_path / "run"
    words = ("train", str(config), "train.epochs=1", "-o", str(run), "-q", "--init-from", str(source))
    broken = trainctl(*words, "model.1.Linear.out_features=9", env=environment())
    assert broken.returncode == 4
    assert b"strict: false" in broken.stderr
    loose = trainctl(*words, "model.1.Linear.out_features=9", "init_from.strict=false", env=environment())
    assert loose.returncode == 0
    assert "strict: false" in (run / "config.resolved.yaml").read_text()
