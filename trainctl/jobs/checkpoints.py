"""What is in a checkpoint, and whether every byte of it is the one that was written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.errors import CheckpointError, ConfigError
from trainctl.storage.files import reading
from trainctl.storage.tensor_file import array_of, read_tensors
from trainctl.train.checkpoint import INDEX, MODEL, STATE, examine, read_checkpoint
from trainctl.train.checkpoint_files import DamagedFile, told
from trainctl.train.layout import BEST, CHECKPOINTS, CONFIG, LAST, linked, steps
from trainctl.train.resolve import find_checkpoint, find_run

SCHEMA_VERSION = 1
"""Of what :func:`inspect_checkpoint` and :func:`verify_checkpoints` return."""


def inspect_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint, or any safetensors file, holds, as plain data; nothing is built or imported.

    Args:
        path: a run, whose best checkpoint is meant, a checkpoint, or a safetensors file.

    Returns:
        ``tensors``: name, file, dtype, shape, bytes and figures of each; of a checkpoint also where the run was
        (``position``), its config in short, what wrote it, and how it was quantized, None where it was not.

    Raises:
        CheckpointError: there is none, or it is damaged.

    Example:
        >>> inspect_checkpoint("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    if _is_loose(Path(path)):
        tensors = _tensors(Path(path).name, _read_loose(Path(path)))
        return {"schema_version": SCHEMA_VERSION, "path": str(path), **_size(tensors), "tensors": tensors}
    found = find_checkpoint(path)
    checkpoint = read_checkpoint(found)
    tensors = _tensors(MODEL, checkpoint.model) + _tensors(STATE, checkpoint.arrays)
    position = asdict(checkpoint.progress)
    history = position.pop("history")
    return {
        "schema_version": SCHEMA_VERSION,
        "path": str(found),
        "position": {**position, "epochs_done": len(history), "last_row": history[-1] if history else None},
        "config": _config(checkpoint.config),
        "threads": checkpoint.threads,
        "kernels": checkpoint.kernels,
        "trainctl_version": checkpoint.version,
        "quantization": checkpoint.quantization and checkpoint.quantization.plain(),
        **_size(tensors),
        "tensors": tensors,
    }


def verify_checkpoints(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, every checkpoint of a run, or a safetensors file, and return what is damaged.

    Args:
        path: a run, a checkpoint, or a safetensors file.

    Returns:
        ``checkpoints``: of each its path, the links that name it, and ``damage``: the file, what is wrong with it,
        and the tensors that it is in. ``intact``: whether there is none at all.

    Raises:
        CheckpointError: there is nothing to verify.

    Example:
        >>> verify_checkpoints("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    path = Path(path)
    with told(path):
        checked = _checked(path)
    intact = all(not each["damage"] for each in checked)
    return {"schema_version": SCHEMA_VERSION, "path": str(path), "intact": intact, "checkpoints": checked}


def _checked(path: Path) -> list[dict[str, Any]]:
    if _is_loose(path):
        return [_verified(path, [], _loose_errors(path))]
    if _is_run(run := find_run(path.parent if path.name == CHECKPOINTS else path)):
        return _verified_run(run)
    found = find_checkpoint(path)
    return [_verified(found, [], examine(found))]


def _is_run(path: Path) -> bool:
    return (path / CHECKPOINTS).is_dir() or (path / CONFIG).is_file()


def _verified_run(run: Path) -> list[dict[str, Any]]:
    find_checkpoint(run, "last")  # says so where there is no checkpoint at all
    directory = run / CHECKPOINTS
    names: dict[Path, list[str]] = {step: [] for step in steps(directory)}
    broken = []
    for link in (LAST, BEST):
        try:
            target = linked(directory / link)
        except CheckpointError as error:
            broken.append(_verified(directory / link, [], [error]))
            continue
        if target is not None:
            names.setdefault(target, []).append(link)
        elif (directory / link).is_symlink():
            what = CheckpointError(f"{directory / link}: names a checkpoint that is not there")
            broken.append(_verified(directory / link, [], [what]))
    return [_verified(each, links, examine(each)) for each, links in names.items()] + broken


def _verified(path: Path, links: list[str], errors: list[CheckpointError]) -> dict[str, Any]:
    damage = [
        {"message": error.message, "tensors": list(error.tensors) if isinstance(error, DamagedFile) else []}
        for error in errors
    ]
    return {"path": str(path), "links": links, "damage": damage}


# -- safetensors files that are no checkpoint's -------------------------------------------------------


def _is_loose(path: Path) -> bool:
    return path.suffix == ".safetensors" and path.is_file() and not (path.parent / INDEX).is_file()


def _read_loose(path: Path) -> dict[str, Any]:
    with told(path), reading(path, follow=True) as file:
        try:
            header, data = read_tensors(file)
        except ValueError as error:
            raise CheckpointError(f"{path}: not a safetensors file: {error}") from None
    return {name: array_of(data, entry) for name, entry in header.entries.items()}


def _loose_errors(path: Path) -> list[CheckpointError]:
    try:
        _read_loose(path)
    except CheckpointError as error:
        return [error]
    return []


# -- in short -----------------------------------------------------------------------------------------


def _size(tensors: list[dict[str, Any]]) -> dict[str, int]:
    own = [each for each in tensors if each["file"] != STATE]
    return {"elements": sum(math.prod(each["shape"]) for each in own), "bytes": sum(each["bytes"] for each in tensors)}


def _tensors(file: str, arrays: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "file": file,
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "bytes": math.prod(array.shape) * array.dtype.itemsize,
            **_figures(array),
        }
        for name, array in arrays.items()
    ]


def _figures(array: Any) -> dict[str, Any]:
    """Least, greatest, mean and standard deviation of the finite elements; None of none, or of complex numbers."""
    values = np.asarray(array.astype(np.float64) if array.dtype.kind != "c" else np.abs(array)).reshape(-1)
    finite = values[np.isfinite(values)]
    if not finite.size or array.dtype.kind == "c":
        least = greatest = mean = deviation = None
    else:
        least, greatest = float(finite.min()), float(finite.max())
        mean, deviation = float(finite.mean()), float(finite.std())
    return {"min": least, "max": greatest, "mean": mean, "std": deviation, "not_finite": values.size - finite.size}


def _config(text: str) -> dict[str, Any]:
    """The config in a line or two: names and figures, without its parts being looked up."""
    from trainctl.config.reader import read

    try:
        tree, _ = read(text, INDEX)
    except ConfigError:
        return {}
    plain = tree.plain() if tree is not None else None
    if not isinstance(plain, dict):
        return {}
    data, train = (plain[key] if isinstance(plain.get(key), dict) else {} for key in ("data", "train"))
    short = {key: plain.get(key) for key in ("name", "seed", "loss", "optimizer")}
    return {
        **short,
        "dataset": data.get("dataset"),
        "batch_size": data.get("batch_size"),
        "epochs": train.get("epochs"),
    }
