"""The GRU's layer: gates r, z, n side by side, as PyTorch orders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.recurrent_cells import gru_cell
from trainctl.autograd.ops.recurrent_layer import Recurrence, RecurrentLayer
from trainctl.autograd.ops.shape import narrow
from trainctl.autograd.tensor import Tensor


class GRULayer(RecurrentLayer):
    """``n = tanh(x_n + r * h_n)``, ``h = (1 - z) * n + z * h`` along the steps (Cho et al., 2014).

    ``x [N, I], h [B, H], w_ih [3H, I], w_hh [3H, H], b_ih [3H], b_hh [3H]`` -> ``h`` after each row ``[N, H]``, the last
    ``h``, and for backward the gates, ``h`` before each row and ``h_n``, its part in gate n.
    """

    saves = (0, 1, 2, 3, 4, 5)
    saves_output = (2, 3, 4)

    def forward(self, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        xp, kind, size = self.xp, w_ih.dtype, h.shape[1]
        h = xp.array(h)
        scale = self.scale(3, size, kind)
        gates = self.products(x, w_ih, b_ih, scale=scale)
        w, b = (w_hh * scale[:, None]).T, None if b_hh is None else b_hh * scale
        y, before, parts = (xp.empty((len(x), size), kind) for _ in range(3))
        product = xp.empty((len(h), 3 * size), kind)
        for rows in self.steps:
            running = slice(0, rows.stop - rows.start)
            state, hidden, part = h[running], product[running], parts[rows]
            before[rows] = state
            xp.matmul(state, w, out=hidden)
            if b is not None:
                hidden += b
            sigmoids, new = gates[rows, : 2 * size], gates[rows, 2 * size :]
            sigmoids += hidden[:, : 2 * size]
            xp.tanh(sigmoids, out=sigmoids)
            sigmoids *= 0.5
            sigmoids += 0.5
            part[...] = hidden[:, 2 * size :]
            new += part * sigmoids[:, :size]
            xp.tanh(new, out=new)
            state -= new
            state *= sigmoids[:, size:]
            state += new
            y[rows] = state
        return y, h, gates, before, parts

    def gradients(self, gy: Tensor | None, gh: Tensor | None) -> Any:
        x, _, w_ih, w_hh, *_, gates, before, parts = self.saved
        size = before._array.shape[1]
        all_four, gh = GRULayerGradient.apply(gates, before, parts, w_hh, gy, gh, **self.params)
        of_input, of_state = narrow(all_four, 1, size, 3 * size), narrow(all_four, 1, 0, 3 * size)
        gx = matmul(of_input, w_ih) if self.needs(0) else None
        gw_ih, gw_hh = self.weight_gradient(2, of_input, x), self.weight_gradient(3, of_state, before)
        gb_ih, gb_hh = self.bias_gradient(of_input, 4), self.bias_gradient(of_state, 5)
        return gx, gh, gw_ih, _turned(gw_hh, size), gb_ih, _turned(gb_hh, size)

    def step(self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Any]) -> tuple[Tensor, ...]:
        return (gru_cell(x, *states, *weights),)


def _turned(rows: Tensor | None, size: int) -> Tensor | None:
    """Return the rows of h_n, r, z as those of r, z, h_n."""
    return None if rows is None else cat([narrow(rows, 0, size, 2 * size), narrow(rows, 0, 0, size)])


class GRULayerGradient(Recurrence):
    """The gradients of h_n, and of r, z, n before their activations, ``[N, 4H]``, and of the first states ``[B, H]``.

    The first three are those of ``h @ w_hh.T + b_hh``, the last three those of ``x @ w_ih.T + b_ih``.
    """

    def forward(self, gates: Any, before: Any, parts: Any, w_hh: Any, gy: Any, gh: Any) -> Any:
        xp, (count, size) = self.xp, before.shape
        slopes = self.slopes(gates.reshape(count, 3, size), before, parts)
        flat, keep = slopes.reshape(count, 4 * size), gates[:, size : 2 * size]
        gh = self.last_gradient(gh, size, gates.dtype)
        w = xp.concatenate([w_hh[2 * size :], w_hh[: 2 * size]])
        for rows in reversed(self.steps):
            state, slope = gh[: rows.stop - rows.start], slopes[rows]
            if gy is not None:
                state += gy[rows]
            slope *= state[:, None]
            state *= keep[rows]
            state += xp.matmul(flat[rows, : 3 * size], w)
        return flat, gh

    def slopes(self, gates: Any, before: Any, parts: Any) -> Any:
        """Return the slopes of h by h_n, and by r, z, n before their activations, ``[N, 4, H]``."""
        r, z, n = gates[:, 0], gates[:, 1], gates[:, 2]
        slopes = self.xp.empty((len(before), 4, before.shape[1]), before.dtype)
        slopes[:, 3] = (1 - z) * (1 - n * n)
        slopes[:, 0] = slopes[:, 3] * r
        slopes[:, 1] = slopes[:, 0] * parts * (1 - r)
        slopes[:, 2] = (before - n) * z * (1 - z)
        return slopes
