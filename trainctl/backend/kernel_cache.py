"""Compiled loops on disk, and what was compiled because it was not there.

One file for each loop and signature, named after all that the machine code depends on: the sources beside the loop,
the processor, the versions of Python and Numba. A file is whole or it is not used; nothing that happens to the folder
is an error, it costs time alone.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_DIGEST = hashlib.sha256


class Log:
    """What this process compiled, and how long it took.

    Attributes:
        compiled: how many loops, each signature counted.
        seconds: the time of it.
        kept: whether the last one is in the cache now.
        making: seconds in which loops were made ready, loaded ones and imports included.
        on_start: called before each compilation.
    """

    def __init__(self) -> None:
        self.compiled, self.seconds, self.kept, self.making = 0, 0.0, True, 0.0
        self.on_start: Callable[[], object] = lambda: None

    @contextmanager
    def announcing(self, on_start: Callable[[], object]) -> Iterator[None]:
        """Call ``on_start`` before each compilation inside the block."""
        before, self.on_start = self.on_start, on_start
        try:
            yield
        finally:
            self.on_start = before

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Count the time inside the block once, whatever is compiled in it side by side."""
        started, seconds, making = time.perf_counter(), self.seconds, self.making
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds, self.making = seconds + spent, making + spent


log = Log()


class KernelCache:
    """What Numba asks for compiled code of one loop, and hands it over to: its interface of a cache.

    Args:
        function: the loop.
        marks: what else the code depends on: options.
    """

    def __init__(self, function: Any, *marks: object) -> None:
        code = function.__code__
        where = _stamp(Path(code.co_filename).parent)
        self._marks = where, function.__module__, function.__qualname__, code.co_firstlineno, code.co_code, *marks
        self._name = function.__qualname__.rpartition(".")[2]
        self._read: dict[str, bytes] = {}
        self._started = 0.0

    def holds(self, signature: str, context: Any) -> bool:
        """Return whether the code for a signature can be loaded."""
        content = _whole(self._file(signature, context.codegen()))
        if content is not None:
            self._read[signature] = content
        return content is not None

    def load_overload(self, signature: str, context: Any) -> Any:
        """Return the code for a signature, None where it is to be compiled."""
        content = self._read.pop(signature, None) or _whole(self._file(signature, context.codegen()))
        if content is None:
            log.on_start()
            self._started = time.perf_counter()
            return None
        # What is loaded calls Numba's runtime, but needs nothing of what the compiler would first have to set up.
        importlib.import_module("numba.core.runtime").rtsys.initialize(context)
        return importlib.import_module("numba.core.compiler").CompileResult._rebuild(context, *pickle.loads(content))

    def save_overload(self, signature: str, compiled: Any) -> None:
        """Keep code that was just compiled."""
        log.compiled, log.seconds = log.compiled + 1, log.seconds + time.perf_counter() - self._started
        if not compiled.library.has_dynamic_globals:  # addresses, which mean nothing to another process
            content = importlib.import_module("numba.core.serialize").dumps(compiled._reduce())
            log.kept = _keep(self._file(signature, compiled.codegen), content)

    def _file(self, signature: str, codegen: Any) -> Path | None:
        numba: Any = importlib.import_module("numba")
        key = repr((self._marks, signature, codegen.magic_tuple(), numba.__version__, sys.version))
        place = folder()
        return place and place / f"{self._name}-{_DIGEST(key.encode()).hexdigest()[:24]}.kernel"


def _whole(file: Path | None) -> bytes | None:
    """Return what a file of the cache holds, None where there is none or it is damaged."""
    if file is None:
        return None
    try:
        content = file.read_bytes()
    except OSError:
        return None
    size = _DIGEST().digest_size
    return content[size:] if _DIGEST(content[size:]).digest() == content[:size] else None


def _keep(file: Path | None, content: bytes) -> bool:
    """Write a file of the cache, so that others see all of it or nothing; return False where that cannot be."""
    if file is None:
        return False
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(_DIGEST(content).digest() + content)
        aside.replace(file)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        return False
    return True


def folder() -> Path | None:
    """Return where compiled code is kept: below ``TRAINCTL_CACHE_DIR`` or the user's caches; None if there is no place."""
    own, caches = os.environ.get("TRAINCTL_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(own, "kernels") if own else Path(caches or Path.home() / ".cache", "trainctl", "kernels")
    except RuntimeError:  # there is no home
        return None


@functools.cache
def _stamp(folder: Path) -> str:
    """Return a mark of what is written in a folder's modules: a loop's code depends on what it calls, too."""
    files = sorted([Path(__file__), Path(__file__).with_name("jit.py"), *folder.glob("*.py")])
    return _DIGEST(b"".join(_DIGEST(each.read_bytes()).digest() for each in files)).hexdigest()
