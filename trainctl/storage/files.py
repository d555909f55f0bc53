"""Files that are whole or absent, whatever kills the process or the machine in between.

All file work of a run goes through these functions, and through this module's ``os``: there the tests let each
operation fail in turn. What is refused is an :class:`OSError`, whose text and file name say what and which.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of unfinished files and directories begin; whoever holds a run's lock may delete them."""

Bytes = bytes | memoryview

POINTER_LIMIT = 300
"""Bytes of a pointer file, which stands in for a symbolic link; the name of a directory fits in."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link, which is not followed: it could lead anywhere",
}

# -- reading ------------------------------------------------------------------------------------------


class InputFile:
    """A regular file open for reading. Make one with :func:`reading`.

    Attributes:
        path: the file.
        size: its bytes when it was opened.
    """

    def __init__(self, path: str | os.PathLike[str], descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def fill(self, buffer: bytearray, start: int = 0) -> int:
        """Read until ``buffer`` is full from ``start`` on, or the file ends; return where the bytes end."""
        with memoryview(buffer) as view:
            while start < len(view) and (count := os.readv(self._descriptor, [view[start:]])):
                start += count
        return start

    def read(self, count: int) -> bytearray:
        """Return the next ``count`` bytes, fewer where the file ends before."""
        buffer = bytearray(min(count, self.size))
        del buffer[self.fill(buffer) :]
        return buffer


@contextmanager
def reading(path: str | os.PathLike[str], *, follow: bool = False) -> Iterator[InputFile]:
    """Open a regular file: never a pipe that would block, nor a device that never ends.

    Args:
        path: the file.
        follow: whether it may be a symbolic link, as one that a person typed may be.

    Raises:
        OSError: it is missing, unreadable, or no regular file.
    """
    try:
        _require_regular(os.stat(path, follow_symlinks=follow).st_mode, path)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(path, flags)
    except ValueError as error:  # a null character in the name
        raise OSError(errno.EINVAL, str(error), ascii(os.fspath(path))) from None
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)  # again: what lies there may be another by now
        yield InputFile(path, descriptor)
    except OSError as error:
        error.filename = os.fspath(path)
        raise
    finally:
        os.close(descriptor)


def read_file(path: str | os.PathLike[str], limit: int, *, follow: bool = False) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: the file.
        limit: the most bytes it may have.
        follow: whether it may be a symbolic link.

    Raises:
        OSError: it is missing, unreadable, no regular file, or over the limit.

    Example:
        >>> read_file("/dev/null", 100)
        Traceback (most recent call last):
        OSError: [Errno 22] a device; expected a file: '/dev/null'
    """
    with reading(path, follow=follow) as file:
        if file.size > limit:
            raise OSError(errno.EFBIG, f"{file.size} bytes; expected at most {limit}", os.fspath(path))
        return bytes(file.read(limit))


def read_typed(path: str, limit: int) -> bytes:
    """Return the bytes of what a person typed the name of: a file, a link to one, or a pipe that is being written.

    Args:
        path: the file; ``<(command)`` of a shell is such a pipe.
        limit: the most bytes that are read; what comes back is longer than that where there are more.

    Raises:
        OSError: it is missing, unreadable, a directory or a device.
    """
    if not stat.S_ISFIFO(os.stat(path).st_mode):
        with reading(path, follow=True) as file:
            return bytes(file.read(limit + 1))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # where nobody writes, it is empty at once
    try:
        os.set_blocking(descriptor, True)
        data = b""
        while len(data) <= limit and (part := os.read(descriptor, limit + 1 - len(data))):
            data += part
        return data
    finally:
        os.close(descriptor)


def _require_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, f"{_KINDS.get(stat.S_IFMT(mode), 'no file')}; expected a file", os.fspath(path))


def listing(path: Path) -> list[Path]:
    """Return what a directory holds, by name."""
    with os.scandir(path) as entries:
        return sorted(path / entry.name for entry in entries)


def is_directory(path: Path) -> bool:
    """Return whether a directory is there that is no link to one."""
    return path.is_dir() and not path.is_symlink()


# -- writing ------------------------------------------------------------------------------------------


def write_file(path: Path, *parts: Bytes) -> None:
    """Write a new file, one part after another, and wait until its bytes are on the disk.

    Raises:
        OSError: the system refused, or there is something at ``path`` already.
    """
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        for part in parts:
            _write(descriptor, part)
        os.fsync(descriptor)


def append_file(path: Path, data: bytes) -> None:
    """Add bytes to a file, all of them or none; it need not be there yet."""
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, data)
        except (OSError, MemoryError):
            with suppress(OSError, MemoryError):
                os.ftruncate(descriptor, size)  # half a row is no row
            raise


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    except OSError as error:
        error.filename = os.fspath(path)  # what fails on a descriptor does not say whose it is
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: Bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)  # on a full disk, a part of it
        if not written:
            raise OSError(errno.EIO, "nothing more can be written")
        rest = rest[written:]


def fsync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def replace_file(path: Path, *parts: Bytes) -> None:
    """Write a file such that a reader sees the old bytes or the new ones, never a part.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "summary.json"
        >>> replace_file(path, b"{}")
        >>> path.read_bytes(), len(list(path.parent.iterdir()))
        (b'{}', 1)
    """
    with _aside(path) as temporary:
        write_file(temporary, *parts)


def replace_link(path: Path, target: str) -> None:
    """Point ``path`` at its sibling ``target``; it names the old one or the new one, always one.

    Where the file system has no symbolic links, ``path`` becomes a file with the sibling's name in it.
    """
    with _aside(path) as temporary:
        try:
            os.symlink(target, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            write_file(temporary, target.encode() + b"\n")


def read_link(path: Path) -> str | None:
    """Return the name that a link, or the file in its place, holds; None where there is neither.

    Raises:
        OSError: it cannot be read.
    """
    try:
        if path.is_symlink():
            return os.readlink(path)
        return read_file(path, POINTER_LIMIT).decode().removesuffix("\n") if path.is_file() else None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Where to make what then takes the name ``path``; nothing of it stays where that fails."""
    temporary = path.with_name(TEMPORARY + path.name)
    try:
        remove(temporary)  # what a killed process left
        yield temporary
        os.replace(temporary, path)
    except (OSError, MemoryError):
        with suppress(OSError, MemoryError):
            remove(temporary)
        raise
    fsync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory and the missing ones above it, and wait until their names are on the disk."""
    if path.is_dir():
        return
    if path.parent != path:
        make_directory(path.parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    fsync_directory(path.parent)


def new_directory(path: Path) -> None:
    """Make a directory that is not there yet."""
    os.mkdir(path)


def rename(source: Path, target: Path) -> None:
    """Give a file or directory another name."""
    os.rename(source, target)


def remove(path: Path) -> None:
    """Delete a file, a link (not what it names) or a directory with all that is in it, if it is there."""
    if is_directory(path):
        for entry in listing(path):
            remove(entry)
        os.rmdir(path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def remove_temporaries(path: Path) -> None:
    """Delete what killed processes left unfinished in a directory."""
    for entry in listing(path):
        if entry.name.startswith(TEMPORARY):
            remove(entry)
