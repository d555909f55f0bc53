from __future__ import annotations

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainctl.errors import CheckpointError
from trainctl.train.checkpoint import (
    INDEX,
    MODEL,
    STATE,
    Best,
    Checkpoint,
    Progress,
    encode,
    read_checkpoint,
    weights_sha256,
)

INTEGERS = ["bool", "uint8", "int8", "int16", "int32", "int64"]
DTYPES = [*INTEGERS, "float16", "float32", "float64", "complex64", "complex128"]


def sample_checkpoint(seed: int = 0, **changes: object) -> Checkpoint:
    draw = np.random.default_rng(seed)
    history = [{"epoch": 1, "global_step": 4, "train_loss": 0.1 + 0.2, "val_loss": None, "lr": 1e-3}]
    checkpoint = Checkpoint(
        config="seed: 0\nname: räksmörgås\n",
        threads=2,
        kernels="numba",
        progress=Progress(2, 1, 5, 64, 1 / 3, 1.5, 1.25, best=Best(0.25, 1, 4), history=history),
        model={
            "0.weight": draw.normal(size=(5, 3)).astype(np.float32),
            "0.bias": draw.normal(size=5).astype(np.float32),
        },
        state={"optimizer": {"$tensor": "optimizer.0"}, "rng": {"$tensor": "rng"}},
        arrays={"optimizer.0": draw.normal(size=(5, 3)), "rng": draw.integers(0, 256, 99).astype(np.uint8)},
    )
    return replace(checkpoint, **changes)


def write(directory: Path, checkpoint: Checkpoint) -> Path:
    directory.mkdir(exist_ok=True)
    for name, data in encode(checkpoint).items():
        (directory / name).write_bytes(b"".join(data))
    return directory


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write(tmp_path / "step-00000005", sample_checkpoint())


def assert_same_arrays(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        assert got[name].shape == array.shape
        assert got[name].tobytes() == array.tobytes()


def test_what_was_written_is_read(saved: Path):
    expected, got = sample_checkpoint(), read_checkpoint(saved)
    assert (got.config, got.threads, got.kernels, got.progress, got.state) == (
        expected.config,
        expected.threads,
        expected.kernels,
        expected.progress,
        expected.state,
    )
    assert_same_arrays(got.model, expected.model)
    assert_same_arrays(got.arrays, expected.arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["plain", "transposed", "strided", "reversed", "scalar", "empty"])
def test_every_dtype_and_layout_comes_back(tmp_path: Path, dtype: str, layout: str):
    values = np.random.default_rng(1).integers(0, 2, (4, 6)).astype(dtype)
    if values.dtype.kind == "c":
        values = values + np.array(1j, dtype) * values[::-1]
    array = {
        "plain": values,
        "transposed": values.T,
        "strided": values[::2, 1::3],
        "reversed": values[::-1],
        "scalar": values[0, 0].reshape(()),
        "empty": values[:0],
    }[layout]
    path = write(tmp_path / "one", sample_checkpoint(model={"w": array}))
    assert_same_arrays(read_checkpoint(path).model, {"w": array})


def test_weights_are_plain_safetensors_under_their_keys(saved: Path):
    from safetensors.numpy import load_file

    assert_same_arrays(load_file(saved / MODEL), sample_checkpoint().model)


def test_bytes_depend_on_the_state_alone():
    source = (
        "import hashlib, importlib.util, sys\n"
        "from pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('test_checkpoint', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "files = module.encode(module.sample_checkpoint())\n"
        "print(*(hashlib.sha256(b''.join(data)).hexdigest() for data in files.values()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    digests = {
        subprocess.run(
            [sys.executable, "-c", source],
            env={**environment, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_the_index_has_the_weights_checksum(saved: Path):
    assert weights_sha256(saved) == hashlib.sha256((saved / MODEL).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", [MODEL, STATE, INDEX])
def test_a_missing_file_is_named(saved: Path, name: str):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(f"{name}: no such file")):
        read_checkpoint(saved)


@pytest.mark.parametrize("name", [MODEL, STATE, INDEX])
def test_every_truncation_is_found(saved: Path, name: str):
    data = (saved / name).read_bytes()
    for size in {0, 1, 7, 8, 9, len(data) // 2, len(data) - 1}:
        (saved / name).write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=re.escape(name)):
            read_checkpoint(saved)
    (saved / name).write_bytes(data + b"\n")
    with pytest.raises(CheckpointError, match=re.escape(name)):
        read_checkpoint(saved)


@pytest.mark.parametrize("name", [MODEL, STATE, INDEX])
def test_every_changed_byte_is_found(saved: Path, name: str):
    data = (saved / name).read_bytes()
    draw = random.Random(name)
    for _ in range(300):
        place, bits = draw.randrange(len(data)), draw.randrange(1, 256)
        changed = bytearray(data)
        changed[place] ^= bits
        (saved / name).write_bytes(changed)
        with pytest.raises(CheckpointError, match=re.escape(name)):
            read_checkpoint(saved)
    (saved / name).write_bytes(data)
    read_checkpoint(saved)


def test_damage_in_a_tensor_names_it(saved: Path):
    data = bytearray((saved / MODEL).read_bytes())
    data[-1] ^= 1  # safetensors sorts by name within a dtype: the last byte is of 0.weight
    (saved / MODEL).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged: .*; tensor 0\.weight$"):
        read_checkpoint(saved)


def test_damage_in_the_header_is_called_so(saved: Path):
    data = (saved / MODEL).read_bytes()
    (saved / MODEL).write_bytes(data.replace(b"0.weight", b"0.Weight"))
    with pytest.raises(CheckpointError, match="in its header"):
        read_checkpoint(saved)


def test_many_damaged_tensors_stay_one_line(tmp_path: Path):
    path = write(tmp_path / "many", sample_checkpoint(model={str(i): np.ones(2) for i in range(9)}))
    data = (path / MODEL).read_bytes()
    (path / MODEL).write_bytes(data[:-144] + bytes(144))
    with pytest.raises(CheckpointError, match=r"; tensor 0, 1, 2 and 6 more$"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no schema_version"),
        ("null", "no schema_version"),
        ("{}", "no schema_version"),
        ('{"schema_version": "1"}', "no schema_version"),
        ('{"schema_version": 1}', "checksum does not match"),
        ('{"schema_version": 1, "sha256": 1e999}', "not JSON: the number 1e999 is too large"),
        ('{"schema_version": true}', "no schema_version"),
        ('{"schema_version": 3}', "schema_version 3; trainctl .* reads up to 2"),
    ],
)
def test_another_index_is_refused(saved: Path, text: str, message: str):
    (saved / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(saved)
    assert caught.value.hint


def test_an_edited_index_is_refused(saved: Path):
    index = json.loads((saved / INDEX).read_text())
    index["progress"]["global_step"] += 1
    (saved / INDEX).write_text(json.dumps(index, indent=1) + "\n")
    with pytest.raises(CheckpointError, match="edited"):
        read_checkpoint(saved)


def test_a_directory_in_place_of_a_file_is_an_error(saved: Path):
    (saved / STATE).unlink()
    (saved / STATE).mkdir()
    with pytest.raises(CheckpointError, match="a directory; expected a file"):
        read_checkpoint(saved)
