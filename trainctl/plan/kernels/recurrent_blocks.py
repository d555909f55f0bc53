"""The loops over time of recurrent layers as NumPy calls: what runs where nothing is compiled.

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
from trainctl.plan.lowering import Context, Run, Workspace, cut

_SEQUENCES = 32  # of a block: a step's products are then worth their calls
_ROWS = 128  # of what is done for all steps at once, at a time

Steps = tuple[slice, ...]


class Scaled:
    """Weights of a layer times ``scale`` in ``tanh(x * scale) * scale + (1 - scale)``, which is a sigmoid for 1/2.

    Args:
        gates: how many there are; the third is a tanh.
        w_ih: ``[gates * H, I]``.
        w_hh: ``[gates * H, H]``.

    Attributes:
        w_in: ``[gates * H, I]``, scaled.
        w: ``[H, gates * H]``, scaled, in one piece: a product with a transposed factor can take twice the time.
        scale: ``[gates * H]``.
    """

    def __init__(self, gates: int, w_ih: Array, w_hh: Array) -> None:
        size = w_hh.shape[1]
        self.scale = numpy.full(gates * size, 0.5, numpy.float32)
        self.scale[2 * size : 3 * size] = 1
        self.w_in, self.w = numpy.empty_like(w_ih), numpy.empty(w_hh.shape[::-1], numpy.float32)
        self._given = w_ih, w_hh

    def fill(self) -> None:
        """Take the weights as they are."""
        w_ih, w_hh = self._given
        numpy.multiply(w_ih, self.scale[:, None], out=self.w_in)
        numpy.copyto(self.w, w_hh.T)
        numpy.multiply(self.w, self.scale, out=self.w)


def _rows(steps: Steps, some: slice) -> Iterator[tuple[slice, slice]]:
    """Yield for each step which rows some of the sequences have in it, and which of their states."""
    for rows in steps:
        stop = min(rows.stop, rows.start + some.stop)
        if stop > rows.start + some.start:
            yield slice(rows.start + some.start, stop), slice(some.start, stop - rows.start)


def _blocks(batch: int) -> list[slice]:
    return cut(batch, _SEQUENCES)


def lstm(steps: Steps, scaled: Scaled, h: Array, c: Array, outs: list[Any], context: Context) -> Run:
    """Return the call for all steps; ``h`` and ``c`` hold the first states and will hold the last ones.

    ``outs`` are y, gates (their part from the input, to begin with), before, cells and tanhs; y and before may be None.
    """
    y, gates, before, cells, tanhs = outs
    (batch, size), width = c.shape, gates.shape[1]
    product, part = numpy.empty((batch, width), numpy.float32), numpy.empty((batch, size), numpy.float32)
    scale = numpy.empty((batch, width), numpy.float32)
    scale[...] = scaled.scale
    shift = 1 - scale
    blocks: list[Run] = []
    for some in _blocks(batch):
        views = []
        for rows, running in _rows(steps, some):
            kept = [(None if each is None else each[rows]) for each in (y, before, cells, tanhs)]
            gate = gates[rows]
            states = [each[running] for each in (h, c, product, scale, shift, part)]
            views.append((*states, gate, *_split(gate, size), *kept))
        blocks.append(partial(_lstm, scaled.w, views))
    return context.in_parts(blocks)


def _split(gate: Array, size: int) -> list[Array]:
    return [gate[:, place : place + size] for place in range(0, gate.shape[1], size)]


def _lstm(w: Array, steps: list[Any]) -> None:
    add, multiply, tanh, copyto, matmul = numpy.add, numpy.multiply, numpy.tanh, numpy.copyto, numpy.matmul
    for h, c, product, scale, shift, part, gate, i, f, g, o, y, before, cell, bent in steps:
        if before is not None:
            copyto(before, h)
        copyto(cell, c)
        matmul(h, w, out=product)
        add(gate, product, out=gate)
        tanh(gate, out=gate)
        multiply(gate, scale, out=gate)
        add(gate, shift, out=gate)
        multiply(c, f, out=c)
        multiply(i, g, out=part)
        add(c, part, out=c)
        tanh(c, out=bent)
        multiply(o, bent, out=h)
        if y is not None:
            copyto(y, h)


def lstm_gradient(
    steps: Steps, w_hh: Array, gh: Array, gc: Array, given: list[Any], ggates: Array, context: Context
) -> list[Run]:
    """Return the calls that leave the gradient of the gates before their activations, and of the first states in gh, gc.

    ``given`` are gates, cells, tanhs and gy, which may be None.
    """
    gates, cells, tanhs, gy = given
    count, size = cells.shape
    out, of_gates = ggates.reshape(count, 4, size), gates.reshape(count, 4, size).swapaxes(0, 1)
    slopes, part = numpy.empty((5, count, size), numpy.float32), numpy.empty_like(gc)
    workspace = Workspace(partial(numpy.empty, (4, min(count, _ROWS), size), numpy.float32))
    ahead = [
        partial(_lstm_slopes, workspace, of_gates[:, rows], cells[rows], tanhs[rows], slopes[:, rows])
        for rows in cut(count, _ROWS)
    ]
    blocks: list[Run] = []
    for some in _blocks(len(gc)):
        views = []
        for rows, running in reversed(list(_rows(steps, some))):
            inputs = None if gy is None else gy[rows], slopes[4, rows], of_gates[1, rows]
            states = gh[running], gc[running], part[running]
            outs = out[rows, 3], out[rows, :3].swapaxes(0, 1), ggates[rows]
            views.append((*states, *inputs, slopes[3, rows], slopes[:3, rows], *outs))
        blocks.append(partial(_lstm_gradient, w_hh, views))
    return [context.in_parts(ahead), context.in_parts(blocks)]


def _lstm_slopes(workspace: Workspace, gates: Array, cells: Array, tanhs: Array, slopes: Array) -> None:
    """Leave the slopes of c by i, f, g and of h by o before their activations, and of h by c: ``[5, n, H]``."""
    subtract, multiply = numpy.subtract, numpy.multiply
    scratch = workspace.take()
    copied = scratch[:, : len(cells)]
    numpy.copyto(copied, gates)  # in one piece each: several passes follow
    (i, _, g, o), of_gates, to_cell = copied, slopes[:4], slopes[4]
    multiply(tanhs, tanhs, out=to_cell)
    subtract(1, to_cell, out=to_cell)
    multiply(to_cell, o, out=to_cell)
    subtract(1, copied, out=of_gates)
    multiply(of_gates, copied, out=of_gates)
    for place, factor in ((0, g), (1, cells), (3, tanhs)):
        multiply(of_gates[place], factor, out=of_gates[place])
    multiply(g, g, out=g)
    subtract(1, g, out=g)
    multiply(g, i, out=of_gates[2])
    workspace.give_back(scratch)


def _lstm_gradient(w_hh: Array, steps: list[Any]) -> None:
    add, multiply, matmul = numpy.add, numpy.multiply, numpy.matmul
    for gh, gc, part, gy, to_cell, f, by_output, by_cell, of_output, of_cell, ggates in steps:
        if gy is not None:
            add(gh, gy, out=gh)
        multiply(gh, to_cell, out=part)
        add(gc, part, out=gc)
        multiply(by_output, gh, out=of_output)
        multiply(by_cell, gc, out=of_cell)
        multiply(gc, f, out=gc)
        matmul(ggates, w_hh, out=gh)


def gru(steps: Steps, scaled: Scaled, bias: Array | None, h: Array, outs: list[Any], context: Context) -> list[Run]:
    """Return the calls for all steps; ``h`` holds the first states and will hold the last ones.

    ``outs`` are y, gates (their part from the input, to begin with), before and parts; y and before may be None.
    """
    y, gates, before, parts = outs
    batch, size = h.shape
    product, part = numpy.empty((batch, 3 * size), numpy.float32), numpy.empty((batch, size), numpy.float32)
    shift = numpy.zeros((batch, 3 * size), numpy.float32)
    blocks: list[Run] = []
    for some in _blocks(batch):
        views = []
        for rows, running in _rows(steps, some):
            kept = [(None if each is None else each[rows]) for each in (y, before, parts)]
            hidden, gate = product[running], gates[rows]
            sigmoids, new = gate[:, : 2 * size], gate[:, 2 * size :]
            inner = hidden[:, : 2 * size], hidden[:, 2 * size :]
            states = h[running], hidden, *inner, None if bias is None else shift[running], part[running]
            views.append((*states, sigmoids, sigmoids[:, :size], sigmoids[:, size:], new, *kept))
        blocks.append(partial(_gru, scaled.w, views))
    prepare = [] if bias is None else [partial(numpy.multiply, bias, scaled.scale, out=shift)]
    return [*prepare, context.in_parts(blocks)]


def _gru(w: Array, steps: list[Any]) -> None:
    add, multiply, tanh, copyto, matmul = numpy.add, numpy.multiply, numpy.tanh, numpy.copyto, numpy.matmul
    for h, hidden, to_sigmoids, to_new, shift, scratch, sigmoids, r, z, new, y, before, part in steps:
        if before is not None:
            copyto(before, h)
        matmul(h, w, out=hidden)
        if shift is not None:
            add(hidden, shift, out=hidden)
        add(sigmoids, to_sigmoids, out=sigmoids)
        tanh(sigmoids, out=sigmoids)
        multiply(sigmoids, 0.5, out=sigmoids)
        add(sigmoids, 0.5, out=sigmoids)
        copyto(part, to_new)
        multiply(part, r, out=scratch)
        add(new, scratch, out=new)
        tanh(new, out=new)
        numpy.subtract(h, new, out=h)
        multiply(h, z, out=h)
        add(h, new, out=h)
        if y is not None:
            copyto(y, h)


def gru_gradient(
    steps: Steps, turned: Array, gh: Array, given: list[Any], ggates: Array, context: Context
) -> list[Run]:
    """Return the calls that leave the gradients of h_n, and of r, z, n before their activations, and of the first states.

    ``turned`` is ``w_hh`` with the rows of n first; ``given`` are gates, before, parts and gy, which may be None.
    """
    gates, before, parts, gy = given
    count, size = before.shape
    slopes, of_gates = ggates.reshape(count, 4, size), gates.reshape(count, 3, size)
    product = numpy.empty_like(gh)
    ahead = [
        partial(_gru_slopes, *(each[rows] for each in (of_gates, before, parts, slopes))) for rows in cut(count, _ROWS)
    ]
    blocks: list[Run] = []
    for some in _blocks(len(gh)):
        views = []
        for rows, running in reversed(list(_rows(steps, some))):
            state, of_state = gh[running], ggates[rows, : 3 * size]
            inputs = None if gy is None else gy[rows], slopes[rows], of_gates[rows, 1]
            views.append((state, state[:, None], *inputs, of_state, product[running]))
        blocks.append(partial(_gru_gradient, turned, views))
    return [context.in_parts(ahead), context.in_parts(blocks)]


def _gru_slopes(gates: Array, before: Array, parts: Array, slopes: Array) -> None:
    """Leave the slopes of h by h_n, and by r, z, n before their activations, ``[n, 4, H]``."""
    subtract, multiply = numpy.subtract, numpy.multiply
    (r, z, n), (of_h, of_r, of_z, of_n) = gates.swapaxes(0, 1), slopes.swapaxes(0, 1)
    multiply(n, n, out=of_h)
    subtract(1, of_h, out=of_h)
    subtract(1, z, out=of_z)
    multiply(of_z, of_h, out=of_n)
    multiply(of_n, r, out=of_h)
    subtract(before, n, out=of_r)
    multiply(of_z, z, out=of_z)
    multiply(of_z, of_r, out=of_z)
    subtract(1, r, out=of_r)
    multiply(of_r, parts, out=of_r)
    multiply(of_r, of_h, out=of_r)


def _gru_gradient(turned: Array, steps: list[Any]) -> None:
    add, multiply, matmul = numpy.add, numpy.multiply, numpy.matmul
    for gh, beside, gy, slopes, keep, of_state, product in steps:
        if gy is not None:
            add(gh, gy, out=gh)
        multiply(slopes, beside, out=slopes)
        multiply(gh, keep, out=gh)
        matmul(of_state, turned, out=product)
        add(gh, product, out=gh)
