"""Each file operation made to fail in turn, as SQLite's tests do it: in ``trainctl.storage.files``, where all go through."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trainctl.storage import files

OPERATIONS = {
    *("open", "write", "fsync", "readv", "scandir", "mkdir", "rename", "replace"),
    *("symlink", "readlink", "unlink", "rmdir", "ftruncate"),
}
ERRNOS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT]
KINDS: list[Any] = [*(errno.errorcode[code] for code in ERRNOS), "MemoryError", "short write", "no write"]


class FaultyOs:
    """The module ``os``, whose file operations are counted, and fail where a test says so.

    Args:
        fails: told an operation's number, from 0; whether it fails.
        kind: how: an error's name, or a write that takes half or none of its bytes.

    Attributes:
        done: the names of the operations so far.
    """

    def __init__(self, fails: Callable[[int], bool], kind: str = "EIO") -> None:
        self.fails, self.kind = fails, kind
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._operation(name, real) if name in OPERATIONS else real

    def _operation(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            number = len(self.done)
            self.done.append(name)
            if self.fails(number):
                if not self.kind.endswith("write"):
                    raise self._error(args)
                if name == "write":
                    return real(args[0], args[1][: len(args[1]) // 2]) if self.kind == "short write" else 0
            return None if name == "fsync" else real(*args, **kwargs)  # the tests lose no power

        return operation

    def _error(self, args: tuple[Any, ...]) -> Exception:
        if self.kind == "MemoryError":
            return MemoryError()
        code = getattr(errno, self.kind)
        named = [str(args[0])] if isinstance(args[0], str | Path) else []  # what fails on a descriptor names no file
        return OSError(code, os.strerror(code), *named)


@contextmanager
def faults(fails: Callable[[int], bool], kind: str = "EIO") -> Iterator[list[str]]:
    """Let the operations fail that ``fails`` says; what is yielded lists them as they are done."""
    faulty = FaultyOs(fails, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "os", faulty)
        yield faulty.done


def operations(act: Callable[[], object]) -> list[str]:
    """The operations that ``act`` does when none fails."""
    with faults(lambda number: False) as done:
        act()
    return done


def plans(count: int) -> Iterator[tuple[str, Callable[[int], bool], str]]:
    """Every way in which one of ``count`` operations fails, once or from then on: a name, ``fails`` and ``kind``."""
    for number in range(count):
        for kind in KINDS:
            yield f"{kind} at {number}", lambda each, number=number: each == number, kind
        for kind in ("ENOSPC", "EROFS", "MemoryError", "no write"):
            yield f"{kind} from {number} on", lambda each, number=number: each >= number, kind
