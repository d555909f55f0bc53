"""How long two models take for the same batch, measured in turn, so that what else the machine does hits both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

SECONDS = 0.8
"""How long each batch size is measured."""
_LEAST, _MOST, _WARM = 5, 200, 3
_GAIN = 1.03  # less is not told from none


def latencies(models: Sequence[Callable[[Any], Any]], batches: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what one call takes of each of two models, the float one first: medians of interleaved calls.

    Args:
        models: what is called.
        batches: what with, of several sizes.

    Returns:
        For each batch, as plain data: ``batch_size``; ``float_ms`` and ``quantized_ms``; ``speedup``; ``calls``, of each;
        ``gain``: whether the quantized one is faster by more than 3 %.
    """
    return [_measured(models, batch) for batch in batches]


def _measured(models: Sequence[Callable[[Any], Any]], batch: Any) -> dict[str, Any]:
    for _ in range(_WARM):  # a plan is made in the first calls
        for model in models:
            model(batch)
    times: list[list[float]] = [[] for _ in models]
    end = time.perf_counter() + SECONDS
    while len(times[0]) < _LEAST or (time.perf_counter() < end and len(times[0]) < _MOST):
        for model, taken in zip(models, times, strict=True):
            started = time.perf_counter()
            model(batch)
            taken.append(time.perf_counter() - started)
    as_float, quantized = (statistics.median(each) for each in times)
    speedup = as_float / quantized
    return {
        "batch_size": len(next(iter(batch.values())) if isinstance(batch, dict) else batch),
        "float_ms": round(as_float * 1000, 4),
        "quantized_ms": round(quantized * 1000, 4),
        "speedup": round(speedup, 3),
        "calls": len(times[0]),
        "gain": speedup > _GAIN,
    }
