"""Independent calls of compiled loops, spread over threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainctl.backend.threads import blas, pool


def run(calls: Sequence[Callable[[], Any]]) -> None:
    """Make calls, on as many threads as the BLAS library would use for a product."""
    if len(calls) == 1:
        calls[0]()
    elif calls:
        pool(blas().threads()).run(calls)
