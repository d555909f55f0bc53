"""From what a person types to a checkpoint on disk. Reads only; a run may be training meanwhile."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainctl.errors import CheckpointError
from trainctl.storage.files import read_link
from trainctl.train.checkpoint import INDEX, MODEL, STATE, Progress, read_progress
from trainctl.train.commands import resume_command
from trainctl.train.layout import BEST, CHECKPOINTS, CONFIG, LAST, linked, step_of, steps

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "LATEST",
    "config_of",
    "find_checkpoint",
    "find_run",
    "latest_run",
    "run_of",
]

LATEST = "latest"
"""In a run its last checkpoint; among runs the one that was last saved to."""

_FILES = (INDEX, MODEL, STATE)
_LINKS = {"best": BEST, "last": LAST, LATEST: LAST}
_COUNTED = re.compile(r"(step|epoch)-(\d{1,18})")
_OTHER = "name another checkpoint of the run, or the run itself"


def find_checkpoint(path: str | Path, default: str = BEST) -> Path:
    """Return the directory of the checkpoint that ``path`` means.

    Args:
        path: a run directory, ``RUN/best``, ``RUN/last``, ``RUN/step-N``, ``RUN/epoch-N``, a checkpoint directory,
            or a file in one.
        default: which checkpoint of a run directory is meant, ``"best"`` or ``"last"``; where the run has
            no such checkpoint, its last one.

    Raises:
        CheckpointError: there is nothing there, or no checkpoint in it.

    Example:
        >>> find_checkpoint("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    path = Path(path)
    with _told(path):
        named = _named_checkpoint(path)
        if named is not None:
            return named
        if path.name == CHECKPOINTS and path.is_dir():
            path = path.parent
        return _in_run(_checked_run(path), [_LINKS[default], LAST])


def find_run(path: str | Path) -> Path:
    """Return the run directory that ``path`` means: itself, but for the file that stands in for a link to it."""
    path = Path(path)
    if path.name == LATEST and path.is_file():
        name = read_link(path)
        if name and name == Path(name).name:
            return path.parent / name
    return path


def latest_run(root: str | Path = "runs") -> Path:
    """Return the run directory under ``root`` that was last written to.

    Raises:
        CheckpointError: no run there has a checkpoint.

    Example:
        >>> latest_run("no-such-folder")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: no-such-folder: no run with a checkpoint in it
    """
    root = Path(root)
    with _told(root):
        entries = [entry for entry in root.iterdir() if not _is_pointer(entry)] if root.is_dir() else []
        dated = [(time, run) for run in entries if run.is_dir() and (time := _last_saved(run)) is not None]
    if not dated:
        raise CheckpointError(f"{root}: no run with a checkpoint in it", hint="trainctl train CONFIG makes one")
    return max(dated)[1]


def config_of(run: Path) -> Path:
    """Return the path of a run's resolved config.

    Raises:
        CheckpointError: it is a link, which could make any file be read and shown.
    """
    path = run / CONFIG
    if path.is_symlink():
        hint = "put the file itself there"
        raise CheckpointError(f"{path}: a symbolic link; a run's config is read from inside the run alone", hint=hint)
    return path


def run_of(checkpoint: str | Path) -> Path:
    """Return the run directory that a checkpoint directory lies in, by its place alone."""
    return Path(checkpoint).parent.parent


def _is_pointer(entry: Path) -> bool:
    return entry.name == LATEST and not (entry.is_dir() and not entry.is_symlink())


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{error.filename or path}: {error.strerror}", hint=_OTHER) from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to look into it") from error


def _named_checkpoint(path: Path) -> Path | None:
    """The one checkpoint that a path names, None where it is for a run to say which."""
    if path.name in _FILES and path.is_file():
        path = path.parent
    _refuse_link(path.parent)
    if path.parent.name == CHECKPOINTS and path.name in (BEST, LAST) and os.path.lexists(path):
        return linked(path) or _dangling(path)
    if any((path / name).is_file() for name in _FILES):
        return path.parent / os.readlink(path) if path.is_symlink() else path
    if path.is_symlink() and not path.exists():
        return _dangling(path)
    if path.exists() or not (path.parent / CHECKPOINTS).is_dir():
        return None
    if path.name in _LINKS:
        return _in_run(path.parent, [_LINKS[path.name]])
    counted = _COUNTED.fullmatch(path.name)
    return _counted(path.parent, counted[1], int(counted[2])) if counted else None


