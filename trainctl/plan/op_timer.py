"""Where the time of a step without a plan goes: the ops that an observer sees, each with the time since the last one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trainctl.autograd.observer import Observer
from trainctl.autograd.op import Op
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.plan.costs import flops, traffic


@dataclass
class OpTime:
    """What ops of one kind took.

    Attributes:
        calls: how many there were.
        seconds: with the Python around them.
        flops: multiplications and additions of their matrix products.
        traffic: bytes that they read and write at least.
    """

    calls: int = 0
    seconds: float = 0.0
    flops: int = 0
    traffic: int = 0


class OpTimer(Observer):
    """Times ops: what passes between two of them is the second one's, the graph's and the interpreter's part included.

    Attributes:
        times: by the ops' names.

    Example:
        >>> import trainctl
        >>> timer = OpTimer()
        >>> with timer.watching():
        ...     y = trainctl.ones(2, 3) @ trainctl.ones(3, 4)
        >>> timer.times["MatMul"].calls, timer.times["MatMul"].flops
        (1, 48)
    """

    def __init__(self) -> None:
        self.times: dict[str, OpTime] = {}
        self._mark = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time what happens inside the block; a compiled step runs eagerly in it."""
        before, state.watcher = state.watcher, self
        self._mark = time.perf_counter()
        try:
            yield
        finally:
            state.watcher = before

    def saw(self, node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Count an op."""
        operands, results = _arrays(inputs), _arrays(outputs)
        self._count(type(node).__name__, flops(type(node), node.params, operands, results),
                    0 if node.is_view else traffic(type(node), operands, results))  # fmt: skip

    def saw_write(self, node: Op, x: Tensor, others: tuple[Any, ...]) -> None:
        """Count an op whose output went over its first input."""
        operands = _arrays((x, *others))
        self._count(f"{type(node).__name__} in place", 0, traffic(type(node), operands, operands[:1]))

    def effect(self, call: Callable[[], Any], what: str) -> Any:
        """Count an optimizer's step as a whole."""
        state.watcher = None
        try:
            return call()
        finally:
            state.watcher = self
            self._count(what, 0, 0)

    def _count(self, name: str, done: int, moved: int) -> None:
        entry = self.times.setdefault(name, OpTime())
        entry.seconds += time.perf_counter() - self._mark
        entry.calls, entry.flops, entry.traffic = entry.calls + 1, entry.flops + done, entry.traffic + moved
        self._mark = time.perf_counter()


def _arrays(operands: tuple[Any, ...]) -> list[Any]:
    return [each._array if isinstance(each, Tensor) else each for each in operands]
