"""Recurrent cells: one step, for loops of one's own."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops import recurrent_cells as ops
from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class RNNCellBase(Module):
    """What the cells share.

    Args:
        input_size: features of the input.
        hidden_size: size H of the state.
        bias: add two biases to the gates.
        num_chunks: the number of gates.
        device: where the parameters live.
        dtype: of the parameters.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates, place = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(empty(gates, input_size, **place))
        self.weight_hh = Parameter(empty(gates, hidden_size, **place))
        self.register_parameter("bias_ih", Parameter(empty(gates, **place)) if bias else None)
        self.register_parameter("bias_hh", Parameter(empty(gates, **place)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters uniform in ``±1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"bias={self.bias}"] if self.bias is not True else []
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        parts += [f"nonlinearity={nonlinearity}"] if nonlinearity != "tanh" else []
        return ", ".join(parts)

    def _step(self, cell: Any, input: Tensor, states: tuple[Tensor, ...] | None, count: int = 1) -> tuple[Tensor, ...]:
        """Return the next states from one input ``[I]`` or a batch ``[N, I]``; ``count`` states of zeros are the default.

        Raises:
            ValueError: an input or state of another number of dims.
        """
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for number, each in enumerate(states or ()):
            if each.ndim not in (1, 2):
                what = "hidden" if count == 1 else f"hx[{number}]"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {each.ndim}D instead")
        single = input.ndim == 1
        if single:
            input = input.unsqueeze(0)
            states = None if states is None else tuple(each.unsqueeze(0) for each in states)
        if states is None:
            states = (input.new_zeros(input.shape[0], self.hidden_size),) * count
        hx = states[0] if count == 1 else states
        last = cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        lasts = (last,) if count == 1 else last
        return tuple(each.squeeze(0) for each in lasts) if single else lasts


class RNNCell(RNNCellBase):
    """A step of Elman's network: ``[N, input_size], [N, hidden_size] -> [N, hidden_size]``.

    Args:
        input_size: features of the input.
        hidden_size: size of the state.
        bias: add two biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> RNNCell(3, 4)(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state; the first is zeros by default.

        Raises:
            ValueError: an input or state of another number of dims.
            RuntimeError: another size, or an unknown nonlinearity.
        """
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}; expected tanh or relu")
        cell = ops.rnn_tanh_cell if self.nonlinearity == "tanh" else ops.rnn_relu_cell
        return self._step(cell, input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase):
    """A step of an LSTM: ``[N, input_size], ([N, hidden_size], [N, hidden_size])`` -> the next pair.

    Args:
        input_size: features of the input.
        hidden_size: size of the two states.
        bias: add two biases to the gates.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> h, c = LSTMCell(3, 4)(trainctl.ones(2, 3))
        >>> h.shape, c.shape
        (trainctl.Size([2, 4]), trainctl.Size([2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return the next ``(h, c)``; the first are zeros by default.

        Raises:
            ValueError: an input or state of another number of dims.
            RuntimeError: another size.
        """
        h, c = self._step(ops.lstm_cell, input, None if hx is None else tuple(hx), 2)
        return h, c


class GRUCell(RNNCellBase):
    """A step of a GRU: ``[N, input_size], [N, hidden_size] -> [N, hidden_size]``.

    Args:
        input_size: features of the input.
        hidden_size: size of the state.
        bias: add two biases to the gates.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> GRUCell(3, 4)(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state; the first is zeros by default.

        Raises:
            ValueError: an input or state of another number of dims.
            RuntimeError: another size.
        """
        return self._step(ops.gru_cell, input, None if hx is None else (hx,))[0]
