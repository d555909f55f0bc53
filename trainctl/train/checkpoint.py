"""A checkpoint: everything a run needs to go on as if it had never stopped, as three files.

``model.safetensors`` holds the weights under plain ``state_dict`` keys, ``state.safetensors`` the tensors of
the optimizer and of the random stream, ``checkpoint.json`` the rest and the checksums of all three. The same
state gives the same bytes of the first two, so that runs can be compared by SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.errors import CheckpointError
from trainctl.storage.packing import Arrays
from trainctl.version import __version__

SCHEMA_VERSION = 1
MODEL, STATE, INDEX = "model.safetensors", "state.safetensors", "checkpoint.json"

_ANOTHER = "use another checkpoint of the run (checkpoints/last or checkpoints/best), or a copy of this one"


@dataclass
class Best:
    """The best epoch so far by the monitored value."""

    value: float
    epoch: int
    global_step: int


@dataclass
class Progress:
    """How far a run is. Epochs count from 1; sums are over the samples of the epoch so far.

    Attributes:
        epoch: the epoch that the next step belongs to.
        step: steps done in that epoch.
        global_step: steps done in all.
        samples: samples seen in that epoch.
        loss_sum: sum of their losses.
        seconds: time spent so far, over all sessions of the run.
        train_seconds: the part of it that was training.
        lr: the learning rate of the last step.
        best: the best epoch so far.
        history: one row of the metrics file for each finished epoch.
    """

    epoch: int = 1
    step: int = 0
    global_step: int = 0
    samples: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    train_seconds: float = 0.0
    lr: float | None = None
    best: Best | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Progress:
        """Return the progress that ``asdict`` turned into ``values``."""
        best = values["best"]
        return cls(**{**values, "best": best and Best(**best)})


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at one step.

    Attributes:
        config: the resolved config, YAML text.
        threads: the number of threads, on which the bits of a result may depend.
        kernels: whose loops ran, ``numba`` or ``numpy``; the bits depend on that, too.
        progress: how far the run is.
        model: the weights by ``state_dict`` key.
        state: the state of the optimizer, its schedule and the random stream, packed (see :mod:`trainctl.storage.packing`).
        arrays: the arrays that ``state`` refers to.
    """

    config: str
    threads: int
    kernels: str
    progress: Progress
    model: Arrays
    state: Any
    arrays: Arrays


def encode(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Return the three files of a checkpoint, by name."""
    files = {MODEL: _encode_arrays(checkpoint.model), STATE: _encode_arrays(checkpoint.arrays)}
    index = {
        "schema_version": SCHEMA_VERSION,
        "trainctl_version": __version__,
        "threads": checkpoint.threads,
        "kernels": checkpoint.kernels,
        "progress": asdict(checkpoint.progress),
        "state": checkpoint.state,
        "files": {
            MODEL: _describe(files[MODEL], checkpoint.model),
            STATE: _describe(files[STATE], checkpoint.arrays),
        },
        "config": checkpoint.config,
    }
    return {**files, INDEX: _dump({**index, "sha256": _sha256(_dump(index))})}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Return the checkpoint in a directory, every byte of it checked.

    Raises:
        CheckpointError: a file is missing, damaged, or of a later version of trainctl; the message names the
            file, and the tensor where the damage is in one.

    Example:
        >>> read_checkpoint("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run/checkpoint.json: no such file
    """
    path = Path(path)
    index = _read_index(path / INDEX)
    model, arrays = (_read_arrays(path / name, index["files"][name]) for name in (MODEL, STATE))
    progress = Progress.from_json(index["progress"])
    kernels = index.get("kernels", "numpy")  # of a version that had no others
    return Checkpoint(index["config"], index["threads"], kernels, progress, model, index["state"], arrays)


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a checkpoint's ``model.safetensors``, as its index has it.

    Raises:
        CheckpointError: the index is missing or damaged.
    """
    return _read_index(path / INDEX)["files"][MODEL]["sha256"]


# -- checkpoint.json ----------------------------------------------------------------------------------


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode() + b"\n"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_index(path: Path) -> dict[str, Any]:
    data = _read_bytes(path)
    try:
        index = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON: {error}", hint=_ANOTHER) from None
    version = index.get("schema_version") if isinstance(index, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path}: not the index of a checkpoint: no schema_version", hint=_ANOTHER)
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path}: schema_version {version}; trainctl {__version__} reads up to {SCHEMA_VERSION}",
            hint="upgrade trainctl to the version that wrote the checkpoint",
        )
    if not _is_intact(index, data):
        raise CheckpointError(f"{path}: damaged or edited: its checksum does not match", hint=_ANOTHER)
    return index


def _is_intact(index: dict[str, Any], data: bytes) -> bool:
    """Whether the checksum holds, and what was parsed prints as the very bytes that were read."""
    body = {key: value for key, value in index.items() if key != "sha256"}
    try:
        return index.get("sha256") == _sha256(_dump(body)) and _dump(index) == data
    except ValueError:  # a number that overflows to infinity
        return False


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file", hint=_ANOTHER) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}", hint=_ANOTHER) from error


# -- the safetensors files ----------------------------------------------------------------------------


def _encode_arrays(arrays: Arrays) -> bytes:
    from safetensors.numpy import save

    return save({name: _storable(array) for name, array in arrays.items()})


def _storable(array: np.ndarray) -> np.ndarray:
    """The array in C order (safetensors takes the bytes as they lie); complex numbers as pairs."""
    array = np.asarray(array, order="C")
    if array.dtype.kind != "c":
        return array
    return array.reshape(-1).view(array.real.dtype).reshape(*array.shape, 2)


def _describe(data: bytes, arrays: Arrays) -> dict[str, Any]:
    """Size and checksums of a safetensors file; those of its tensors tell where a damaged file is damaged."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    tensors = {}
    for name, array in arrays.items():
        begin, end = (start + offset for offset in header[name]["data_offsets"])
        tensors[name] = {
            "dtype": array.dtype.name,
            "bytes": [begin, end],
            "crc32": zlib.crc32(data[begin:end]),
        }
    return {"bytes": len(data), "sha256": _sha256(data), "tensors": tensors}


def _read_arrays(path: Path, expected: dict[str, Any]) -> Arrays:
    from safetensors.numpy import load

    data = _read_bytes(path)
    if len(data) != expected["bytes"]:
        size = f"{len(data)} bytes, expected {expected['bytes']}"
        raise CheckpointError(f"{path}: damaged: {size}{_damaged_tensors(data, expected)}", hint=_ANOTHER)
    if _sha256(data) != expected["sha256"]:
        where = _damaged_tensors(data, expected) or " in its header"
        raise CheckpointError(f"{path}: damaged: its SHA-256 does not match{where}", hint=_ANOTHER)
    arrays = load(data)
    return {name: _restored(arrays[name], entry["dtype"]) for name, entry in expected["tensors"].items()}


def _restored(array: np.ndarray, dtype: str) -> np.ndarray:
    return array if array.dtype == dtype else array.reshape(-1).view(dtype).reshape(array.shape[:-1])


def _damaged_tensors(data: bytes, expected: dict[str, Any]) -> str:
    """``"; tensor 1.weight"``: which tensors' bytes are not those that were written."""
    damaged = []
    for name, entry in expected["tensors"].items():
        begin, end = entry["bytes"]
        if end > len(data) or zlib.crc32(data[begin:end]) != entry["crc32"]:
            damaged.append(name)
    if not damaged:
        return ""
    more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
    return f"; tensor {', '.join(damaged[:3])}{more}"
