"""The LSTM's layer and its gradient as NumPy calls: what runs where nothing is compiled."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.recurrent_blocks import ROWS, Scaled, blocks_of, made, put, rows_of
from trainctl.plan.lowering import Context, Run, Workspace, cut
from trainctl.plan.trace import Apply


def lstm(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run]:
    """Return the calls for an LSTM's layer; ``outs`` may be None where nobody reads them."""
    x, given_h, given_c, w_ih, w_hh, *biases, _ = arrays
    (batch, size), count, width = given_c.shape, len(x), len(w_hh)
    y, before, scaled = outs[0], outs[4], Scaled(4, w_ih, w_hh, *biases)
    h, c, gates = made(outs[1], batch, size), made(outs[2], batch, size), made(outs[3], count, width)
    cells, tanhs = (made(each, count, size) for each in outs[5:])
    product, part = numpy.empty((batch, width), numpy.float32), numpy.empty((batch, size), numpy.float32)
    scale = numpy.empty((batch, width), numpy.float32)
    scale[...] = scaled.scale
    shift = 1 - scale
    blocks: list[Run] = []
    for some in blocks_of(batch):
        views = []
        for rows, running in rows_of(record.params["steps"], some):
            kept = [(None if each is None else each[rows]) for each in (y, before, cells, tanhs)]
            gate = gates[rows]
            states = [each[running] for each in (h, c, product, scale, shift, part)]
            views.append((*states, gate, *_split(gate, size), *kept))
        blocks.append(partial(_lstm, scaled.w, views))
    return [*scaled.inputs(x, gates, context), put(given_h, h), put(given_c, c), context.in_parts(blocks)]


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


def lstm_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run]:
    """Return the calls for the gradients of the gates before their activations and of the first states."""
    gates, cells, tanhs, w_hh, _, gy, last_h, last_c = arrays
    count, size = cells.shape
    batch = max(rows.stop - rows.start for rows in record.params["steps"])
    ggates, gh, gc = made(outs[0], count, 4 * size), made(outs[1], batch, size), made(outs[2], batch, size)
    out, of_gates = ggates.reshape(count, 4, size), gates.reshape(count, 4, size).swapaxes(0, 1)
    slopes, part = numpy.empty((5, count, size), numpy.float32), numpy.empty_like(gc)
    workspace = Workspace(partial(numpy.empty, (4, min(count, ROWS), size), numpy.float32))
    ahead = [
        partial(_lstm_slopes, workspace, of_gates[:, rows], cells[rows], tanhs[rows], slopes[:, rows])
        for rows in cut(count, ROWS)
    ]
    blocks: list[Run] = []
    for some in blocks_of(len(gc)):
        views = []
        for rows, running in reversed(list(rows_of(record.params["steps"], some))):
            inputs = None if gy is None else gy[rows], slopes[4, rows], of_gates[1, rows]
            states = gh[running], gc[running], part[running]
            results = out[rows, 3], out[rows, :3].swapaxes(0, 1), ggates[rows]
            views.append((*states, *inputs, slopes[3, rows], slopes[:3, rows], *results))
        blocks.append(partial(_lstm_gradient, w_hh, views))
    return [put(last_h, gh), put(last_c, gc), context.in_parts(ahead), context.in_parts(blocks)]


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
