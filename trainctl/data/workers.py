"""Threads that load batches ahead of the consumer, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

_Task = tuple[Future, Callable[[Any], Any], Any]


class WorkerPool:
    """``num_workers`` threads that run tasks in the order they were submitted.

    The threads are daemons: a worker that never comes back does not keep the process from ending.

    Args:
        num_workers: how many threads.
        init: called in each of them first, with its number from 0; what it raises, every task raises.

    Example:
        >>> pool = WorkerPool(2)
        >>> pool.submit(str, 7).result()
        '7'
        >>> pool.close()
    """

    def __init__(self, num_workers: int, init: Callable[[int], object] | None = None) -> None:
        # The threads know the queue, not the pool, so that a pool nobody holds is closed.
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._num_workers = num_workers
        for number in range(num_workers):
            name = f"DataLoader worker {number}"
            threading.Thread(target=_work, args=(self._tasks, init, number), name=name, daemon=True).start()

    def submit(self, function: Callable[[Any], Any], argument: Any) -> Future:
        """Queue ``function(argument)`` and return the future of its result."""
        future: Future = Future()
        self._tasks.put((future, function, argument))
        return future

    def close(self) -> None:
        """Let each thread end after the task it is at; return at once."""
        for _ in range(self._num_workers):
            self._tasks.put(None)

    def __del__(self) -> None:
        self.close()


def _work(tasks: SimpleQueue[_Task | None], init: Callable[[int], object] | None, number: int) -> None:
    failure = None
    try:
        if init is not None:
            init(number)
    except BaseException as error:
        failure = _from_worker(error)
    while (task := tasks.get()) is not None:
        _run(task, failure)
        del task  # hold no batch while waiting for the next task


def _run(task: _Task, failure: BaseException | None) -> None:
    future, function, argument = task
    if not future.set_running_or_notify_cancel():
        return
    if failure is not None:
        future.set_exception(failure)
        return
    try:
        future.set_result(function(argument))
    except BaseException as error:  # the consumer raises it again, whatever it is
        future.set_exception(_from_worker(error))


def _from_worker(error: BaseException) -> BaseException:
    error.add_note(f"in {threading.current_thread().name}")
    return error


def load_ahead(
    pool: WorkerPool, load: Callable[[Any], Any], keys: Iterable[Any], *, depth: int, timeout: float
) -> Iterator[Any]:
    """Yield ``load(key)`` for every key, in order, with up to ``depth`` of them under way.

    Args:
        pool: the threads that load.
        load: called in them.
        keys: iterated in the consumer's thread, ``depth`` keys ahead.
        depth: at least 1.
        timeout: seconds to wait for one result; 0 waits for ever.

    Raises:
        RuntimeError: a result took longer than ``timeout``.
    """
    pending: deque[Future] = deque()
    try:
        for key in keys:
            pending.append(pool.submit(load, key))
            if len(pending) > depth:
                yield _result(pending.popleft(), timeout)
        while pending:
            yield _result(pending.popleft(), timeout)
    finally:  # also when the consumer stops early
        for future in pending:
            future.cancel()


def _result(future: Future, timeout: float) -> Any:
    try:
        return future.result(timeout or None)
    except TimeoutError:
        if future.done():  # the worker's own error
            raise
        raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
