"""What this machine can do at most, measured in a fraction of a second: float32 matrix products, and copying memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy

from trainctl.backend.threads import Task, blas, pool
from trainctl.plan.kernels.products import product
from trainctl.plan.lowering import Context, one_by_one

_SIZE = 1024  # of the matrices: 2 GFLOP a product, and factors that fit the last level of cache
_COPIED = 1 << 26  # bytes: more than the caches hold
_SECONDS = 0.12  # that each measurement takes at least


@dataclass(frozen=True)
class Peaks:
    """What was measured, the best of several turns.

    Attributes:
        threads: how many "all" are.
        product_one: GFLOP/s of float32 products of 1024 x 1024 matrices on one thread, by the BLAS library or by the
            compiled tiles of plans, whichever is faster.
        product_all: the same on all threads.
        copy_one: GB/s, read and written together, of a copy of 64 MiB, on one thread.
        copy_all: the same on all threads.
    """

    threads: int
    product_one: float
    product_all: float
    copy_one: float
    copy_all: float

    @property
    def product(self) -> float:
        """The most that products reach: with other work on the machine that may be one thread's."""
        return max(self.product_one, self.product_all)

    @property
    def copy(self) -> float:
        """The most that copies reach."""
        return max(self.copy_one, self.copy_all)


def measure(threads: int) -> Peaks:
    """Return the peaks of one thread and of ``threads``.

    Example:
        >>> peaks = measure(1)
        >>> peaks.product_all == peaks.product_one > 0
        True
    """
    product_one, copy_one = _product(1), _copy(1)
    if threads == 1:
        return Peaks(1, product_one, product_one, copy_one, copy_one)
    return Peaks(threads, product_one, _product(threads), copy_one, _copy(threads))


def _product(threads: int) -> float:
    x, library = numpy.full((_SIZE, _SIZE), 0.5, numpy.float32), blas()
    out, before = numpy.empty_like(x), library.threads()
    try:
        library.use(threads)
        seconds = _fastest(partial(numpy.matmul, x, x, out=out))
        library.use(1)
        seconds = min(seconds, _fastest(one_by_one(product(x, x, out, None, Context(threads)))))
    finally:
        library.use(before)
    return 2e-9 * _SIZE**3 / seconds


def _copy(threads: int) -> float:
    source, target = numpy.ones(_COPIED, numpy.uint8), numpy.zeros(_COPIED, numpy.uint8)
    ends = [_COPIED * part // threads for part in range(threads + 1)]
    tasks: list[Task] = [partial(numpy.copyto, target[start:end], source[start:end]) for start, end in pairwise(ends)]
    return 2e-9 * _COPIED / _fastest(partial(pool(threads).run, tasks))


def _fastest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several calls."""
    call()
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
