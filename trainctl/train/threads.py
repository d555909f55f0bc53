"""How many threads matrix products use; a run records it, as the last bits of its results depend on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def resolve_threads(setting: int | str) -> int:
    """Return the number that a config's ``threads`` means: ``auto`` is every core this process may use.

    Example:
        >>> resolve_threads(4), resolve_threads("auto") >= 1
        (4, True)
    """
    return len(os.sched_getaffinity(0)) if isinstance(setting, str) else setting


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """Let the BLAS library use ``number`` threads inside the block.

    Example:
        >>> with blas_threads(1):
        ...     pass
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    with threadpool_limits(limits=number, user_api="blas"):
        yield
