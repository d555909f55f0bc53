"""The layers that return more than a tensor, as a config's chain of layers takes them: one tensor in, one out.

In a chain the batch is the first dim, so sequences are ``[N, T, C]`` and ``batch_first`` is given. Parameters, and so
the keys of a ``state_dict``, are those of the layer that each is named after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from trainctl.autograd.ops.joining import cat
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules import recurrent
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.recurrent_base import RNNBase

Output = Literal["sequence", "last"]


class _InChain(RNNBase):
    """Returns the output of all steps, or what is left at the end: the last layer's state, of both directions joined."""

    output: Output

    def _take(self, output: Output) -> None:
        if not self.batch_first:
            raise ValueError("batch_first must be true in a chain of layers, where a batch of sequences is [N, T, C]")
        if output not in ("sequence", "last"):
            raise ValueError(f"output must be 'sequence' (all steps) or 'last' (the last state), got {output!r}")
        self.output = output

    def forward(self, input: Tensor, hx: Any = None) -> Tensor:
        """Return ``[N, T, H]``, or ``[N, H]`` with ``output="last"``; 2H in both directions."""
        output, last = super().forward(input, hx)
        if self.output == "sequence":
            return output
        state = last[0] if isinstance(last, tuple) else last
        return cat([state[-2], state[-1]], -1) if self.bidirectional else state[-1]

    def extra_repr(self) -> str:
        """Return the layer's line, with ``output`` where it differs from the default."""
        return super().extra_repr() + (f", output={self.output}" if self.output != "sequence" else "")


class RNN(_InChain, recurrent.RNN):
    """:class:`trainctl.nn.RNN` in a chain: ``[N, T, input_size] -> [N, T, H]``, or ``[N, H]``.

    Args:
        input_size: features of each step.
        hidden_size: size H of the state.
        num_layers: layers, each running over the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: add two biases.
        batch_first: True alone.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        output: ``"sequence"`` for all steps, ``"last"`` for the last state.

    Raises:
        ValueError: as for :class:`trainctl.nn.RNN`, or ``batch_first`` is False, or another ``output``.

    Example:
        >>> import trainctl
        >>> RNN(3, 4)(trainctl.ones(2, 5, 3)).shape
        trainctl.Size([2, 5, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: Output = "sequence",
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional)
        self._take(output)


class LSTM(_InChain, recurrent.LSTM):
    """:class:`trainctl.nn.LSTM` in a chain: ``[N, T, input_size] -> [N, T, H]``, or ``[N, H]``.

    Args:
        input_size: features of each step.
        hidden_size: size H of the states.
        num_layers: layers, each running over the outputs of the one before.
        bias: add two biases to the gates.
        batch_first: True alone.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        proj_size: size to which each output is projected, which then stands for H; 0: it is not.
        output: ``"sequence"`` for all steps, ``"last"`` for the last ``h``.

    Raises:
        ValueError: as for :class:`trainctl.nn.LSTM`, or ``batch_first`` is False, or another ``output``.

    Example:
        >>> import trainctl
        >>> LSTM(3, 4, bidirectional=True, output="last")(trainctl.ones(2, 5, 3)).shape
        trainctl.Size([2, 8])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        output: Output = "sequence",
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        self._take(output)


class GRU(_InChain, recurrent.GRU):
    """:class:`trainctl.nn.GRU` in a chain: ``[N, T, input_size] -> [N, T, H]``, or ``[N, H]``.

    Args:
        input_size: features of each step.
        hidden_size: size H of the state.
        num_layers: layers, each running over the outputs of the one before.
        bias: add two biases to the gates.
        batch_first: True alone.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        output: ``"sequence"`` for all steps, ``"last"`` for the last state.

    Raises:
        ValueError: as for :class:`trainctl.nn.GRU`, or ``batch_first`` is False, or another ``output``.

    Example:
        >>> import trainctl
        >>> GRU(3, 4, output="last")(trainctl.ones(2, 5, 3)).shape
        trainctl.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: Output = "sequence",
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self._take(output)


class Permute(Module):
    """The dimensions of a batch in another order; follows ``torchvision.ops.Permute``.

    Args:
        dims: the new order; the batch, 0, stays the first.

    Raises:
        ValueError: ``dims`` is not an order of 0, 1, 2, ... that begins with 0.

    Example:
        >>> import trainctl
        >>> Permute([0, 2, 1])(trainctl.ones(2, 5, 3)).shape
        trainctl.Size([2, 3, 5])
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        if sorted(dims) != list(range(len(dims))) or list(dims[:1]) != [0]:
            raise ValueError(f"dims must be an order of 0, 1, 2, ... that begins with 0, the batch, got {list(dims)}")
        self.dims = tuple(dims)

    def forward(self, input: Tensor) -> Tensor:
        """Return the input with its dimensions in the new order."""
        return input.permute(*self.dims)

    def extra_repr(self) -> str:
        """Return the new order."""
        return f"dims={list(self.dims)}"
