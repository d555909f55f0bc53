"""Pooling over windows along one dim.

Pooling over several dims is one dim after the other: ``k + k`` passes for a ``k x k`` window instead of ``k * k``. The
last dim comes first, so that the first of equal maxima in reading order wins, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.windows import Sizes, without
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes


class Along(Op):
    """A window along one dim (counted from the end); what stands outside the input is left out.

    Attributes:
        dim: negative.
        kernel: elements of the window.
        stride: its step.
        padding: how far before the first element the first place is.
        dilation: step between the window's elements.
        places: of the window.
    """

    dim: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    places: int

    def taps(self, size: int) -> Iterator[tuple[int, Any, Any]]:
        """Yield for each element of the window: its number, at which places it sees an input, and which inputs."""
        rest = (slice(None),) * (-self.dim - 1)
        for number in range(self.kernel):
            offset = number * self.dilation - self.padding
            first = max(-(offset // self.stride), 0)
            end = min((size - 1 - offset) // self.stride + 1, self.places)
            if first < end:
                start = first * self.stride + offset
                source = slice(start, start + (end - first - 1) * self.stride + 1, self.stride)
                yield number, (..., slice(first, end), *rest), (..., source, *rest)

    def resized(self, shape: Sizes, size: int) -> Sizes:
        """Return the shape with another size of the dim."""
        at = len(shape) + self.dim
        return (*shape[:at], size, *shape[at + 1 :])

    def tiles(self, size: int) -> bool:
        """Return whether each input is seen from just one place."""
        return (
            self.dilation == 1
            and self.kernel == self.stride
            and self.padding == 0
            and self.places * self.stride == size
        )

    @property
    def overlaps(self) -> bool:
        """Whether an input may be seen from several places."""
        return self.stride < self.dilation * (self.kernel - 1) + 1


class SumAlong(Along):
    def forward(self, x: Any, out: Any = None) -> Any:
        self.size = x.shape[self.dim]
        y = self.xp.zeros(self.resized(x.shape, self.places), x.dtype)
        for _, places, source in self.taps(self.size):
            y[places] += x[source]
        return y if out is None else self.xp.copyto(out, y) or out

    def backward(self, gy: Tensor) -> Any:
        return SpreadAlong.apply(gy, **self.params, size=self.size)


class SpreadAlong(Along):
    """Each input with the sum of the places that see it."""

    size: int

    def forward(self, gy: Any, out: Any = None) -> Any:
        gx = self.xp.zeros(self.resized(gy.shape, self.size), gy.dtype)
        for _, places, source in self.taps(self.size):
            gx[source] += gy[places]
        return gx if out is None else self.xp.copyto(out, gx) or out

    def backward(self, ggx: Tensor) -> Any:
        return SumAlong.apply(ggx, **without(self.params, "size"))


class MaxAlong(Along):
    """The largest element, and (if it ``chooses``) which of the window it is: the first, or the last NaN."""

    saves_output = (1,)
    materializes_gradients = False
    chooses: bool

    def forward(self, x: Any) -> Any:
        xp, self.size = self.xp, x.shape[self.dim]
        taps, shape = list(self.taps(self.size)), self.resized(x.shape, self.places)
        whole = self.padding == 0  # the window's first element sees an input from everywhere
        y = x[taps[0][2]].copy() if whole else xp.full(shape, _lowest(x.dtype), x.dtype)
        if not self.chooses:
            for _, places, source in taps[1:] if whole else taps:
                xp.maximum(y[places], x[source], out=y[places])
            return y
        choice = xp.zeros(shape, xp.uint8 if self.kernel <= 256 else xp.int32)
        if not whole:
            for number, places, _ in reversed(taps):
                choice[places] = number  # the first that sees an input, should all be as low as can be
        for number, places, source in taps[1:] if whole else taps:
            part = x[source].copy()  # in one piece: several passes follow
            better = part > y[places]
            if x.dtype.kind == "f":
                better |= part != part
            xp.maximum(choice[places], xp.multiply(better, number, dtype=choice.dtype), out=choice[places])
            xp.maximum(y[places], part, out=y[places])
        return y, choice

    def backward(self, gy: Tensor, _: Any) -> Any:
        return ReturnAlong.apply(gy, *self.saved, **without(self.params, "chooses"), size=self.size)


def _lowest(kind: Any) -> Any:
    return -math.inf if kind.kind == "f" else dtypes.iinfo(dtypes.FROM_ARRAY[kind]).min


class ChooseAlong(Along):
    """The chosen element of each window."""

    saves = (1,)

    def forward(self, x: Any, choice: Any, out: Any = None) -> Any:
        self.size = x.shape[self.dim]
        y = self.xp.zeros(choice.shape, x.dtype)
        for number, places, source in self.taps(self.size):
            y[places] += where_true(self.xp, choice[places] == number, x[source])
        return y if out is None else self.xp.copyto(out, y) or out

    def backward(self, gy: Tensor) -> Any:
        return ReturnAlong.apply(gy, *self.saved, **self.params, size=self.size)


class ReturnAlong(Along):
    """Each input with the sum of the places that chose it."""

    saves = (1,)
    size: int

    def forward(self, gy: Any, choice: Any, out: Any = None) -> Any:
        xp, shape = self.xp, self.resized(gy.shape, self.size)
        gx = xp.empty(shape, gy.dtype) if self.tiles(self.size) else xp.zeros(shape, gy.dtype)
        for number, places, source in self.taps(self.size):
            chosen = choice[places] == number
            if self.overlaps:
                gx[source] += where_true(xp, chosen, gy[places])
            else:
                where_true(xp, chosen, gy[places], gx[source])
        return gx if out is None else xp.copyto(out, gx) or out

    def backward(self, ggx: Tensor) -> Any:
        return ChooseAlong.apply(ggx, *self.saved, **without(self.params, "size"))


def where_true(xp: Any, mask: Any, x: Any, out: Any = None) -> Any:
    """Return ``x`` where the mask holds, else 0: bit by bit, several times faster than ``where`` on a random mask."""
    kind = xp.dtype(f"i{x.itemsize}")
    bits = xp.negative(mask.view(xp.int8), dtype=kind)
    return xp.bitwise_and(x.view(kind), bits, out=bits if out is None else out.view(kind)).view(x.dtype)
