"""The layers of recurrent networks: sixteen sequences go through all steps without the interpreter.

The products with the recurrent weight are on tiles, whose right factor is packed once a layer; what can be a product
over all steps is one. Tanh and sigmoid are rational functions: results differ from eager mode's by rounding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.recurrent_gru import GRULayer, GRULayerGradient
from trainctl.autograd.ops.recurrent_lstm import LSTMLayer, LSTMLayerGradient
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import gru_blocks, lstm_blocks, tile
from trainctl.plan.kernels import recurrent_loops as loops
from trainctl.plan.kernels.arithmetic import add
from trainctl.plan.kernels.copying import copied
from trainctl.plan.kernels.products import packing, product
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_SEQUENCES = 16  # that one thread takes at least: two tiles of rows
_PARTS = 4  # of many sequences: the more a part has, the more often it uses a weight that it has read


class Steps:
    """The steps of a layer as the loops are told of them, and its sequences in parts.

    Args:
        record: the op's; its parameter ``steps`` has the rows of each step.
    """

    def __init__(self, record: Apply) -> None:
        steps = record.params["steps"]
        self.starts = numpy.array([rows.start for rows in steps])
        self.counts = numpy.array([rows.stop - rows.start for rows in steps])
        self.batch = int(self.counts.max())

    def runs(
        self, loop: jit.Kernel, weight: Array, width: int, of_part: list[Any], others: list[Any], context: Context
    ) -> list[Run]:
        """Return the calls of a loop for all sequences: ``of_part`` have a row for each of them."""
        packed, call = tile.panels(*weight.shape), loop
        parts: list[Run] = []
        for some in cut(self.batch, _SEQUENCES * max(1, -(-self.batch // (_SEQUENCES * _PARTS)))):
            scratch = numpy.empty((some.stop - some.start, width), numpy.float32)
            states = [each[some] for each in of_part]
            parts.append(partial(call, self.starts, self.counts, some.start, packed, scratch, *states, *others))
        return [packing(weight, packed, context), context.in_parts(parts)]


def _fits(*arrays: Any) -> bool:
    """Return whether these, where they are not None, are plain arrays."""
    given = [each for each in arrays if each is not None]
    return plain_float(*given) and all(each.flags.c_contiguous for each in given)


def _made(outs: list[Any], *shapes: tuple[int, ...]) -> list[Array]:
    """Return the outputs, with scratch for those that nobody reads."""
    return [
        numpy.empty(shape, numpy.float32) if each is None else each for each, shape in zip(outs, shapes, strict=True)
    ]


def _states(pairs: list[tuple[Any, Array]]) -> list[Run]:
    """Return the calls that put the first states (0 for None) where they will change."""
    return [copied(given, state) for given, state in pairs]


@lowers(LSTMLayer)
def lstm(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The products with the inputs, for all steps; then the steps."""
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr = arrays
    if w_hr is not None or not _fits(*arrays, *outs):
        return None
    if not context.compiled:
        return lstm_blocks.lstm(record, arrays, outs, context)
    count, size = len(x), c.shape[1]
    row = count, size
    y, last_h, last_c, gates, *kept = _made(outs, row, h.shape, c.shape, (count, 4 * size), row, row, row)
    biases = [each for each in (b_ih, b_hh) if each is not None]
    steps = Steps(record)
    loop = steps.runs(loops.lstm, w_hh.T, 4 * size, [last_h, last_c], [gates, y, *kept], context)
    return [*_inputs(x, w_ih, biases, gates, context), *_states([(h, last_h), (c, last_c)]), *loop]


def _inputs(x: Array, weight: Array, biases: list[Array], gates: Array, context: Context) -> list[Run]:
    """Return the calls that leave the gates' part from the inputs."""
    if len(biases) < 2:
        return product(x, weight.T, gates, biases[0] if biases else None, context)
    bias = numpy.empty_like(biases[0])
    return [partial(add, *biases, bias), *product(x, weight.T, gates, bias, context)]


@lowers(LSTMLayerGradient)
def lstm_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The steps backwards; the weights' gradients are products of their own."""
    gates, cells, tanhs, w_hh, w_hr, gy, gh, gc = arrays
    if w_hr is not None or not _fits(*arrays, *outs[:3]):
        return None
    if not context.compiled:
        return lstm_blocks.lstm_gradient(record, arrays, outs, context)
    steps, size = Steps(record), cells.shape[1]
    ggates, first_h, first_c = _made(outs[:3], gates.shape, (steps.batch, size), (steps.batch, size))
    others = [numpy.empty((0, size), numpy.float32) if gy is None else gy, gates, cells, tanhs, ggates]
    loop = steps.runs(loops.lstm_gradient, w_hh, 0, [first_h, first_c], others, context)
    return [*_states([(gh, first_h), (gc, first_c)]), *loop]


@lowers(GRULayer)
def gru(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The products with the inputs, for all steps; then the steps."""
    x, h, w_ih, w_hh, b_ih, b_hh = arrays
    if not _fits(*arrays, *outs):
        return None
    if not context.compiled:
        return gru_blocks.gru(record, arrays, outs, context)
    row = len(x), h.shape[1]
    y, last, gates, *kept = _made(outs, row, h.shape, (len(x), 3 * h.shape[1]), row, row)
    bias = numpy.zeros(0, numpy.float32) if b_hh is None else b_hh
    loop = Steps(record).runs(loops.gru, w_hh.T, 3 * h.shape[1], [last], [bias, gates, y, *kept], context)
    return [*_inputs(x, w_ih, [] if b_ih is None else [b_ih], gates, context), copied(h, last), *loop]


@lowers(GRULayerGradient)
def gru_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The steps backwards; the weights' gradients are products of their own."""
    gates, before, parts, w_hh, gy, gh = arrays
    if not _fits(*arrays, *outs):
        return None
    if not context.compiled:
        return gru_blocks.gru_gradient(record, arrays, outs, context)
    steps, (count, size) = Steps(record), before.shape
    ggates, first = _made(outs, (count, 4 * size), (steps.batch, size))
    turned = numpy.empty_like(w_hh)
    turn = [copied(w_hh[2 * size :], turned[:size]), copied(w_hh[: 2 * size], turned[size:])]
    others = [numpy.empty((0, size), numpy.float32) if gy is None else gy, gates, before, parts, ggates]
    return [*turn, copied(gh, first), *steps.runs(loops.gru_gradient, turned, size, [first], others, context)]
