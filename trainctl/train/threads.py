"""How many threads matrix products use; a run records it, as the last bits of its results depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trainctl.backend.threads import usable_cores

if TYPE_CHECKING:
    from trainctl.config import Config


def resolve_threads(setting: int | str) -> int:
    """Return the number that a config's ``threads`` means: ``auto`` is every core this process may use.

    Example:
        >>> resolve_threads(4), resolve_threads("auto") >= 1
        (4, True)
    """
    return usable_cores() if isinstance(setting, str) else setting


def eager_threads(config: Config, threads: int) -> int:
    """Return how many of a run's threads the BLAS library has outside plans, which see to theirs themselves."""
    return 1 if config.train.deterministic else threads


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
