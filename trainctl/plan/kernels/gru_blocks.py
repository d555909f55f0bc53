"""The GRU's layer and its gradient as NumPy calls: what runs where nothing is compiled."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.recurrent_blocks import ROWS, Scaled, blocks_of, made, put, rows_of
from trainctl.plan.lowering import Context, Run, cut
from trainctl.plan.trace import Apply


def gru(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run]:
    """Return the calls for a GRU's layer; ``outs`` may be None where nobody reads them."""
    x, given, w_ih, w_hh, b_ih, bias = arrays
    (batch, size), count = given.shape, len(x)
    y, before, scaled = outs[0], outs[3], Scaled(3, w_ih, w_hh, b_ih)
    h, gates, parts = made(outs[1], batch, size), made(outs[2], count, 3 * size), made(outs[4], count, size)
    product, part = numpy.empty((batch, 3 * size), numpy.float32), numpy.empty((batch, size), numpy.float32)
    shift = numpy.zeros((batch, 3 * size), numpy.float32)
    blocks: list[Run] = []
    for some in blocks_of(batch):
        views = []
        for rows, running in rows_of(record.params["steps"], some):
            kept = [(None if each is None else each[rows]) for each in (y, before, parts)]
            hidden, gate = product[running], gates[rows]
            sigmoids, new = gate[:, : 2 * size], gate[:, 2 * size :]
            inner = hidden[:, : 2 * size], hidden[:, 2 * size :]
            states = h[running], hidden, *inner, None if bias is None else shift[running], part[running]
            views.append((*states, sigmoids, sigmoids[:, :size], sigmoids[:, size:], new, *kept))
        blocks.append(partial(_gru, scaled.w, views))
    prepare = [] if bias is None else [partial(numpy.multiply, bias, scaled.scale, out=shift)]
    return [*scaled.inputs(x, gates, context), *prepare, put(given, h), context.in_parts(blocks)]


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


def gru_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run]:
    """Return the calls for the gradients of h_n, and of r, z, n before their activations, and of the first states."""
    gates, before, parts, w_hh, gy, last = arrays
    count, size = before.shape
    batch = max(rows.stop - rows.start for rows in record.params["steps"])
    ggates, gh, turned = made(outs[0], count, 4 * size), made(outs[1], batch, size), numpy.empty_like(w_hh)
    turn = [put(w_hh[2 * size :], turned[:size]), put(w_hh[: 2 * size], turned[size:])]
    slopes, of_gates = ggates.reshape(count, 4, size), gates.reshape(count, 3, size)
    product = numpy.empty_like(gh)
    ahead = [
        partial(_gru_slopes, *(each[rows] for each in (of_gates, before, parts, slopes))) for rows in cut(count, ROWS)
    ]
    blocks: list[Run] = []
    for some in blocks_of(len(gh)):
        views = []
        for rows, running in reversed(list(rows_of(record.params["steps"], some))):
            state, of_state = gh[running], ggates[rows, : 3 * size]
            inputs = None if gy is None else gy[rows], slopes[rows], of_gates[rows, 1]
            views.append((state, state[:, None], *inputs, of_state, product[running]))
        blocks.append(partial(_gru_gradient, turned, views))
    return [*turn, put(last, gh), context.in_parts(ahead), context.in_parts(blocks)]


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
