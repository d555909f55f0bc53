"""What the NumPy forms of recurrent layers share: their weights, and which rows belong to which step.

The sequences go through the steps in blocks. Everything that a step touches is a view made once. All gates of a step
are one tanh, as :mod:`trainctl.autograd.ops.recurrent_layer` has it: ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``, the
inner half put into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.products import product
from trainctl.plan.lowering import Context, Run, cut

ROWS = 128  # of what is done for all steps at once, at a time
_SEQUENCES = 32  # of a block: a step's products are then worth their calls

Steps = tuple[slice, ...]


class Scaled:
    """Weights of a layer times ``scale`` in ``tanh(x * scale) * scale + (1 - scale)``, which is a sigmoid for 1/2.

    Args:
        gates: how many there are; the third is a tanh.
        w_ih: ``[gates * H, I]``.
        w_hh: ``[gates * H, H]``.
        biases: of the inputs' part, ``[gates * H]``; those that are not None.

    Attributes:
        w: ``w_hh`` as ``[H, gates * H]``, scaled, in one piece: a product with a transposed factor can take twice the time.
        scale: ``[gates * H]``.
    """

    def __init__(self, gates: int, w_ih: Array, w_hh: Array, *biases: Array | None) -> None:
        size = w_hh.shape[1]
        self.scale = numpy.full(gates * size, 0.5, numpy.float32)
        self.scale[2 * size : 3 * size] = 1
        self.w = numpy.empty(w_hh.shape[::-1], numpy.float32)
        self._w_ih, self._w_hh, self._w_in = w_ih, w_hh, numpy.empty_like(w_ih)
        self._biases = [each for each in biases if each is not None]
        self._bias = numpy.empty_like(self.scale)

    def inputs(self, x: Array, gates: Array, context: Context) -> list[Run]:
        """Return the calls that take the weights as they are, and leave the gates' part from the inputs."""
        return [self._fill, *product(x, self._w_in.T, gates, self._bias if self._biases else None, context)]

    def _fill(self) -> None:
        numpy.multiply(self._w_ih, self.scale[:, None], out=self._w_in)
        numpy.copyto(self.w, self._w_hh.T)
        numpy.multiply(self.w, self.scale, out=self.w)
        if self._biases:
            first, *others = self._biases
            numpy.copyto(self._bias, first)
            for other in others:
                numpy.add(self._bias, other, out=self._bias)
            numpy.multiply(self._bias, self.scale, out=self._bias)


def rows_of(steps: Steps, some: slice) -> Iterator[tuple[slice, slice]]:
    """Yield for each step which rows some of the sequences have in it, and which of their states."""
    for rows in steps:
        stop = min(rows.stop, rows.start + some.stop)
        if stop > rows.start + some.start:
            yield slice(rows.start + some.start, stop), slice(some.start, stop - rows.start)


def blocks_of(batch: int) -> list[slice]:
    """Return the sequences that go through the steps together."""
    return cut(batch, _SEQUENCES)


def put(given: Array | None, state: Array) -> Run:
    """Return the call that puts first states, 0 for None, where they will change."""
    return partial(numpy.copyto, state, 0 if given is None else given)


def made(array: Any, *shape: int) -> Array:
    """Return an output, or scratch for one that nobody reads."""
    return numpy.empty(shape, numpy.float32) if array is None else array
