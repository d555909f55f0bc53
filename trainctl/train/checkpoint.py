"""A checkpoint: everything a run needs to go on as if it had never stopped, as three files.

``model.safetensors`` holds the weights under plain ``state_dict`` keys, ``state.safetensors`` the tensors of
the optimizer and of the random stream, ``checkpoint.json`` the rest and the checksums of all three. The same
state gives the same bytes of the first two, so that runs can be compared by SHA-256.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from trainctl.errors import CheckpointError
from trainctl.storage.files import Bytes
from trainctl.storage.packing import Arrays, check_packed
from trainctl.storage.quantization_record import QuantizationRecord
from trainctl.train.checkpoint_files import (
    ANOTHER,
    FileSum,
    Part,
    check_sum,
    dump_index,
    encode_arrays,
    read_arrays,
    read_index,
)
from trainctl.version import __version__

SCHEMA_VERSION = 2
"""1 where there is no ``quantization``: a trainctl that knows nothing of it reads that as ever."""
MODEL, STATE, INDEX = "model.safetensors", "state.safetensors", "checkpoint.json"

_EXACT = ConfigDict(extra="forbid")

Count = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]


@dataclass
class Best:
    """The best epoch so far by the monitored value."""

    __pydantic_config__: ClassVar = _EXACT

    value: Finite
    epoch: Count
    global_step: Count


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

    __pydantic_config__: ClassVar = _EXACT

    epoch: Count = 1
    step: Count = 0
    global_step: Count = 0
    samples: Count = 0
    loss_sum: Finite = 0.0
    seconds: Finite = 0.0
    train_seconds: Finite = 0.0
    lr: Finite | None = None
    best: Best | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


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
        version: the version of trainctl that wrote it.
        quantization: how the weights became codes; None where they are numbers.
    """

    config: str
    threads: int
    kernels: str
    progress: Progress
    model: Arrays
    state: Any
    arrays: Arrays
    version: str = __version__
    quantization: QuantizationRecord | None = None


class _Files(Part):
    model: Annotated[FileSum, Field(alias=MODEL)]
    state: Annotated[FileSum, Field(alias=STATE)]


class _Index(Part):
    """What ``checkpoint.json`` holds, but for its own checksum."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    trainctl_version: Annotated[str, Field(max_length=100)]
    threads: Annotated[int, Field(ge=1, lt=2**16)]
    kernels: Literal["numba", "numpy"] = "numpy"  # left out by a version that had no others
    progress: Annotated[Progress, BeforeValidator(TypeAdapter(Progress).validate_python)]
    state: Any
    files: _Files
    config: Annotated[str, Field(max_length=1 << 20)]
    quantization: QuantizationRecord | None = None


def encode(checkpoint: Checkpoint) -> dict[str, list[Bytes]]:
    """Return the three files of a checkpoint, by name, each in parts; the tensors are not copied.

    Raises:
        CheckpointError: something in it has no place in such files.
    """
    try:
        model, model_sum = encode_arrays(checkpoint.model)
        state, state_sum = encode_arrays(checkpoint.arrays)
        record = checkpoint.quantization
        index = {
            "schema_version": 1 if record is None else SCHEMA_VERSION,
            "trainctl_version": __version__,
            "threads": checkpoint.threads,
            "kernels": checkpoint.kernels,
            "progress": asdict(checkpoint.progress),
            "state": checkpoint.state,
            "files": {MODEL: model_sum, STATE: state_sum},
            "config": checkpoint.config,
            **({} if record is None else {"quantization": record.plain()}),
        }
        return {MODEL: model, STATE: state, INDEX: [dump_index(index)]}
    except ValueError as error:
        step = checkpoint.progress.global_step
        raise CheckpointError(f"cannot save the checkpoint of step {step}: {error}") from None


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
    model, arrays = read_arrays(path / MODEL, index.files.model), read_arrays(path / STATE, index.files.state)
    try:
        check_packed(index.state, arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{path / INDEX}: {error.message}", hint=error.hint or ANOTHER) from None
    return Checkpoint(
        index.config,
        index.threads,
        index.kernels,
        index.progress,
        model,
        index.state,
        arrays,
        index.trainctl_version,
        index.quantization,
    )


def check_written(path: Path) -> None:
    """Check, by reading it, that a checkpoint just written is on the disk as it was meant; no tensor is made.

    Raises:
        CheckpointError: a file is not what was written.
    """
    files = _read_index(path / INDEX).files
    check_sum(path / MODEL, files.model)
    check_sum(path / STATE, files.state)


def examine(path: str | Path) -> list[CheckpointError]:
    """Return what is wrong with a checkpoint: an error for each of its files that has one, none where it is whole."""
    path = Path(path)
    found: list[CheckpointError] = []
    try:
        files = _read_index(path / INDEX).files
    except CheckpointError as error:
        return [error]
    for name, expected in ((MODEL, files.model), (STATE, files.state)):
        try:
            read_arrays(path / name, expected)
        except CheckpointError as error:
            found.append(error)
    if not found:
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            found.append(error)
    return found


def read_progress(path: Path) -> Progress:
    """Return how far a run was at a checkpoint, of which only ``checkpoint.json`` is read.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return _read_index(path / INDEX).progress


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a checkpoint's ``model.safetensors``, as its index has it.

    Raises:
        CheckpointError: the index is missing or damaged.
    """
    return _read_index(path / INDEX).files.model.sha256


def read_quantization(path: Path) -> QuantizationRecord | None:
    """Return how a checkpoint was quantized, of which only ``checkpoint.json`` is read; None where it was not.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return _read_index(path / INDEX).quantization


def _read_index(path: Path) -> _Index:
    fields = read_index(path, SCHEMA_VERSION)
    try:
        index = _Index.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))[:200]
        raise CheckpointError(f"{path}: {where}: {first['msg'][:200]}", hint=ANOTHER) from None
    wrong = _contradiction(index.progress)
    if wrong:
        raise CheckpointError(f"{path}: progress: {wrong}", hint=ANOTHER)
    if (index.quantization is None) != (index.schema_version < SCHEMA_VERSION):
        which = "a" if index.quantization is not None else "no"
        raise CheckpointError(f"{path}: schema_version {index.schema_version} with {which} quantization", hint=ANOTHER)
    return index


def _contradiction(progress: Progress) -> str | None:
    """What in a run's progress cannot be true, None where nothing is."""
    rows, step = progress.history, 0
    if len(rows) != progress.epoch - 1:
        return f"{len(rows)} epochs in the history at epoch {progress.epoch}"
    for number, row in enumerate(rows, start=1):
        at, loss = row.get("global_step"), row.get("train_loss")
        if row.get("epoch") != number or type(at) is not int or not step <= at <= progress.global_step:
            return f"row {number} of the history is not of epoch {number}"
        if not isinstance(loss, int | float) or not math.isfinite(loss):
            return f"no train_loss in row {number} of the history"
        step = at
    best = progress.best
    if best and not (1 <= best.epoch < progress.epoch and best.global_step <= progress.global_step):
        return f"the best epoch is {best.epoch}"
    return None
