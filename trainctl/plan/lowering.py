"""Calls that do an op's work better than its ``forward``: bound to their arrays, spread over threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.backend.threads import Pool, blas, pool
from trainctl.plan.products import PRODUCTS
from trainctl.plan.trace import Apply, Effect

Run = Callable[[], Any]
Lowering = Callable[[Apply, list[Any], list[Any], "Context"], list[Run] | None]


@dataclass(frozen=True)
class Settings:
    """How plans are to be made.

    Attributes:
        threads: how many may work at once.
        compiled: whether the loops may be Numba's.
        deterministic: the number of threads shall not change the results.
    """

    threads: int = 1
    compiled: bool = False
    deterministic: bool = False


class Context:
    """What the calls of a plan share.

    Args:
        threads: how many may work at once.
        compiled: whether the loops may be Numba's; default: if it is installed.
        blas_threads: how many of them are the BLAS library's; if more than one, the pool has none.

    Attributes:
        pool: the threads.
    """

    def __init__(self, threads: int, compiled: bool | None = None, blas_threads: int = 1) -> None:
        self.compiled = jit.available() if compiled is None else compiled
        self.blas_threads = blas_threads
        self._rooms: dict[tuple[int, int], Array] = {}
        self.pool: Pool = pool(threads if blas_threads == 1 else 1)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let BLAS have its share of the threads inside the block."""
        library = blas()
        before = library.threads()
        library.use(self.blas_threads)
        try:
            yield
        finally:
            library.use(before)

    def room(self, number: int, size: int) -> Array:
        """Return scratch that is shared by all calls which are not parts of one: part ``number`` of each has the same."""
        if (number, size) not in self._rooms:
            self._rooms[number, size] = numpy.empty(size, numpy.float32)
        return self._rooms[number, size]

    def in_parts(self, parts: Sequence[Run]) -> Run:
        """Return a call that runs independent parts on the pool; how they are cut must not depend on its size."""
        return Parts(parts, self.pool)


class Parts:
    """Independent calls as one, spread over a pool's threads.

    Attributes:
        calls: the parts.
    """

    def __init__(self, calls: Sequence[Run], pool: Pool) -> None:
        self.calls, self._run = calls, pool.run

    def __call__(self) -> None:
        """Make every call."""
        self._run(self.calls)


class InOrder:
    """Calls that are one.

    Attributes:
        calls: one after another.
    """

    def __init__(self, calls: Sequence[Run]) -> None:
        self.calls = calls

    def __call__(self) -> None:
        """Make every call."""
        for call in self.calls:
            call()


class Note:
    """A call that changes no array, such as giving a leaf its gradient: it may wait for compiled loops that follow it.

    Attributes:
        call: what is done.
    """

    uses_numpy = False

    def __init__(self, call: Run) -> None:
        self.call = call

    def __call__(self) -> None:
        """Do it."""
        self.call()


class MadeLater(ABC):
    """A call that makes its calls of compiled loops when it is first made."""

    @abstractmethod
    def loops(self) -> list[jit.Kernel]:
        """Return the loops that it will want."""

    @abstractmethod
    def __call__(self) -> None:
        """Make the call."""


class Checked(partial[Any]):
    """A call of a compiled loop that returns a number below 0 where it cannot do its work.

    Attributes:
        complain: raises the error that says why.
    """

    complain: Run

    def __call__(self) -> Any:
        """Make the call."""
        if super().__call__() < 0:
            self.complain()


def checked(complain: Run, loop: Any, *args: Any) -> Checked:
    """Return a call of a loop, and of ``complain`` where it returns a number below 0."""
    call = Checked(loop, *args)
    call.complain = complain
    return call


class Workspace:
    """Scratch arrays for whoever works at the moment: as many sets as threads work at once.

    Args:
        make: makes a set.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._free = make, [make()]

    def take(self) -> Any:
        """Return a set that nobody else uses."""
        try:
            return self._free.pop()
        except IndexError:
            return self._make()

    def give_back(self, scratch: Any) -> None:
        """Let the next one have it."""
        self._free.append(scratch)


LOWERINGS: dict[type[Op], Lowering] = {}


def lowers(*ops: type[Op]) -> Callable[[Lowering], Lowering]:
    """Enter a lowering for ops; it returns None for what it does not do."""

    def enter(lowering: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(ops, lowering))
        return lowering

    return enter


def lowered(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Return the calls for a record, None where its ``forward`` is all there is."""
    from trainctl.plan import kernels  # noqa: F401 - they enter themselves

    if context.blas_threads > 1 and record.op in PRODUCTS:
        return None
    lowering = LOWERINGS.get(record.op)
    if lowering is None:
        return None
    return lowering(record, arrays, outs, context) or _unstretched(lowering, record, arrays, outs, context)


def _unstretched(
    lowering: Lowering, record: Apply, arrays: list[Any], outs: list[Any], context: Context
) -> list[Run] | None:
    """Return the calls for copies of what is stretched over a result's shape: loops take elements that are there."""
    from trainctl.plan.kernels.copying import laid_out

    out = next((each for each in outs if each is not None), None)
    if not context.compiled or out is None:
        return None
    found, copies = list(arrays), []
    for place, each in enumerate(arrays):
        if isinstance(each, numpy.ndarray) and each.shape == out.shape and each.size and 0 in each.strides:
            found[place] = numpy.empty_like(out)
            calls = laid_out(each, found[place]) if plain_float(each, out) else None
            if calls is None:
                return None
            copies.append(context.in_parts(calls))
    runs = lowering(record, found, outs, context) if copies else None
    return None if runs is None else [*copies, *runs]


def lowered_effect(record: Effect, context: Context) -> Run:
    """Return the call for an effect: its own where there is no better one."""
    from trainctl.plan.kernels.optimizers import optimizer_step

    return optimizer_step(record, context) or record.call


def rows_of(image: Array) -> Array | None:
    """Return ``[N, C, H, W]`` that lies channels last as ``[N * H * W, C]``, None if it lies otherwise."""
    last = image.transpose(0, 2, 3, 1)
    return last.reshape(-1, image.shape[1]) if last.flags.c_contiguous else None


def cut(count: int, size: int) -> list[slice]:
    """Return ``0 .. count`` in slices of ``size``.

    Example:
        >>> cut(5, 2)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def one_by_one(calls: Sequence[Run]) -> Run:
    """Return several calls as one."""
    return calls[0] if len(calls) == 1 else InOrder(calls)


def plain_float(*arrays: Any) -> bool:
    """Return whether all are float32 arrays, aligned and not read-only: what the compiled loops are for."""
    return all(
        isinstance(each, numpy.ndarray) and each.dtype == numpy.float32 and each.flags.behaved for each in arrays
    )
