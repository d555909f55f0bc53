"""One step of a recurrent network, in terms of other ops."""

from __future__ import annotations

from collections.abc import Sequence

from trainctl.autograd.ops.activation import relu
from trainctl.autograd.ops.arithmetic import add, mul, sub
from trainctl.autograd.ops.elementwise import sigmoid, tanh
from trainctl.autograd.ops.linalg import linear
from trainctl.autograd.ops.splitting import chunk
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "rnn_tanh_cell rnn_relu_cell lstm_cell gru_cell"


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """Return ``tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)``: ``[N, I], [N, H], [H, I], [H, H], [H], [H] -> [N, H]``.

    Raises:
        RuntimeError: shapes that do not fit.

    Example:
        >>> import trainctl
        >>> rnn_tanh_cell(trainctl.ones(2, 3), trainctl.zeros(2, 4), trainctl.zeros(4, 3), trainctl.zeros(4, 4)).shape
        trainctl.Size([2, 4])
    """
    _check("RNNCell", input, w_ih, (hx, w_hh._array.shape[1]))
    return tanh(add(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh)))


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """Return :func:`rnn_tanh_cell` with ReLU in place of tanh.

    Raises:
        RuntimeError: shapes that do not fit.
    """
    _check("RNNCell", input, w_ih, (hx, w_hh._array.shape[1]))
    return relu(add(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh)))


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the next ``h`` and ``c`` of an LSTM (Hochreiter and Schmidhuber, 1997).

    Args:
        input: ``[N, I]``.
        hx: ``h`` and ``c``, each ``[N, H]``.
        w_ih: of the gates i, f, g, o, ``[4H, I]``.
        w_hh: likewise, ``[4H, H]``.
        b_ih: likewise, ``[4H]``.
        b_hh: likewise, ``[4H]``.

    Raises:
        RuntimeError: shapes that do not fit.

    Example:
        >>> import trainctl
        >>> state = trainctl.zeros(2, 4), trainctl.ones(2, 4)
        >>> h, c = lstm_cell(trainctl.ones(2, 3), state, trainctl.zeros(16, 3), trainctl.zeros(16, 4))
        >>> c[0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    h, c = hx
    _check("LSTMCell", input, w_ih, (h, w_hh._array.shape[1]), (c, w_hh._array.shape[0] // 4))
    gates = add(linear(input, w_ih, b_ih), linear(h, w_hh, b_hh))
    i, f, g, o = chunk(gates, 4, 1)
    c = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
    return mul(sigmoid(o), tanh(c)), c


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """Return the next state of a GRU (Cho et al., 2014): ``[N, I], [N, H], [3H, I], [3H, H], [3H], [3H] -> [N, H]``.

    The gates' rows are in the order r, z, n.

    Raises:
        RuntimeError: shapes that do not fit.

    Example:
        >>> import trainctl
        >>> gru_cell(trainctl.ones(1, 3), trainctl.ones(1, 2), trainctl.zeros(6, 3), trainctl.zeros(6, 2))
        tensor([[0.5000, 0.5000]])
    """
    _check("GRUCell", input, w_ih, (hx, w_hh._array.shape[1]))
    x_r, x_z, x_n = chunk(linear(input, w_ih, b_ih), 3, 1)
    h_r, h_z, h_n = chunk(linear(hx, w_hh, b_hh), 3, 1)
    new = tanh(add(x_n, mul(sigmoid(add(x_r, h_r)), h_n)))
    return add(mul(sub(hx, new), sigmoid(add(x_z, h_z))), new)


def _check(name: str, input: Tensor, w_ih: Tensor, *states: tuple[Tensor, int]) -> None:
    """Raise RuntimeError if the input, or one of the states, does not have the size that the weights ask for."""
    for each in (input, *(state for state, _ in states)):
        if each._array.ndim != 2:
            raise RuntimeError(f"{name}: expected an input [N, I] and states [N, H], got shape {list(each.shape)}")
    (batch, features), wanted = input._array.shape, w_ih._array.shape[1]
    if features != wanted:
        raise RuntimeError(f"{name}: input has inconsistent input_size: got {features} expected {wanted}")
    for number, (state, size) in enumerate(states):
        rows, width = state._array.shape
        if rows != batch:
            raise RuntimeError(f"{name}: Input batch size {batch} doesn't match hidden{number} batch size {rows}")
        if width != size:
            raise RuntimeError(f"{name}: hidden{number} has inconsistent hidden_size: got {width}, expected {size}")
