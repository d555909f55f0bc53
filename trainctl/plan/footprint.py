"""What memory a plan holds on to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy
from numpy.lib.array_utils import byte_bounds

from trainctl.backend.arrays import Array
from trainctl.plan.plan import Plan
from trainctl.plan.profile import parts_of
from trainctl.plan.trace import Gradient

Interval = tuple[int, int]


@dataclass(frozen=True)
class Footprint:
    """Bytes that are a plan's own.

    Attributes:
        block: what all arrays share that are needed for a part of the step only.
        gradients: what the leaves' gradients are between two steps.
        inputs_and_results: copies of the arguments, and what is returned a copy of.
        scratch: what its calls are bound to besides: the kernels' own arrays, rows of tables' gradients among them.
    """

    block: int
    gradients: int
    inputs_and_results: int
    scratch: int


def footprint(plan: Plan, others: Iterable[Array]) -> Footprint:
    """Return what a plan holds.

    Args:
        plan: the plan.
        others: arrays that its calls work on and that are not its own: parameters, an optimizer's state.
    """
    leaves = {each.value.root for each in plan.records if isinstance(each, Gradient) and each.value is not None}
    gradients = _union(array for value, array in plan.own.items() if value in leaves)
    bound = [each for run in plan.runs for each in parts_of(run) if isinstance(each, numpy.ndarray)]
    known = [plan.memory, *plan.own.values(), *(array for _, array in plan.kept), *others]
    return Footprint(
        block=plan.block_size,
        gradients=_size(gradients),
        inputs_and_results=_size(_union(plan.own.values())) - _size(gradients),
        scratch=_size(_union([*bound, *known])) - _size(_union(known)),
    )


def _union(arrays: Iterable[Array]) -> list[Interval]:
    """Return the memory of arrays as ranges of addresses that do not overlap."""
    found: list[Interval] = []
    for start, end in sorted(byte_bounds(each) for each in arrays if each.size):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _size(intervals: list[Interval]) -> int:
    return sum(end - start for start, end in intervals)
