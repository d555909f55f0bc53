"""The gradient of a convolution's input on tiles: convolutions of the output's gradient, one for each phase of the stride."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import direct_convolution as direct
from trainctl.plan.kernels import winograd
from trainctl.plan.lowering import Context, Run

if TYPE_CHECKING:
    from trainctl.plan.kernels.columns import Columns


@dataclass(frozen=True)
class Phase:
    """Every ``stride``-th place of an image along one dim, whose gradients come from windows of the output's gradient.

    Attributes:
        places: these places.
        count: how many there are.
        taps: the kernel's numbers that they met, in the kernel's order; a window meets them from the last to the first.
        length: how many these are.
        start: where the first window begins; before the gradient where negative.
    """

    places: slice
    count: int
    taps: slice
    length: int
    start: int


def phases(size: int, kernel: int, stride: int, padding: int) -> list[Phase]:
    """Return the phases of a dim: place i met number k at the output's place ``(i + padding - k) / stride``.

    Example:
        >>> [(each.places.start, each.taps.start, each.length, each.start) for each in phases(8, 3, 2, 1)]
        [(0, 1, 1, 0), (1, 0, 2, 0)]
    """
    found = []
    for first in range(min(stride, size)):
        last, begin = divmod(first + padding, stride)
        length = len(range(begin, kernel, stride))
        places, taps = slice(first, None, stride), slice(begin, None, stride)
        found.append(Phase(places, -(-(size - first) // stride), taps, length, last - length + 1))
    return found


@jit.kernel("void(f4[:,:,:,:])")
def clear(image: Any) -> None:
    """Leave zeros."""
    for number in range(image.shape[0]):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                line = image[number, y, x]
                for c in range(line.size):
                    line[c] = 0


def input_products(columns: Columns, gradient: Array, result: Array, weight: Array, context: Context) -> list[Run]:
    """Return the calls that leave the gradient of a convolution's input in ``result`` (both ``[N, H, W, C]``).

    For each pair of phases that is a convolution with the kernel's numbers that their places met. Dilation is 1.
    """
    along = zip(columns.spatial, columns.kernel, columns.stride, columns.padding, strict=True)
    runs: list[Run] = []
    for y, x in product(*(phases(*each) for each in along)):
        target = result[:, y.places, x.places]
        if not (y.length and x.length):
            runs.append(partial(clear, target))
            continue
        met = weight[:, :, y.taps, x.taps][:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
        windows = direct.Windows((y.start, x.start), (y.count, x.count), (y.length, x.length), (1, 1))
        runs.extend(winograd.or_direct(windows, gradient, target, met, None, context))
    return runs
