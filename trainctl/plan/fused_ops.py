"""Ops that only plans have: what several ops of a trace do, in one pass over memory.

``forward`` is their definition, by the ops that they stand for; :mod:`trainctl.plan.kernels` has the loops.
"""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.broadcasting import SumTo
from trainctl.autograd.ops.pooling_along import MaxAlong, ReturnAlong
from trainctl.autograd.ops.standardization import Standardize, StandardizeGradient

Pair = tuple[int, int]


def _of(op: type[Op], **params: Any) -> Op:
    """Return an application of an op."""
    node = op()
    node.params = params
    node.__dict__.update(params)
    return node


class StandardizeReLU(Op):
    """``relu(standardize(x) + other)``, without ``other`` where that is None."""

    eps: float
    dims: tuple[int, ...] | None

    def forward(self, x: Any, center: Any, var: Any, weight: Any, bias: Any, other: Any) -> Any:
        """Compute it op by op."""
        y = _of(Standardize, eps=self.eps, dims=self.dims).forward(x, center, var, weight, bias)
        return _of(ReLU).forward(y if other is None else y + other)


class NormGradient(Op):
    """The gradients of a norm's input, weight and bias, and of its output before a ReLU and a sum that came after it.

    That is ``given = (gy + more) * (y != 0)``, without what is None, and the gradients are those that ``given`` leads to.

    Attributes:
        shape: of the bias.
        gives: names of the results that are wanted: of ``gx``, ``gw``, ``gb`` and ``given``.
    """

    eps: float
    dims: tuple[int, ...]
    shape: tuple[int, ...]
    gives: tuple[str, ...]

    def forward(self, gy: Any, more: Any, y: Any, x: Any, center: Any, var: Any, weight: Any) -> Any:
        """Compute it op by op."""
        given = gy if more is None else gy + more
        if y is not None:
            given = _of(ReLUGradient).forward(given, y)
        gx, gw = _of(StandardizeGradient, eps=self.eps, dims=self.dims).forward(given, x, center, var, weight)
        found = {"gx": gx, "gw": gw, "given": given}
        if "gb" in self.gives:
            found["gb"] = _of(SumTo, shape=self.shape).forward(given)
        return tuple(found[name] for name in self.gives)


class MaxOver(Op):
    """The largest element of each window of images, after a ReLU if it ``rectifies``, and its number in the window if it ``chooses``.

    Windows lie beside each other, from the first row and column on.
    """

    kernel: Pair
    places: Pair
    rectifies: bool
    chooses: bool

    def forward(self, x: Any) -> Any:
        """Compute it op by op."""
        rows, columns = self.kernel
        best = _of(ReLU).forward(x) if self.rectifies else x
        best, along = self._along(best, -1)
        best, down = self._along(best, -2)
        if not self.chooses:
            return best
        row = self.xp.arange(best.shape[2])[:, None] * rows + down
        return best, (down * columns + self.xp.take_along_axis(along, row, 2)).astype(self.xp.uint8)

    def _along(self, x: Any, dim: int) -> Any:
        size = self.kernel[dim]
        node = _of(
            MaxAlong, dim=dim, kernel=size, stride=size, padding=0, dilation=1, places=self.places[dim], chooses=True
        )
        return node.forward(x)


class ReturnFrom(Op):
    """The gradient of :class:`MaxOver`, given that of its output, its choice and, where it rectifies, its output."""

    kernel: Pair
    size: Pair

    def forward(self, gy: Any, choice: Any, y: Any) -> Any:
        """Compute it op by op."""
        rows, columns = self.kernel
        if y is not None:
            gy = _of(ReLUGradient).forward(gy, y)
        down = self._along(gy, choice // columns, -2)
        along = self.xp.repeat(choice % columns, rows, axis=2)
        missing = self.size[0] - along.shape[2]
        along = self.xp.pad(along, ((0, 0), (0, 0), (0, missing), (0, 0)))
        return self._along(down, along, -1)

    def _along(self, gy: Any, choice: Any, dim: int) -> Any:
        size = self.kernel[dim]
        node = _of(
            ReturnAlong,
            dim=dim,
            kernel=size,
            stride=size,
            padding=0,
            dilation=1,
            places=gy.shape[dim],
            size=self.size[dim],
        )
        return node.forward(gy, choice)


class Follow(Op):
    """``x * keep + value * scale * share``, each product rounded, as running statistics follow those of the batches."""

    keep: float
    scale: float
    share: float

    takes_out = True

    def forward(self, x: Any, value: Any, out: Any = None) -> Any:
        """Compute it, into ``out`` where it is given."""
        one = x.dtype.type
        return self.xp.add(x * one(self.keep), value.reshape(x.shape) * one(self.scale) * one(self.share), out=out)


class LargestCodes(Op):
    """The largest of the codes in each window of images.

    Attributes:
        along: parameters of :class:`MaxAlong` for the last dim.
        down: the same for the one before.
    """

    along: dict[str, Any]
    down: dict[str, Any]

    def forward(self, x: Any) -> Any:
        """Compute it op by op."""
        return _of(MaxAlong, **self.down).forward(_of(MaxAlong, **self.along).forward(x))
