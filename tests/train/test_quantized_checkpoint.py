"""A quantized checkpoint whose record somebody changed: it is read as it is, or refused in words."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.quantized_models import trained
from trainctl.errors import CheckpointError
from trainctl.jobs import run_quantization
from trainctl.jobs.experiments import build_from
from trainctl.storage.quantization_record import Settings
from trainctl.train.batches import forward
from trainctl.train.checkpoint import INDEX, read_checkpoint
from trainctl.train.checkpoint_files import dump_index

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    4,
    255,
    2**31,
    2**70,
    0.5,
    -0.0,
    "",
    "0",
    "9.9",
    "x" * 2000,
    "../..",
    [],
    {},
    [1],
]
KINDS = ["Linear", "Conv2d", "LSTM", "Embedding", "ReLU", "MultiheadAttention", "static", "dynamic", "weights"]


@pytest.fixture(scope="module", params=["mlp", "cnn", "lstm"])
def quantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    run = trained(folder, request.param, "train.epochs=1", "data.batch_size=500")
    bits = 4 if request.param == "lstm" else 8
    run_quantization(run, folder / "out", Settings(bits=bits, calibration_batches=1, rounding="nearest"))
    return folder / "out"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is something in plain data."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def changed(index: dict[str, Any], source: random.Random, names: list[str]) -> dict[str, Any]:
    """An index with one to three changes of its record."""
    index = copy.deepcopy(index)
    for _ in range(source.randint(1, 3)):
        *way, last = source.choice(list(places(index["quantization"])))
        there: Any = index["quantization"]
        for key in way:
            there = there[key]
        if source.random() < 0.2:
            del there[last]
        elif isinstance(there, list) and source.random() < 0.3:
            there.append(copy.deepcopy(there[last]))
        else:
            there[last] = source.choice([*ODD, *KINDS, *names])
    return index


def test_a_changed_record_is_refused_or_means_another_model(quantized: Path, tmp_path: Path):
    target = tmp_path / "copy"
    target.mkdir()
    for file in quantized.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    whole = json.loads((quantized / INDEX).read_bytes())
    del whole["sha256"]
    names = [layer["name"] for layer in whole["quantization"]["layers"]]
    source, refused = random.Random(0), 0
    for _ in range(150):
        (target / INDEX).write_bytes(dump_index(changed(whole, source, names)))
        try:
            checkpoint = read_checkpoint(target)
            experiment = build_from(checkpoint, target)
            forward(experiment.model, experiment.test_data.gather(np.arange(2))[0])
        except CheckpointError:
            refused += 1
    assert 30 < refused < 150
    (target / INDEX).write_bytes(dump_index(whole))
    build_from(read_checkpoint(target), target)
