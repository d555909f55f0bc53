"""The garbage collector while a command starts: imports make 200,000 objects, none of them garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = gc.get_threshold()
_SELDOM = (500_000, 20, 20)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage less often inside the block, until :func:`started`; it is a tenth of the time of a start."""
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*_USUAL)
        gc.unfreeze()


def started() -> None:
    """Collect as usual from now on, but for what is there already: it stays until the end.

    Example:
        >>> with collecting_seldom():
        ...     started()
        ...     gc.get_threshold() == _USUAL, gc.get_freeze_count() > 0
        (True, True)
    """
    gc.set_threshold(*_USUAL)
    gc.freeze()
