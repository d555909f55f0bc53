"""Files that are whole or absent, whatever kills the process or the machine in between."""

from __future__ import annotations

import os
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of unfinished files and directories begin; whoever holds a run's lock may delete them."""


def write_file(path: Path, data: bytes) -> None:
    """Write a file and wait until its bytes are on the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def fsync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file such that a reader sees the old bytes or the new ones, never a part.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "summary.json"
        >>> replace_file(path, b"{}")
        >>> path.read_bytes(), len(list(path.parent.iterdir()))
        (b'{}', 1)
    """
    temporary = path.with_name(TEMPORARY + path.name)
    write_file(temporary, data)
    os.replace(temporary, path)
    fsync_directory(path.parent)


def replace_link(path: Path, target: str) -> None:
    """Point the symbolic link ``path`` at ``target``; it names the old target or the new one, always one."""
    temporary = path.with_name(TEMPORARY + path.name)
    temporary.unlink(missing_ok=True)
    os.symlink(target, temporary)
    os.replace(temporary, path)
    fsync_directory(path.parent)
