"""From what a person types to a checkpoint on disk. Reads only; a run may be training meanwhile."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from pathlib import Path

import yaml

from trainctl.errors import CheckpointError
from trainctl.train.checkpoint import INDEX, MODEL, STATE
from trainctl.train.store import BEST, LAST, steps

CHECKPOINTS = "checkpoints"
CONFIG = "config.resolved.yaml"
_FILES = (INDEX, MODEL, STATE)
_LINKS = {"best": BEST, "last": LAST, "latest": LAST}
_LONGEST_SECTION = 1 << 16
_OTHER = "name another checkpoint of the run, or the run itself"


def find_checkpoint(path: str | Path, default: str = BEST) -> Path:
    """Return the directory of the checkpoint that ``path`` means.

    Args:
        path: a run directory, ``RUN/best``, ``RUN/last``, a checkpoint directory, or a file in one.
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
    if path.name in _FILES and path.is_file():
        path = path.parent
    if any((path / name).is_file() for name in _FILES):
        return _follow(path)
    if path.is_symlink() and not path.exists():
        raise CheckpointError(f"{path}: names {os.readlink(path)}, which is not there", hint=_OTHER)
    if path.name in _LINKS and (path.parent / CHECKPOINTS).is_dir() and not path.exists():
        return _in_run(path.parent, [_LINKS[path.name]])
    if path.name == CHECKPOINTS and path.is_dir():
        path = path.parent
    if not path.is_dir():
        raise _nothing_there(path)
    if not (path / CHECKPOINTS).is_dir() and not (path / CONFIG).is_file():
        raise CheckpointError(
            f"{path}: neither a run directory (no {CHECKPOINTS}/ in it) nor a checkpoint (no {INDEX})",
            hint="name a run directory, or a checkpoint in RUN/checkpoints",
        )
    return _in_run(path, [_LINKS[default], LAST])


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
    runs = [entry for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
    dated = [(time, run) for run in runs if (time := _last_saved(run)) is not None]
    if not dated:
        raise CheckpointError(f"{root}: no run with a checkpoint in it", hint="trainctl train CONFIG makes one")
    return max(dated)[1]


def run_of(checkpoint: str | Path) -> Path:
    """Return the run directory that a checkpoint directory lies in, by its place alone."""
    return Path(checkpoint).parent.parent


def resume_command(run: str | Path) -> str:
    """Return the command that goes on with a run, whatever config and overrides it began with.

    Example:
        >>> resume_command("runs/mnist-mlp")
        'trainctl train runs/mnist-mlp/config.resolved.yaml --resume runs/mnist-mlp'
    """
    return (
        f"trainctl train {shlex.quote(str(Path(run) / CONFIG))} --resume {shlex.quote(str(run))}{plugin_options(run)}"
    )


def plugin_options(run: str | Path) -> str:
    """Return what a command on a run has to say of its plugins: ``" --plugins net.py"``, or nothing."""
    return "".join(f" --plugins {shlex.quote(each)}" for each in _plugins_of(Path(run)))


def _plugins_of(run: Path) -> list[str]:
    """The plugins that a run's config names: nothing of them is imported unless the command names them, too."""
    try:
        text = (run / CONFIG).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    section = re.search(r"^plugins:(?:\n[- ].*)+", text, re.MULTILINE)
    if section is None or len(section[0]) > _LONGEST_SECTION:
        return []
    try:
        listed = yaml.safe_load(section[0])["plugins"]
    except yaml.YAMLError:
        return []
    named = [each.get("file") or each.get("module") for each in listed if isinstance(each, dict)]
    return [each for each in named if isinstance(each, str)]


def _in_run(run: Path, links: list[str]) -> Path:
    """The checkpoint of a run that the first of ``links`` names, or, with two, any that is there."""
    directory = run / CHECKPOINTS
    for link in links:
        if (directory / link).is_dir():
            return _follow(directory / link)
    found = steps(directory) if len(links) > 1 and directory.is_dir() else []
    if found:
        return found[-1]
    which = "checkpoint" if len(links) > 1 else f"{links[0]} checkpoint"
    raise CheckpointError(f"{run}: the run has no {which} yet", hint=resume_command(run))


def _follow(path: Path) -> Path:
    """The directory a link names, so that messages and records tell the step."""
    return path.parent / os.readlink(path) if path.is_symlink() else path


def _last_saved(run: Path) -> float | None:
    """When the run's newest checkpoint was written, None where it has none."""
    directory = run / CHECKPOINTS
    if not directory.is_dir():
        return None
    places = [directory / LAST, directory / BEST, *steps(directory)]
    return max((index.stat().st_mtime for place in places if (index := place / INDEX).is_file()), default=None)


def _nothing_there(path: Path) -> CheckpointError:
    if path.exists():
        return CheckpointError(f"{path}: a file, not a run directory or a checkpoint", hint=f"name the {MODEL} of one")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f"did you mean {path.parent / near[0]}?" if near else "trainctl train CONFIG makes a run"
    return CheckpointError(f"{path}: no such run or checkpoint", hint=hint)
