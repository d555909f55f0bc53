"""The input gradient of a strided convolution by NumPy, phase by phase.

The pixels that are ``p`` rows and ``q`` columns off a multiple of the stride are seen through every so manieth tap of
the kernel: their gradient is a convolution of ``gy`` with these taps, with stride 1. So nothing is added up in strided
memory, which costs several times what the products do.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy
from numpy.lib.stride_tricks import as_strided

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.columns import Columns
from trainctl.plan.lowering import Context, Run, Workspace, cut

_CACHED = 1 << 19  # bytes of a phase's columns worked on at once


@dataclass(frozen=True)
class Reach:
    """What the pixels of one phase see along one dim.

    Attributes:
        phase: how far they are off a multiple of the stride.
        places: how many there are.
        tap: the first of the kernel's that sees them, in steps of the stride.
        taps: how many do.
        start: the first element of ``gy`` that the first pixel sees; before 0 there are zeros.
    """

    phase: int
    places: int
    tap: int
    taps: int
    start: int


def _reach(size: int, kernel: int, stride: int, padding: int, phase: int) -> Reach:
    tap = (phase + padding) % stride
    taps = len(range(tap, kernel, stride))
    return Reach(phase, len(range(phase, size, stride)), tap, taps, (phase + padding) // stride - taps + 1)


class Phases:
    """The work on a few images: each phase that sees anything.

    Args:
        columns: the convolution's.
        outputs: channels of ``gy``.
    """

    def __init__(self, columns: Columns, outputs: int) -> None:
        self.columns, self.outputs = columns, outputs
        along = [
            [_reach(size, kernel, stride, padding, phase) for phase in range(min(stride, size))]
            for size, kernel, stride, padding in zip(
                columns.spatial, columns.kernel, columns.stride, columns.padding, strict=True
            )
        ]
        self.covers = all(each.taps for dim in along for each in dim)
        self.pairs = [(rows, cols) for rows, cols in itertools.product(*along) if rows.taps and cols.taps]
        self.before = [max(0, *(-each.start for each in dim)) for dim in along]
        self.behind = [
            max(0, *(each.start + each.places + each.taps - 1 - places for each in dim))
            for dim, places in zip(along, columns.places, strict=True)
        ]
        largest = max(map(_elements, self.pairs), default=1)
        self.count = max(1, min(columns.batch, _CACHED // (4 * largest * outputs)))

    @functools.cached_property
    def workspace(self) -> Workspace:
        """Scratch for whoever works with phases."""
        return Workspace(self._scratch)

    def _scratch(self) -> tuple[Array, list[Any], Array, Array]:
        """Return room for gradients with zeros around them, each phase's windows on it, and for columns and products."""
        (height, width), (above, left), (below, right) = self.columns.places, self.before, self.behind
        padded = numpy.zeros((self.count, height + above + below, width + left + right, self.outputs), numpy.float32)
        windows = []
        for rows, cols in self.pairs:
            n, h, w, c = padded.strides
            shape = (self.count, rows.places, cols.places, rows.taps, cols.taps, self.outputs)
            first = padded[:, above + rows.start :, left + cols.start :]
            windows.append(as_strided(first, shape, (n, h, w, h, w, c)))
        inner = padded[:, above : above + height, left : left + width]
        most = self.count * max(map(_elements, self.pairs)) * self.outputs
        places = self.count * max(rows.places * cols.places for rows, cols in self.pairs)
        return (
            inner,
            windows,
            numpy.empty(most, numpy.float32),
            numpy.empty(places * self.columns.channels, numpy.float32),
        )


def _elements(pair: tuple[Reach, Reach]) -> int:
    """Return how many elements of one channel the columns of a phase have for an image."""
    return pair[0].places * pair[1].places * pair[0].taps * pair[1].taps


def products(columns: Columns, gradient: Array, image: Array, weight: Array, context: Context) -> list[Run] | None:
    """Return the calls that leave the gradient of ``image [N, H, W, C]``; None where no tap sees any pixel.

    ``gradient`` is ``[N, *places, O]``, ``weight`` is ``[O, C, kh, kw]``.
    """
    phases = Phases(columns, gradient.shape[3])
    if not phases.pairs:
        return None
    (down, right), factors, runs = columns.stride, [], []
    for rows, cols in phases.pairs:
        taps = weight[:, :, rows.tap :: down, cols.tap :: right][:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
        packed = numpy.empty(taps.shape, numpy.float32)
        runs.append(partial(numpy.copyto, packed, taps))
        factors.append(packed.reshape(-1, columns.channels))
    parts = []
    for some in cut(columns.batch, phases.count):
        targets = [image[some, rows.phase :: down, cols.phase :: right] for rows, cols in phases.pairs]
        parts.append(partial(_multiply, phases, gradient[some], factors, targets, image[some]))
    return [*runs, context.in_parts(parts)]


def _multiply(phases: Phases, gradient: Array, factors: list[Array], targets: list[Array], image: Array) -> None:
    inner, windows, columns, results = scratch = phases.workspace.take()
    numpy.copyto(inner[: len(gradient)], gradient)
    if not phases.covers:
        image.fill(0)
    for seen, factor, target in zip(windows, factors, targets, strict=True):
        part = seen[: len(gradient)]
        column = columns[: part.size].reshape(part.shape)
        result = results[: target.size].reshape(target.shape)
        numpy.copyto(column, part)
        numpy.matmul(column.reshape(-1, len(factor)), factor, out=result.reshape(-1, target.shape[3]))
        numpy.copyto(target, result)
    phases.workspace.give_back(scratch)
