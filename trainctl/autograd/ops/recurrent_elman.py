"""The Elman network's layer: one tanh or ReLU a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.recurrent_cells import rnn_relu_cell, rnn_tanh_cell
from trainctl.autograd.ops.recurrent_layer import Recurrence, RecurrentLayer
from trainctl.autograd.tensor import Tensor


class RNNLayer(RecurrentLayer):
    """``h = act(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)`` along the steps.

    ``x [N, I], h [B, H], w_ih [H, I], w_hh [H, H], b_ih [H], b_hh [H]`` -> the state after each row ``[N, H]``, the last
    states ``[B, H]``, and for backward the states before and after each row.
    """

    saves = (0, 1, 2, 3, 4, 5)
    saves_output = (2, 3)
    relu: bool

    def forward(self, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        xp, h, w = self.xp, self.xp.array(h), w_hh.T
        after = self.products(x, w_ih, b_ih, b_hh)
        before = xp.empty(after.shape, after.dtype)
        for rows in self.steps:
            state, new = h[: rows.stop - rows.start], after[rows]
            before[rows] = state
            new += xp.matmul(state, w)
            state[...] = xp.maximum(new, 0, out=new) if self.relu else xp.tanh(new, out=new)
        return after.copy(), h, before, after

    def gradients(self, gy: Tensor | None, gh: Tensor | None) -> Any:
        x, _, w_ih, w_hh, *_, before, after = self.saved
        gates, gh = RNNLayerGradient.apply(after, w_hh, gy, gh, **self.params)
        gx = matmul(gates, w_ih) if self.needs(0) else None
        weights = self.weight_gradient(2, gates, x), self.weight_gradient(3, gates, before)
        gb = self.bias_gradient(gates, 4, 5)
        return gx, gh, *weights, gb, gb

    def step(self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Any]) -> tuple[Tensor, ...]:
        return ((rnn_relu_cell if self.relu else rnn_tanh_cell)(x, *states, *weights),)


class RNNLayerGradient(Recurrence):
    """The gradients of what the activation was taken of ``[N, H]`` and of the first states ``[B, H]``."""

    relu: bool

    def forward(self, after: Any, w_hh: Any, gy: Any, gh: Any) -> Any:
        gates = (after > 0).astype(after.dtype) if self.relu else 1 - after * after
        gh = self.last_gradient(gh, after.shape[1], after.dtype)
        for rows in reversed(self.steps):
            state, gate = gh[: rows.stop - rows.start], gates[rows]
            if gy is not None:
                state += gy[rows]
            gate *= state
            self.xp.matmul(gate, w_hh, out=state)
        return gates, gh
