"""Checkpoints whose ``checkpoint.json`` says what is not so, with the checksum right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile import configs
from trainctl.train.checkpoint_files import dump_index

Index = dict[str, Any]
Change = Callable[[Index], None]


def rewrite(checkpoint: Path, change: Change) -> None:
    path = checkpoint / "checkpoint.json"
    index = json.loads(path.read_bytes())
    del index["sha256"]
    change(index)
    path.write_bytes(dump_index(index))


def rewrite_last(run: Path, change: Change) -> Path:
    rewrite(run / "checkpoints" / "last", change)
    return run


def seal_model(checkpoint: Path, data: bytes) -> Path:
    """Put other bytes in place of the weights, and their size and checksum into the index."""
    (checkpoint / "model.safetensors").write_bytes(data)
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "tensors": {}}
    rewrite(checkpoint, put("files", "model.safetensors", value=entry))
    return checkpoint


def put(*path: Any, value: Any) -> Change:
    """A change that puts a value at a key path."""

    def change(index: Index) -> None:
        place: Any = index
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def without(key: str) -> Change:
    return lambda index: index.pop(key)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


MODEL = ("files", "model.safetensors")
WEIGHT = (*MODEL, "tensors", "1.weight")

CHANGES: dict[str, Change] = {
    **{f"no {key}": without(key) for key in ("schema_version", "threads", "progress", "state", "files", "config")},
    "an unknown key": put("exec", value="os.system"),
    "a later schema": put("schema_version", value=3),
    "the schema of quantized checkpoints": put("schema_version", value=2),
    "quantization that is text": put("quantization", value="static"),
    "schema 0": put("schema_version", value=0),
    "schema true": put("schema_version", value=True),
    **{f"threads {value}": put("threads", value=value) for value in (0, -1, 10**9, "2", 1.5, None, 2**80)},
    "other kernels": put("kernels", value="os"),
    "a version that is a list": put("trainctl_version", value=["0"]),
    **{
        f"progress.{key} {value!r}": put("progress", key, value=value)
        for key, value in [
            ("epoch", 0),
            ("epoch", 2**70),
            ("epoch", "4"),
            ("epoch", 9),
            ("step", -1),
            ("samples", 1.5),
            ("loss_sum", "nan"),
            ("lr", "0.1"),
            ("best", {}),
            ("best", {"value": 1.0, "epoch": 99, "global_step": 1}),
            ("history", {}),
            ("history", [1, 2, 3]),
            ("history", [{"epoch": 2, "global_step": 1, "train_loss": 1.0}] * 3),
            ("history", [{"epoch": each, "global_step": 5, "train_loss": "x"} for each in (1, 2, 3)]),
            ("more", 1),
        ]
    },
    "state of an unknown kind": put("state", value={"$eval": "1"}),
    "state that names no tensor": put("state", "rng", value={"$tensor": "../../secret"}),
    "state that is nested": put("state", value=_nested(400)),
    "files that are elsewhere": put("files", "../../secret", value={}),
    "a file of 2**62 bytes": put(*MODEL, "bytes", value=2**62),
    "a file of -1 bytes": put(*MODEL, "bytes", value=-1),
    "no tensors": put(*MODEL, "tensors", value={}),
    "another tensor": put(*MODEL, "tensors", "w", value={"dtype": "float32", "bytes": [0, 8], "crc32": 0}),
    "a tensor past the end": put(*WEIGHT, "bytes", value=[0, 2**60]),
    "a tensor at another place": put(*WEIGHT, "bytes", value=[8, 16]),
    "a tensor of objects": put(*WEIGHT, "dtype", value="object"),
    "a tensor of another type": put(*WEIGHT, "dtype", value="float64"),
    "a tensor of complex numbers": put(*WEIGHT, "dtype", value="complex64"),
    "a checksum of 2**40": put(*WEIGHT, "crc32", value=2**40),
    "a checksum that is no checksum": put(*MODEL, "sha256", value="0"),
    "a config that is a number": put("config", value=1),
    "a config of two megabytes": put("config", value="#" * (2 << 20)),
    "a config that leads elsewhere": put("config", value="extends: ../../secret\n"),
    "plugins in the config": put("config", value="plugins: [antigravity, ../../secret.py]\n"),
    **{
        f"config: {name}": put("config", value=configs.FILES[name].decode())
        for name in ("billion laughs", "code by a tag", "nested lists", "a name by a tag")
    },
}

TEXTS: dict[str, bytes] = {
    "many empty lists": b"[" + b"[]," * 1_500_000 + b"[]]",
    "a long string": b'{"a": "' + b"a" * (30 << 20) + b'"}',
    "a key twice": b'{"schema_version": 1, "schema_version": 1}',
    "NaN": b'{"schema_version": NaN}',
    "1e400": b'{"schema_version": 1, "a": 1e400}',
    "a number of 5,000 digits": b'{"schema_version": ' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"\xff": 1}',
    "UTF-16": '{"schema_version": 1}'.encode("utf-16"),
    "zeros": bytes(100_000),
}


def drop_figures(index: Index) -> None:
    for row in index["progress"]["history"]:
        row.pop("val_loss", None)


def other_optimizer(index: Index) -> None:
    index["state"]["optimizer"] = {"state": {"a": 1}, "param_groups": "b"}


def no_optimizer(index: Index) -> None:
    index["state"] = {"rng": index["state"]["rng"]}


def other_stream(index: Index) -> None:
    index["state"]["rng"] = {"$tensor": next(iter(index["files"]["state.safetensors"]["tensors"]))}
