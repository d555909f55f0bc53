"""Recurrent layers over whole sequences."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.recurrent_base import RNNBase


class RNN(RNNBase):
    """Elman's network: ``h = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)`` at each step.

    Args:
        input_size: features of each step.
        hidden_size: size H of the state.
        num_layers: layers, each running over the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: add the two biases.
        batch_first: sequences are ``[B, T, *]`` instead of ``[T, B, *]``; the states are not affected.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        TypeError: an argument of another type.
        ValueError: sizes, a probability or a nonlinearity out of range.

    Example:
        >>> import trainctl
        >>> output, last = RNN(3, 4, bidirectional=True)(trainctl.ones(5, 2, 3))
        >>> output.shape, last.shape
        (trainctl.Size([5, 2, 8]), trainctl.Size([2, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), as PyTorch defines it.

    The states are a pair: ``h`` and the cells ``c``, each ``[layers * directions, B, H]`` (P for ``h`` with a projection).

    Args:
        input_size: features of each step.
        hidden_size: size H of the states.
        num_layers: layers, each running over the outputs of the one before.
        bias: add two biases to the gates.
        batch_first: sequences are ``[B, T, *]`` instead of ``[T, B, *]``; the states are not affected.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        proj_size: size P to which each ``h`` is projected (Sak et al., 2014); 0: it is not.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        TypeError: an argument of another type.
        ValueError: sizes or a probability out of range.

    Example:
        >>> import trainctl
        >>> output, (h, c) = LSTM(3, 4, num_layers=2)(trainctl.ones(5, 2, 3))
        >>> output.shape, h.shape, c.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([2, 2, 4]), trainctl.Size([2, 2, 4]))
    """

    states = ("hidden[0]", "hidden[1]")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def _given_states(self, hx: Any) -> tuple[Tensor, ...]:
        if isinstance(hx, Tensor) or len(hx) != 2:
            raise TypeError(f"LSTM: hx must be the pair (h_0, c_0), not {type(hx).__name__}")
        return tuple(hx)

    def _as_given(self, states: tuple[Tensor, ...]) -> Any:
        return states

    def _state_sizes(self) -> tuple[int, ...]:
        return self.proj_size or self.hidden_size, self.hidden_size


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014), as PyTorch defines them: ``r`` scales what the state adds to gate n.

    Args:
        input_size: features of each step.
        hidden_size: size H of the state.
        num_layers: layers, each running over the outputs of the one before.
        bias: add two biases to the gates.
        batch_first: sequences are ``[B, T, *]`` instead of ``[T, B, *]``; the states are not affected.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        TypeError: an argument of another type.
        ValueError: sizes or a probability out of range.

    Example:
        >>> import trainctl
        >>> output, last = GRU(3, 4, batch_first=True)(trainctl.ones(2, 5, 3))
        >>> output.shape, last.shape
        (trainctl.Size([2, 5, 4]), trainctl.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
