"""The problem that every optimizer test descends: a fixed, lopsided bowl with a fixed, uneven slope."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 20


def leaves(lib: Any, dtype: str, complex_too: bool = False) -> list[Any]:
    """Return two leaves of fixed values."""
    draw = np.random.RandomState(0)
    arrays = [draw.randn(3, 2), draw.randn(4)]
    return [lib.from_numpy(each.astype(dtype)).requires_grad_() for each in arrays]


def loss(lib: Any, parameters: list[Any], step: int) -> Any:
    """Return a loss whose gradient changes from step to step."""
    first, second = parameters
    scale = 1 + 0.5 * (step % 3)
    return (scale * first**2).sum() + (first.sum() * second.sin()).sum() + (second**4).mean()


def descend(lib: Any, optimizer: Any, parameters: list[Any], steps: range = range(STEPS)) -> list[np.ndarray]:
    """Return the parameters after each step."""
    path = []
    for step in steps:
        optimizer.zero_grad()
        loss(lib, parameters, step).backward()
        optimizer.step()
        path.append(np.concatenate([each.detach().numpy().ravel().copy() for each in parameters]))
    return path
