"""How many threads compute, and the pool that they wait in.

Either the BLAS library's own threads work or ours do, never both: its workers spin for a while after a product
and would take the cores from the pool.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.backend.program import Post, Program

Task = Callable[[], Any]


def usable_cores() -> int:
    """Return the number of cores this process may use: its affinity, and a container's quota where there is one.

    Example:
        >>> usable_cores() >= 1
        True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(cores, cores if quota is None else quota))


def _quota(file: Path) -> int | None:
    """Return a container's limit in whole cores (rounded up), None where there is none."""
    try:
        limit, period = file.read_text().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else -(-int(limit) // int(period))


class Blas:
    """The thread setting of the BLAS library that NumPy uses."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it ships no types

        self._libraries = [each for each in ThreadpoolController().lib_controllers if each.user_api == "blas"]

    def threads(self) -> int:
        """Return how many threads a product uses."""
        return max((each.get_num_threads() for each in self._libraries), default=1)

    def use(self, threads: int) -> None:
        """Let products use ``threads`` threads from now on."""
        for each in self._libraries:
            if each.get_num_threads() != threads:
                each.set_num_threads(threads)


@functools.cache
def blas() -> Blas:
    """Return the BLAS library's setting; it is looked for once."""
    import numpy  # noqa: F401 - loads the library that is looked for

    return Blas()


class Pool:
    """Threads that run independent tasks; whoever asks takes part.

    Which thread runs which task is not fixed, so tasks must not share what they write.

    Args:
        threads: how many work at once, the caller included.

    Example:
        >>> done = []
        >>> Pool(2).run([lambda: done.append(1), lambda: done.append(2)])
        >>> sorted(done)
        [1, 2]
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)
        self._helpers: list[_Helper] = []
        self._process = 0
        self._asked = threading.Lock()
        self._post: Post | None = None

    def run(self, tasks: Sequence[Task]) -> None:
        """Run every task and return when all are done.

        Raises:
            BaseException: the first that a task raised.
        """
        count = min(len(tasks), self.threads) - 1
        if count <= 0 or not self._asked.acquire(blocking=False):  # already at work: for another thread, or one of us
            for task in tasks:
                task()
            return
        try:
            self._share(tasks, count)
        finally:
            self._asked.release()

    def execute(self, program: Program) -> int:
        """Run a program of compiled loops; return 0, or the number of the call that failed, from 1."""
        if self.threads == 1 or not self._asked.acquire(blocking=False):
            return program.alone()
        try:
            self._hire()
            if self._post is None:
                self._introduce()
            assert self._post is not None
            return self._post.run(program, self._rouse)
        finally:
            self._asked.release()

    def _share(self, tasks: Sequence[Task], count: int) -> None:
        self._hire()
        work = _Work(tasks)
        helpers = self._helpers[:count]
        for helper in helpers:
            helper.work = work
        if self._post is not None:
            self._post.call_for(range(count), self._rouse)
        else:
            for number in range(count):
                self._rouse(number)
        work.take()
        for helper in helpers:
            helper.done.acquire()
        if work.error is not None:
            raise work.error

    def _hire(self) -> None:
        """Start the threads, if they are not there: they do not outlive a fork."""
        if self._process != os.getpid():
            self._process, self._post = os.getpid(), None
            self._helpers = [_Helper(number) for number in range(1, self.threads)]

    def _introduce(self) -> None:
        """Let the helpers wait in compiled code for a while before they sleep, from the next time they are woken."""
        from trainctl.backend.program import Post

        self._post = Post(len(self._helpers))
        for number, helper in enumerate(self._helpers):
            helper.is_called = partial(self._post.is_called, number)

    def _rouse(self, number: int) -> None:
        self._helpers[number].wake.release()


class _Work:
    """Tasks that several threads take one by one."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.error: BaseException | None = None
        self._left = iter(tasks)  # the next() of a sequence's iterator is one step of the interpreter

    def take(self) -> None:
        """Run tasks until none is left; keep the first error for the thread that asked."""
        try:
            for task in self._left:
                task()
        except BaseException as error:
            self.error = self.error or error
            self._left = iter(())


class _Helper:
    """A thread of the pool. Plain locks wake it: a semaphore costs several times as much."""

    def __init__(self, number: int) -> None:
        self.wake, self.done = threading.Lock(), threading.Lock()
        self.wake.acquire()
        self.done.acquire()
        self.work: _Work | None = None
        self.is_called: Callable[[], bool] | None = None  # works in compiled code until it is time to sleep
        threading.Thread(target=self._serve, name=f"trainctl-{number}", daemon=True).start()

    def _serve(self) -> None:
        import numpy

        numpy.seterr(all="ignore")  # of this thread alone; who asks is not warned either
        while True:
            self.wake.acquire()
            if self.is_called is None:
                self._take()
            else:
                while self.is_called():
                    self._take()

    def _take(self) -> None:
        work, self.work = self.work, None
        assert work is not None
        work.take()
        del work  # not kept until the next one comes
        self.done.release()


@functools.cache
def pool(threads: int) -> Pool:
    """Return the pool of this size; there is one of each."""
    return Pool(threads)
