"""One step of the recurrent layers, from the products of the input and of the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.tensor import Tensor

States = tuple[Tensor, ...]


def lstm(of_input: Tensor, of_state: Tensor, states: States) -> States:
    """Return the next ``(h, c)``; the gates are i, f, g, o."""
    i, f, g, o = (of_input + of_state).chunk(4, 1)
    c = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(of_input: Tensor, of_state: Tensor, states: States) -> States:
    """Return the next ``(h,)``; the gates are r, z, n, and r scales what the state adds to n."""
    (xr, xz, xn), (hr, hz, hn) = of_input.chunk(3, 1), of_state.chunk(3, 1)
    new = (xn + (xr + hr).sigmoid() * hn).tanh()
    return ((states[0] - new) * (xz + hz).sigmoid() + new,)


def rnn_tanh(of_input: Tensor, of_state: Tensor, states: States) -> States:
    """Return the next ``(h,)``."""
    return ((of_input + of_state).tanh(),)


def rnn_relu(of_input: Tensor, of_state: Tensor, states: States) -> States:
    """Return the next ``(h,)``."""
    return ((of_input + of_state).relu(),)


STEPS: dict[str, Callable[..., Any]] = {"LSTM": lstm, "GRU": gru, "RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu}
