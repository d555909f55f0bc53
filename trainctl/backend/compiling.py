"""Loops that are wanted together are compiled by several processes at once.

LLVM, which takes most of the time, works for one thread of a process at a time. So helpers are started: processes that
compile what they are told and leave it in the cache on disk. They are a matter of time alone: whatever is not there in
the end, because a helper died or the disk is full, is compiled by who needs it.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from trainctl.backend.jit import Kernel
from trainctl.backend.kernel_cache import folder, log
from trainctl.backend.threads import usable_cores

FEW = 6  # loops that are compiled before a helper, which takes about a second to start, is of any use
MOST = 2  # helpers, each with some 200 MB: with more of them, most would wait for loops that theirs call
PATIENCE = 5.0  # seconds that a helper may take for one loop

_PROGRAM = "from trainctl.backend.compiling import serve; serve()"


def make_ready(kernels: Iterable[Kernel]) -> None:
    """Compile what is not in the cache, if helpers would be of use; else it is compiled when it is asked for.

    Args:
        kernels: loops that are about to be used.
    """
    count = min(usable_cores() - 1, MOST)
    missing = _missing(kernels) if count else []
    if len(missing) < FEW or not _can_be_kept():
        return
    log.on_start()
    with log.as_one():
        work = _Work(missing)
        helpers: list[_Helper] = []
        try:
            with suppress(OSError):  # no more processes for us
                helpers.extend(_Helper(work) for _ in range(count))
            while (kernel := work.take(PATIENCE)) is not None:
                _ = kernel.compiled
                work.note_done(kernel)
            work.wait(PATIENCE)
        finally:
            work.close()
            for helper in helpers:
                helper.dismiss()
            log.compiled += sum(helper.compiled for helper in helpers)


def _missing(kernels: Iterable[Kernel]) -> list[Kernel]:
    """Return what has to be compiled: kernels that cannot be loaded and what they call, which comes before them."""
    found: dict[Kernel, None] = {}
    seen: set[Kernel] = set()

    def visit(kernel: Kernel) -> None:
        if kernel not in seen:
            seen.add(kernel)
            if not kernel.is_kept():
                for each in kernel.callees():
                    visit(each)
                found[kernel] = None

    for kernel in kernels:
        visit(kernel)
    return list(found)


def _can_be_kept() -> bool:
    place = folder()
    if place is None or not sys.executable or getattr(sys, "frozen", False):
        return False
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK)


class _Work:
    """What is left to compile, for several threads; a loop comes after those that it calls.

    Args:
        kernels: the loops.
    """

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self._callees = {each: set(each.callees()) & {*kernels} for each in kernels}
        self._left = sorted(kernels, key=self._urgency, reverse=True)
        self._begun: set[Kernel] = set()
        self._changed = threading.Condition()

    def take(self, patience: float | None = None) -> Kernel | None:
        """Return a loop to compile, None if none is left or nothing becomes of those that others are at."""
        with self._changed:
            while self._left:
                waiting = {*self._left} | self._begun
                for kernel in self._left:
                    if not self._callees[kernel] & waiting:
                        self._left.remove(kernel)
                        self._begun.add(kernel)
                        return kernel
                if not self._changed.wait(patience):
                    return None
        return None

    def note_done(self, kernel: Kernel) -> None:
        """Take note that a loop is in the cache."""
        with self._changed:
            self._begun.discard(kernel)
            self._changed.notify_all()

    def give_back(self, kernel: Kernel) -> None:
        """Leave a loop to others."""
        with self._changed:
            self._begun.discard(kernel)
            self._left.insert(0, kernel)
            self._changed.notify_all()

    def wait(self, patience: float) -> None:
        """Return when all are done, or nothing more is to be expected."""
        with self._changed:
            self._changed.wait_for(lambda: not self._begun, patience)

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._left.clear()
            self._changed.notify_all()

    def _urgency(self, kernel: Kernel) -> int:
        """Return how much there is to do until the last of those is done that wait for a loop, itself included."""
        callers = [each for each, callees in self._callees.items() if kernel in callees]
        return len(kernel.function.__code__.co_code) + max(map(self._urgency, callers), default=0)


class _Helper:
    """A process that compiles, and the thread that tells it what.

    Attributes:
        compiled: how many loops it left in the cache, each signature counted.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, work: _Work) -> None:
        self.compiled, self._work = 0, work
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(each or str(Path.cwd()) for each in sys.path)},
        )
        self._thread = threading.Thread(target=self._instruct, name="trainctl-compiling", daemon=True)
        self._thread.start()

    def dismiss(self) -> None:
        """Let the process end, whatever it is at."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def _instruct(self) -> None:
        if not self._answer():
            return
        while (kernel := self._work.take()) is not None:
            if not self._compile(kernel):
                self._work.give_back(kernel)
                return
            self.compiled += len(kernel.signatures)
            self._work.note_done(kernel)

    def _compile(self, kernel: Kernel) -> bool:
        name = _name_of(kernel)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(name)
        except (OSError, ValueError):  # it has gone, or was sent away
            return False
        return self._answer() == name

    def _answer(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _name_of(kernel: Kernel) -> bytes:
    return f"{kernel.function.__module__} {kernel.function.__qualname__}\n".encode()


def serve() -> None:
    """Be a helper: compile the loops that the lines on standard input name, and answer with the line.

    The process ends with its input, in the midst of a loop, too: who started it may have been killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for who started this process, and knows what to do
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    importlib.import_module("numba")
    answers.write(b"\n")
    while True:
        line = orders.get()
        module, name = line.decode().split()
        _ = getattr(importlib.import_module(module), name).compiled
        if not log.kept:
            return
        answers.write(line)


def _listen(orders: queue.SimpleQueue[bytes]) -> None:
    with open(0, "rb", buffering=0) as lines:
        while line := lines.readline():
            orders.put(line)
    os._exit(0)
