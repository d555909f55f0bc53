"""The LSTM's layer: gates i, f, g, o side by side, as PyTorch orders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.linalg import linear, matmul
from trainctl.autograd.ops.recurrent_cells import lstm_cell
from trainctl.autograd.ops.recurrent_layer import Recurrence, RecurrentLayer
from trainctl.autograd.ops.shape import narrow
from trainctl.autograd.tensor import Tensor


class LSTMLayer(RecurrentLayer):
    """``c = f * c + i * g``, ``h = (o * tanh(c)) @ w_hr.T`` along the steps (Hochreiter and Schmidhuber, 1997).

    ``x [N, I], h [B, P], c [B, H], w_ih [4H, I], w_hh [4H, P], b_ih [4H], b_hh [4H], w_hr [P, H]`` -> ``h`` after each
    row ``[N, P]``, the last ``h`` and ``c``, and for backward the gates, ``h`` and ``c`` before each row and ``tanh(c)``
    after it. Without ``w_hr`` (None) there is no projection and P is H.
    """

    kinds = 2
    saves = (0, 1, 2, 3, 4, 5, 6, 7)
    saves_output = (3, 4, 5, 6)

    def forward(self, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any) -> Any:
        xp, kind, size = self.xp, w_ih.dtype, c.shape[1]
        h, c = xp.array(h), xp.array(c)
        scale = self.scale(4, size, kind)
        gates = self.products(x, w_ih, b_ih, b_hh, scale=scale)
        shift = 1 - scale
        w = (w_hh * scale[:, None]).T
        y, before = (xp.empty((len(x), h.shape[1]), kind) for _ in range(2))
        cells, tanhs = (xp.empty((len(x), size), kind) for _ in range(2))
        product, part = xp.empty((len(h), 4 * size), kind), xp.empty((len(h), size), kind)
        for rows in self.steps:
            running = slice(0, rows.stop - rows.start)
            state, cell, gate, tanh = h[running], c[running], gates[rows], tanhs[rows]
            before[rows], cells[rows] = state, cell
            gate += xp.matmul(state, w, out=product[running])
            xp.tanh(gate, out=gate)
            gate *= scale
            gate += shift
            cell *= gate[:, size : 2 * size]
            cell += xp.multiply(gate[:, :size], gate[:, 2 * size : 3 * size], out=part[running])
            xp.tanh(cell, out=tanh)
            if w_hr is None:
                xp.multiply(gate[:, 3 * size :], tanh, out=state)
            else:
                xp.matmul(gate[:, 3 * size :] * tanh, w_hr.T, out=state)
            y[rows] = state
        return y, h, c, gates, before, cells, tanhs

    def gradients(self, gy: Tensor | None, gh: Tensor | None, gc: Tensor | None) -> Any:
        x, _, _, w_ih, w_hh, _, _, w_hr, *_, gates, before, cells, tanhs = self.saved
        ggates, gh, gc, gys = LSTMLayerGradient.apply(gates, cells, tanhs, w_hh, w_hr, gy, gh, gc, **self.params)
        gx = matmul(ggates, w_ih) if self.needs(0) else None
        weights = self.weight_gradient(3, ggates, x), self.weight_gradient(4, ggates, before)
        projection = None
        if w_hr is not None:
            size = cells._array.shape[1]
            projection = self.weight_gradient(7, gys, mul(narrow(gates, 1, 3 * size, size), tanhs))
        gb = self.bias_gradient(ggates, 5, 6)
        return gx, gh, gc, *weights, gb, gb, projection

    def step(self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Any]) -> tuple[Tensor, ...]:
        h, c = lstm_cell(x, states, *weights[:4])
        return h if weights[4] is None else linear(h, weights[4]), c


class LSTMLayerGradient(Recurrence):
    """The gradients of the gates before their activations ``[N, 4H]``, of the first states, and of ``h`` after each row."""

    def forward(self, gates: Any, cells: Any, tanhs: Any, w_hh: Any, w_hr: Any, gy: Any, gh: Any, gc: Any) -> Any:
        xp, kind, (count, size) = self.xp, gates.dtype, cells.shape
        gh, gc = self.last_gradient(gh, w_hh.shape[1], kind), self.last_gradient(gc, size, kind)
        slopes, to_cell = self.slopes(gates.reshape(count, 4, size), cells, tanhs)
        flat, forget = slopes.reshape(count, 4 * size), gates[:, size : 2 * size]
        gys = xp.empty((count if w_hr is not None else 0, w_hh.shape[1]), kind)
        for rows in reversed(self.steps):
            running = slice(0, rows.stop - rows.start)
            state, cell, slope = gh[running], gc[running], slopes[rows]
            if gy is not None:
                state += gy[rows]
            output = state
            if w_hr is not None:
                gys[rows] = state
                output = xp.matmul(state, w_hr)
            cell += output * to_cell[rows]
            slope[:, 3] *= output
            slope[:, :3] *= cell[:, None]
            cell *= forget[rows]
            xp.matmul(flat[rows], w_hh, out=state)
        return flat, gh, gc, gys

    def slopes(self, gates: Any, cells: Any, tanhs: Any) -> tuple[Any, Any]:
        """Return the slopes of c by i, f, g and of h by o before their activations, ``[N, 4, H]``, and of h by c."""
        i, g, o = gates[:, 0], gates[:, 2], gates[:, 3]
        slopes = 1 - gates
        slopes *= gates
        slopes[:, 0] *= g
        slopes[:, 1] *= cells
        slopes[:, 2] = (1 - g * g) * i
        slopes[:, 3] *= tanhs
        return slopes, (1 - tanhs * tanhs) * o
