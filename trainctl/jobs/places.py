"""Where jobs look for what they are not told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from trainctl.storage.files import is_directory, read_link, replace_link
from trainctl.train.resolve import LATEST

RUNS = Path("runs")
"""Where run directories are, unless told otherwise."""


def point_latest(run: Path) -> None:
    """Point ``runs/latest`` at a run in ``runs`` that has just saved; of a run elsewhere nothing is said.

    It is a convenience: where it cannot be written, or a run has that name, it stays as it is.

    Example:
        >>> import tempfile
        >>> runs = Path(tempfile.mkdtemp(), "runs")
        >>> (runs / "mnist-mlp").mkdir(parents=True)
        >>> point_latest(runs / "mnist-mlp")
        >>> (runs / "latest").resolve() == (runs / "mnist-mlp").resolve()
        True
    """
    pointer = run.parent / LATEST
    if run.parent.name != RUNS.name or is_directory(pointer):
        return
    with suppress(OSError):  # another process may be doing the same
        if read_link(pointer) != run.name:
            replace_link(pointer, run.name)
