"""What lies where in a run directory."""

from __future__ import annotations

import re
from pathlib import Path

from trainctl.errors import CheckpointError
from trainctl.storage.files import is_directory, listing, read_link

CHECKPOINTS = "checkpoints"
CONFIG = "config.resolved.yaml"
LAST, BEST = "last", "best"
_STEP = re.compile(r"step-(\d{1,18})(?:-(\d{1,9}))?")


def step_of(entry: Path) -> int | None:
    """Return the step that a checkpoint directory's name tells, None where it is no such name.

    Example:
        >>> step_of(Path("step-00000844")), step_of(Path("last"))
        (844, None)
    """
    match = _STEP.fullmatch(entry.name)
    return int(match[1]) if match else None


def steps(directory: Path) -> list[Path]:
    """Return the checkpoints in a ``checkpoints`` directory, oldest first, linked or not."""
    found = [(match, entry) for entry in listing(directory) if (match := _STEP.fullmatch(entry.name))]
    found.sort(key=lambda pair: (int(pair[0][1]), int(pair[0][2] or 0)))
    return [entry for _, entry in found if is_directory(entry)]


def linked(link: Path) -> Path | None:
    """Return the checkpoint that ``last`` or ``best`` names, None where it is not there.

    A link is a symbolic link, a file with a name in it where the file system has no links, or, in a copy that
    followed links, the checkpoint itself. It names a checkpoint beside it, wherever the run directory is.

    Raises:
        CheckpointError: it leads out of its directory.
    """
    if is_directory(link):
        return link
    name = read_link(link)
    if name is None:
        return None
    if name in ("", ".", "..") or not re.fullmatch(r"[^/\\\0\n]+", name):
        raise CheckpointError(
            f"{link}: leads to {name!a}, out of the run; expected the name of a checkpoint beside it",
            hint="name a checkpoint in the run, such as RUN/step-N",
        )
    target = link.parent / name
    return target if is_directory(target) else None
