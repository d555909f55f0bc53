"""Where the windows of a convolution stand, in any number of dims."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from trainctl.backend.arrays import Array

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Places:
    """The places of a window on images ``[N, *spatial, C]``.

    Attributes:
        spatial: the size of an image.
        kernel: the size of a window.
        stride: the distance from one place to the next.
        padding: how far windows stick out on both sides.
        dilation: the distance of neighbours in a window.

    Raises:
        ValueError: a window is larger than an image with its padding.
    """

    spatial: Sizes
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    def __post_init__(self) -> None:
        if any(size < reach for size, reach in zip(self.padded, self.reach, strict=True)):
            raise ValueError(f"a window of {list(self.reach)} is larger than an image of {list(self.padded)}")

    @property
    def reach(self) -> Sizes:
        """From the first to the last that a window sees."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def padded(self) -> Sizes:
        """The size of an image with its padding."""
        return tuple(size + 2 * p for size, p in zip(self.spatial, self.padding, strict=True))

    @property
    def counts(self) -> Sizes:
        """How many places there are along each dim."""
        along = zip(self.padded, self.reach, self.stride, strict=True)
        return tuple((size - reach) // step + 1 for size, reach, step in along)

    @property
    def is_plain(self) -> bool:
        """Return whether an image is its own columns."""
        return math.prod(self.kernel) == math.prod(self.stride) == 1 and not any(self.padding)

    def rows(self, start: int, stop: int) -> slice:
        """Return the padded image's rows that places ``start .. stop`` along the first dim see."""
        return slice(start * self.stride[0], (stop - 1) * self.stride[0] + self.reach[0])

    def seen(self, padded: Array) -> Array:
        """Return what windows see, as a view ``[N, *places, *kernel, C]``, of rows with padding ``[N, *spatial, C]``."""
        count = (padded.shape[1] - self.reach[0]) // self.stride[0] + 1
        steps = padded.strides[1:-1]
        places = tuple(step * s for step, s in zip(steps, self.stride, strict=True))
        within = tuple(step * d for step, d in zip(steps, self.dilation, strict=True))
        shape = (len(padded), count, *self.counts[1:], *self.kernel, padded.shape[-1])
        strides = (padded.strides[0], *places, *within, padded.strides[-1])
        return numpy.lib.stride_tricks.as_strided(padded, shape, strides)

    def taps(self) -> Iterator[Sizes]:
        """Yield the index of each element of the kernel."""
        return itertools.product(*map(range, self.kernel))

    def inside(self) -> tuple[slice, ...]:
        """Return the index of what is not padding, along the spatial dims."""
        return tuple(slice(p, p + size) for p, size in zip(self.padding, self.spatial, strict=True))
