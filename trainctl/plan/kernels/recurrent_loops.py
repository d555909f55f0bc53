"""The loops over time of :mod:`trainctl.plan.kernels.recurrent`, each for some of the sequences.

``starts`` and ``counts`` say which rows a step has, in the order in which the steps are taken; ``first`` is the number of
the first of these sequences, whose states are ``h`` and ``c``. Weights are packed (:mod:`trainctl.plan.kernels.tile`),
``product`` has a row for each sequence.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.plan.kernels.functions import sigmoid, tanh
from trainctl.plan.kernels.tile import multiply

_ONE = numpy.float32(1)
_TIMES = "i8[::1], i8[::1], i8, "
_PRODUCT = "f4[:,:,::1], f4[:,::1], "


@jit.kernel(f"void({_TIMES}{_PRODUCT}f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def lstm(
    starts: Any, counts: Any, first: Any, weight: Any, product: Any,
    h: Any, c: Any, gates: Any, y: Any, before: Any, cells: Any, tanhs: Any,
) -> None:  # fmt: skip
    """Turn the gates' part from the input into the gates, and leave the states after and before each row."""
    size, none = c.shape[1], numpy.empty(0, numpy.float32)
    for step in range(starts.size):
        running = min(counts[step] - first, h.shape[0])
        if running <= 0:
            continue
        multiply(h[:running], weight, product[:running], none)
        for b in range(running):
            row = starts[step] + first + b
            state, cell, added, gate = h[b], c[b], product[b], gates[row]
            gate_i, gate_f, gate_g, gate_o = (
                gate[:size],
                gate[size : 2 * size],
                gate[2 * size : 3 * size],
                gate[3 * size :],
            )
            add_i, add_f, add_g, add_o = (
                added[:size],
                added[size : 2 * size],
                added[2 * size : 3 * size],
                added[3 * size :],
            )
            state_before, cell_before, bent, output = before[row], cells[row], tanhs[row], y[row]
            for j in range(size):
                i, f = sigmoid(gate_i[j] + add_i[j]), sigmoid(gate_f[j] + add_f[j])
                g, o = tanh(gate_g[j] + add_g[j]), sigmoid(gate_o[j] + add_o[j])
                gate_i[j], gate_f[j], gate_g[j], gate_o[j] = i, f, g, o
                state_before[j], cell_before[j] = state[j], cell[j]
                new = f * cell[j] + i * g
                t = tanh(new)
                cell[j], bent[j] = new, t
                state[j] = o * t
                output[j] = o * t


@jit.kernel(f"void({_TIMES}{_PRODUCT}f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def lstm_gradient(
    starts: Any, counts: Any, first: Any, weight: Any, product: Any,
    gh: Any, gc: Any, gy: Any, gates: Any, cells: Any, tanhs: Any, ggates: Any,
) -> None:  # fmt: skip
    """Leave the gradient of the gates before their activations, and that of the first states in ``gh`` and ``gc``.

    ``gy`` without rows: nobody reads the states after each row.
    """
    size, none = gc.shape[1], numpy.empty(0, numpy.float32)
    for step in range(starts.size - 1, -1, -1):
        running = min(counts[step] - first, gh.shape[0])
        if running <= 0:
            continue
        top = starts[step] + first
        for b in range(running):
            row = top + b
            state, cell, gate, out = gh[b], gc[b], gates[row], ggates[row]
            gate_i, gate_f, gate_g, gate_o = (
                gate[:size],
                gate[size : 2 * size],
                gate[2 * size : 3 * size],
                gate[3 * size :],
            )
            out_i, out_f, out_g, out_o = out[:size], out[size : 2 * size], out[2 * size : 3 * size], out[3 * size :]
            cell_before, bent = cells[row], tanhs[row]
            if gy.shape[0] > 0:
                given = gy[row]
                for j in range(size):
                    state[j] += given[j]
            for j in range(size):
                i, f, g, o, t = gate_i[j], gate_f[j], gate_g[j], gate_o[j], bent[j]
                along = cell[j] + state[j] * o * (_ONE - t * t)
                out_i[j] = along * g * i * (_ONE - i)
                out_f[j] = along * cell_before[j] * f * (_ONE - f)
                out_g[j] = along * i * (_ONE - g * g)
                out_o[j] = state[j] * t * o * (_ONE - o)
                cell[j] = along * f
        multiply(ggates[top : top + running], weight, gh[:running], none)


@jit.kernel(f"void({_TIMES}{_PRODUCT}f4[:,::1], f4[::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def gru(
    starts: Any, counts: Any, first: Any, weight: Any, product: Any,
    h: Any, bias: Any, gates: Any, y: Any, before: Any, parts: Any,
) -> None:  # fmt: skip
    """Turn the gates' part from the input into the gates, and leave the states after and before each row, and h_n."""
    size = h.shape[1]
    for step in range(starts.size):
        running = min(counts[step] - first, h.shape[0])
        if running <= 0:
            continue
        multiply(h[:running], weight, product[:running], bias)
        for b in range(running):
            row = starts[step] + first + b
            state, added, gate = h[b], product[b], gates[row]
            gate_r, gate_z, gate_n = gate[:size], gate[size : 2 * size], gate[2 * size :]
            add_r, add_z, add_n = added[:size], added[size : 2 * size], added[2 * size :]
            state_before, part, output = before[row], parts[row], y[row]
            for j in range(size):
                r, z = sigmoid(gate_r[j] + add_r[j]), sigmoid(gate_z[j] + add_z[j])
                n = tanh(gate_n[j] + r * add_n[j])
                gate_r[j], gate_z[j], gate_n[j] = r, z, n
                state_before[j], part[j] = state[j], add_n[j]
                new = n + z * (state[j] - n)
                state[j] = new
                output[j] = new


@jit.kernel(f"void({_TIMES}{_PRODUCT}f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def gru_gradient(
    starts: Any, counts: Any, first: Any, weight: Any, product: Any,
    gh: Any, gy: Any, gates: Any, before: Any, parts: Any, ggates: Any,
) -> None:  # fmt: skip
    """Leave the gradients of h_n, and of r, z, n before their activations, and that of the first states in ``gh``."""
    size, none = gh.shape[1], numpy.empty(0, numpy.float32)
    for step in range(starts.size - 1, -1, -1):
        running = min(counts[step] - first, gh.shape[0])
        if running <= 0:
            continue
        top = starts[step] + first
        for b in range(running):
            row = top + b
            state, gate, out = gh[b], gates[row], ggates[row]
            gate_r, gate_z, gate_n = gate[:size], gate[size : 2 * size], gate[2 * size :]
            out_h, out_r, out_z, out_n = out[:size], out[size : 2 * size], out[2 * size : 3 * size], out[3 * size :]
            state_before, part = before[row], parts[row]
            if gy.shape[0] > 0:
                given = gy[row]
                for j in range(size):
                    state[j] += given[j]
            for j in range(size):
                r, z, n, g = gate_r[j], gate_z[j], gate_n[j], state[j]
                to_new = g * (_ONE - z) * (_ONE - n * n)
                out_n[j] = to_new
                out_h[j] = to_new * r
                out_r[j] = to_new * r * part[j] * (_ONE - r)
                out_z[j] = g * (state_before[j] - n) * z * (_ONE - z)
                state[j] = g * z
        multiply(ggates[top : top + running, : 3 * size], weight, product[:running], none)
        for b in range(running):
            state, added = gh[b], product[b]
            for j in range(size):
                state[j] += added[j]
