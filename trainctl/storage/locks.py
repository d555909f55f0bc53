"""A file that one process holds at a time; the system lets go of it when that process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from trainctl.storage import files

_LIMIT = 400
_TRIES = 4
_NOT_HERE = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


class Taken(Exception):
    """Another process holds the lock.

    Attributes:
        holder: which one, in words; empty where its file does not say.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class Lock:
    """A lock, held from its making until :meth:`release`, or the process's end.

    What the file says is for people alone. It is the system's lock on it that counts, and that goes with the
    process: neither a kill nor a lost machine leaves one behind. A forked child does not hold it.

    Args:
        path: the file; it stays when the lock goes.

    Raises:
        Taken: another process has it.
        OSError: the file cannot be made, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "lock")
        >>> lock = Lock(path)
        >>> path.read_text().startswith(f"pid {os.getpid()} on {os.uname().nodename}")
        True
        >>> lock.release()
    """

    def __init__(self, path: Path) -> None:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a symbolic link, which is not followed: it could lead anywhere", str(path))
        self._descriptor = files.os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        self._written = False
        _held.add(self)
        try:
            self._take(path)
        except BaseException:
            self.close()
            raise

    def _take(self, path: Path) -> None:
        try:
            self._lock()
        except BlockingIOError:
            raise Taken(_holder(path)) from None
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise OSError(error.errno, f"cannot be locked: {error.strerror}", str(path)) from error
            reason = f"its file system keeps no locks ({error.strerror}), so two runs could mix; use another disk"
            raise OSError(error.errno, reason, str(path)) from error
        with suppress(OSError, MemoryError):  # on a full disk the lock holds all the same
            since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            files.os.ftruncate(self._descriptor, 0)
            self._written = True
            files.os.write(self._descriptor, f"pid {os.getpid()} on {os.uname().nodename} since {since}\n".encode())

    def _lock(self) -> None:
        for _ in range(_TRIES - 1):
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)  # somebody may only be asking whether it is held
        return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let another process have it; the file is empty then."""
        if self._descriptor >= 0 and self._written:
            with suppress(OSError, MemoryError):
                files.os.ftruncate(self._descriptor, 0)
        self.close()

    def close(self) -> None:
        """Close the file, on which the lock hangs where no other process has it open too."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            files.os.close(descriptor)


_held: weakref.WeakSet[Lock] = weakref.WeakSet()


def _close_in_child() -> None:
    """A worker that outlives its killed parent must not keep the parent's lock."""
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)


def _holder(path: Path) -> str:
    try:
        text = files.read_file(path, _LIMIT).decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return text.strip() if re.fullmatch(r"pid \d+ on [\w.-]+ since [\d: UTC-]+\n", text) else ""