def _checked_run(path: Path) -> Path:
    path = find_run(path)
    if not path.is_dir():
        raise _nothing_there(path)
    if not (path / CHECKPOINTS).is_dir() and not (path / CONFIG).is_file():
        raise CheckpointError(
            f"{path}: neither a run directory (no {CHECKPOINTS}/ in it) nor a checkpoint (no {INDEX})",
            hint="name a run directory, or a checkpoint in RUN/checkpoints",
        )
    return path


def _in_run(run: Path, links: list[str]) -> Path:
    """The checkpoint of a run that the first of ``links`` names, or, with two, any that is there."""
    directory = run / CHECKPOINTS
    _refuse_link(directory)
    for link in links:
        found = linked(directory / link) or (_best_of(directory) if link == BEST else None)
        if found:
            return found
    others = steps(directory) if len(links) > 1 and directory.is_dir() else []
    if others:
        return others[-1]
    which = "checkpoint" if len(links) > 1 else f"{links[0]} checkpoint"
    raise CheckpointError(f"{run}: the run has no {which} yet", hint=resume_command(run))


def _refuse_link(directory: Path) -> None:
    if directory.name == CHECKPOINTS and directory.is_symlink():
        raise CheckpointError(
            f"{directory}: a symbolic link; checkpoints are read from inside a run alone",
            hint="move the directory here, or make the whole run directory a link",
        )


def _best_of(directory: Path) -> Path | None:
    """The best checkpoint of a run whose links a copy has lost: the newest one remembers which it is."""
    progress = _newest_progress(directory)
    return _at_step(directory, progress.best.global_step) if progress and progress.best else None


def _newest_progress(directory: Path) -> Progress | None:
    found = linked(directory / LAST)
    places = [found] if found else steps(directory)[-1:] if directory.is_dir() else []
    try:
        return read_progress(places[0]) if places else None
    except CheckpointError:
        return None


def _at_step(directory: Path, number: int) -> Path | None:
    return next((step for step in reversed(steps(directory)) if step_of(step) == number), None)


def _counted(run: Path, kind: str, number: int) -> Path:
    """The checkpoint of a run after a step, or after an epoch."""
    directory = run / CHECKPOINTS
    _refuse_link(directory)
    step: int | None = number
    if kind == "epoch":
        progress = _newest_progress(directory)
        rows = progress.history if progress else []
        step = rows[number - 1]["global_step"] if 0 < number <= len(rows) else None
    found = None if step is None else _at_step(directory, step)
    if found is None:
        kept = ", ".join(step.name for step in steps(directory)) or "none"
        what = f"{run / f'{kind}-{number}'}: the run keeps no checkpoint of {kind} {number}; it has {kept}"
        raise CheckpointError(what, hint="train.keep_best and train.keep_last decide how many stay")
    return found


def _last_saved(run: Path) -> float | None:
    """When the run's newest checkpoint was written, None where it has none."""
    directory = run / CHECKPOINTS
    if directory.is_symlink() or not directory.is_dir():
        return None
    places = [directory / LAST, directory / BEST, *steps(directory)]
    return max((index.stat().st_mtime for place in places if (index := place / INDEX).is_file()), default=None)


def _dangling(path: Path) -> Path:
    raise CheckpointError(f"{path}: names {read_link(path)}, which is not there", hint=_OTHER)


def _nothing_there(path: Path) -> CheckpointError:
    if path.exists():
        return CheckpointError(f"{path}: a file, not a run directory or a checkpoint", hint=f"name the {MODEL} of one")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f"did you mean {path.parent / near[0]}?" if near else "trainctl train CONFIG makes a run"
    return CheckpointError(f"{path}: no such run or checkpoint", hint=hint)
