"""What each kernel is held against: its op's own ``forward``, in both forms, with one thread and with two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainctl.backend import jit
from trainctl.plan.lowering import Context, lowered
from trainctl.plan.trace import Apply

Make = Callable[[], Any]


def check(
    op: Any,
    params: dict,
    arrays: list,
    outs: list[Make],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    always: bool = False,
) -> None:
    """Compare a lowering's results with those of ``forward``; ``outs`` make the arrays for them, None: nobody reads it.

    It must have one for at least one of its forms; if ``always``, for NumPy's.
    """
    expected = forward(op, params, arrays)
    found = {}
    for form in ("numpy", "numba"):
        if form == "numba" and not jit.available():
            continue
        for threads in (1, 2):
            results = run(op, params, arrays, outs, threads, form == "numba")
            if results is not None:
                found[form, threads] = results
    assert ("numpy", 1) in found or (found and not always), f"{op.__name__} is not lowered"
    for (form, threads), results in found.items():
        for number, (one, other, same) in enumerate(zip(results, expected, found[form, 1], strict=True)):
            if one is not None:
                what = f"output {number} of {op.__name__}, {form}, {threads} threads"
                np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=what)
                np.testing.assert_array_equal(one, same, err_msg=what)


def run(
    op: Any, params: dict, arrays: list, outs: list[Make], threads: int, compiled: bool | None = None
) -> list | None:
    """Return what a lowering leaves in its outputs the second time, None if there is none."""
    record = Apply(op, params, tuple(arrays), ())
    results = [None if make is None else make() for make in outs]
    for each in results:
        if each is not None:
            each[...] = np.nan if each.dtype.kind == "f" else 1  # what is not written shows
    runs = lowered(record, arrays, results, Context(threads, compiled))
    if runs is None:
        return None
    with np.errstate(all="ignore"):  # as a replay is
        for _ in range(2):
            for each in runs:
                each()
    return results


def forward(op: Any, params: dict, arrays: list) -> tuple:
    """Return the results of an op's own code."""
    with np.errstate(all="ignore"):
        result = Apply(op, params, tuple(arrays), ()).node().forward(*arrays)
    return result if isinstance(result, tuple) else (result,)


def uniform(*shape: int, seed: int = 0, order: tuple[int, ...] | None = None) -> Any:
    """Return float32 numbers, in memory in the order of dims that is asked for."""
    order = tuple(range(len(shape))) if order is None else order
    values = np.random.RandomState(seed).uniform(-1, 1, [shape[dim] for dim in order]).astype(np.float32)
    return values.transpose(np.argsort(order))


def like(array: Any) -> Make:
    """Return a maker of arrays that lie in memory as this one does."""
    return lambda: np.empty_like(array)
