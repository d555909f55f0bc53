"""A checkpoint in a directory of its own, which belongs to no run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from trainctl.errors import CheckpointError, TrainctlError, UsageError
from trainctl.storage.files import (
    TEMPORARY,
    fsync_directory,
    is_directory,
    listing,
    make_directory,
    new_directory,
    remove,
    rename,
    write_file,
)
from trainctl.train.checkpoint import INDEX, MODEL, STATE, Checkpoint, check_written, encode
from trainctl.train.layout import CHECKPOINTS, CONFIG

_FILES = frozenset({INDEX, MODEL, STATE})


def check_place(path: Path, source: Path, *, force: bool = False) -> None:
    """Check that a checkpoint may be written at ``path``; nothing is touched.

    Args:
        path: where.
        source: the checkpoint it is made from.
        force: whether a checkpoint that is there may go.

    Raises:
        UsageError: something is there already that may not go, or nothing can be there.
    """
    for place in path.parents:
        if place.exists() and not place.is_dir():
            raise UsageError(f"{place}: a file, where a directory was to be", hint="choose another --output-dir")
    if path.parent.name == CHECKPOINTS or path.name == CHECKPOINTS:
        hint = "choose another --output-dir, next to the run or in it"
        raise UsageError(f"{path}: the checkpoints of a run are the run's own", hint=hint)
    if not path.exists() and not path.is_symlink():
        return
    if not is_directory(path):
        raise UsageError(f"{path}: not a directory", hint="choose another --output-dir")
    inside = {entry.name for entry in listing(path)}
    if not inside:
        return
    if (path / CONFIG).exists() or (path / CHECKPOINTS).exists():
        raise UsageError(f"{path}: holds a run", hint="choose another --output-dir, in it or next to it")
    if path.resolve() == source.resolve():
        raise UsageError(f"{path}: is the model that is quantized", hint="choose another --output-dir")
    if not inside <= _FILES:
        other = sorted(inside - _FILES)[0]
        raise UsageError(
            f"{path}: the directory is not empty: {other} is no part of a checkpoint; nothing in it is touched",
            hint="choose another --output-dir",
        )
    if not force:
        raise UsageError(f"{path}: holds a checkpoint already", hint="--force replaces it")


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint: all of it or nothing. One that is there goes when the new one is whole.

    Raises:
        TrainctlError: the system refused, or gave back other bytes than were written.
    """
    temporary, old = (path.with_name(f"{TEMPORARY}{kind}{path.name}") for kind in ("new-", "old-"))
    try:
        make_directory(path.parent)
        try:
            remove(temporary)  # what a killed process left
            new_directory(temporary)
            for name, parts in encode(checkpoint).items():
                write_file(temporary / name, *parts)
            fsync_directory(temporary)
            check_written(temporary)
            _take_place(temporary, path, old)
        except BaseException:
            with suppress(OSError, MemoryError):
                remove(temporary)  # on a full disk, half a checkpoint is in the way
            raise
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or f"out of memory: {error}".removesuffix(": ")
        raise TrainctlError(f"{path}: cannot be written: {reason}", hint="nothing was written there") from error
    except CheckpointError as error:
        raise TrainctlError(f"{path}: cannot be written: {error.message}", hint="nothing was written there") from error


def _take_place(temporary: Path, path: Path, old: Path) -> None:
    if is_directory(path):
        remove(old)
        rename(path, old)
    try:
        rename(temporary, path)
    except OSError:
        if is_directory(old):
            rename(old, path)
        raise
    fsync_directory(path.parent)
    remove(old)
