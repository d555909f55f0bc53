"""``RNNBase``: what the recurrent layers share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.ops.recurrent import recurrent
from trainctl.autograd.tensor import Tensor
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter
from trainctl.nn.utils.rnn import PackedSequence

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


class RNNBase(Module):
    """What RNN, LSTM and GRU share.

    Args:
        mode: ``RNN_TANH``, ``RNN_RELU``, ``LSTM`` or ``GRU``.
        input_size: features of each step.
        hidden_size: size H of the state.
        num_layers: layers, each running over the outputs of the one before.
        bias: add two biases to the gates.
        batch_first: sequences are ``[B, T, *]`` instead of ``[T, B, *]``; the states are not affected.
        dropout: probability that an element between two layers is zeroed, in training.
        bidirectional: each layer runs in both directions, and their outputs are joined.
        proj_size: of an LSTM: size P to which each output is projected; 0: it is not, and P is H.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        TypeError: an argument of another type.
        ValueError: sizes or a probability out of range.
    """

    states: ClassVar[tuple[str, ...]] = ("hidden",)

    def __init__(
        self,
        mode: str,
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
        super().__init__()
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; expected one of {', '.join(_GATES)}")
        _check_types(bias=bias, batch_first=batch_first, input_size=input_size, hidden_size=hidden_size)
        _check_sizes(input_size, hidden_size, num_layers, proj_size)
        _check_dropout(dropout, num_layers)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._all_weights = [
            self._add_weights(layer, suffix, device, dtype)
            for layer in range(num_layers)
            for suffix in (("", "_reverse") if bidirectional else ("",))
        ]
        self.reset_parameters()

    def _add_weights(self, layer: int, suffix: str, device: Any, dtype: Any) -> list[str]:
        """Add the parameters of a layer in a direction, and return their names."""
        gates, output = _GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        inputs = self.input_size if layer == 0 else output * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, inputs), "weight_hh": (gates, output)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for name, shape in shapes.items():
            names.append(f"{name}_l{layer}{suffix}")
            setattr(self, names[-1], Parameter(empty(*shape, device=device, dtype=dtype)))
        return names

    def reset_parameters(self) -> None:
        """Draw all parameters uniform in ``±1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: parameters need no special place in memory here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    # -- sequences ------------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the last layer's output at each step, and all layers' last states.

        Args:
            input: ``[T, B, I]``, ``[B, T, I]`` with ``batch_first``, ``[T, I]`` for one sequence, or packed sequences.
            hx: the first states, ``[layers * directions, B, H]`` (no B for one sequence); default: zeros.

        Returns:
            ``[T, B, H]`` (P instead of H with a projection, twice as wide in both directions) in the input's form, and
            states in the form of ``hx``.

        Raises:
            ValueError: an input of another dtype or number of dims.
            RuntimeError: an input or state of another size, or no steps.
        """
        given = None if hx is None else self._given_states(hx)
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, given)
        if input.ndim not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        batch_dim = 0 if self.batch_first else 1
        if input.ndim == 3:
            self._check_state_dims(given, 3, "For batched 3-D input")
            output, last = self._forward_padded(input, given)
            return output, self._as_given(last)
        self._check_state_dims(given, 2, "For unbatched 2-D input")
        given = None if given is None else tuple(each.unsqueeze(1) for each in given)
        output, last = self._forward_padded(input.unsqueeze(batch_dim), given)
        return output.squeeze(batch_dim), self._as_given(tuple(each.squeeze(1) for each in last))

    def _forward_padded(self, input: Tensor, given: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over ``[T, B, I]`` (or batch first)."""
        self._check_input(input)
        rows = input.transpose(0, 1) if self.batch_first else input
        steps, batch, _ = rows.shape
        output, last = self._run(rows.reshape(steps * batch, self.input_size), [batch] * steps, given)
        output = output.reshape(steps, batch, output.shape[1])
        return output.transpose(0, 1) if self.batch_first else output, last

    def _forward_packed(self, input: PackedSequence, given: tuple[Tensor, ...] | None) -> Any:
        data, batch_sizes, order, back = input
        self._check_input(data, 2)
        if given is not None and order is not None:
            given = tuple(each.index_select(1, order) for each in given)
        output, last = self._run(data, batch_sizes.tolist(), given)
        if back is not None:
            last = tuple(each.index_select(1, back) for each in last)
        return PackedSequence(output, batch_sizes, order, back), self._as_given(last)

    def _run(
        self, rows: Tensor, batch_sizes: Sequence[int], given: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        batch = batch_sizes[0] if batch_sizes else 0
        states = self._first_states(rows, batch, given)
        weights = [self._weights(names) for names in self._all_weights]
        dropout = self.dropout if self.training else 0.0
        return recurrent(self.mode, rows, batch_sizes, states, weights, dropout, self.bidirectional)

    def _weights(self, names: Sequence[str]) -> list[Tensor | None]:
        """Return weights and biases (None where there are none), of an LSTM the projection too."""
        found: list[Tensor | None] = [getattr(self, name) for name in names]
        if not self.bias:
            found[2:2] = [None, None]
        return [*found, None] if self.mode == "LSTM" and not self.proj_size else found

    # -- states ---------------------------------------------------------------------------------------

    def _given_states(self, hx: Any) -> tuple[Tensor, ...]:
        """Return the given first states as a tuple.

        Raises:
            TypeError: something else was given.
        """
        if not isinstance(hx, Tensor):
            raise TypeError(f"{self._get_name()}: hx must be a Tensor, not {type(hx).__name__}")
        return (hx,)

    def _as_given(self, states: tuple[Tensor, ...]) -> Any:
        """Return last states in the form in which first ones are given."""
        return states[0]

    def _state_sizes(self) -> tuple[int, ...]:
        return (self.hidden_size,)

    def _first_states(self, rows: Tensor, batch: int, given: tuple[Tensor, ...] | None) -> list[tuple[Tensor, ...]]:
        """Return the first states of each layer and direction.

        Raises:
            RuntimeError: given ones have another shape or dtype.
        """
        count, sizes = len(self._all_weights), self._state_sizes()
        if given is None:
            made = tuple(rows.new_zeros(batch, size) for size in sizes)
            return [made] * count
        for name, each, size in zip(self.states, given, sizes, strict=True):
            if tuple(each.shape) != (count, batch, size):
                raise RuntimeError(f"Expected {name} size {(count, batch, size)}, got {list(each.shape)}")
            if each.dtype != rows.dtype:
                raise RuntimeError(
                    "Input and hidden tensors are not the same dtype, "
                    f"found input tensor with {rows.dtype} and {name} tensor with {each.dtype}"
                )
        return [tuple(each[number] for each in given) for number in range(count)]

    # -- checks ---------------------------------------------------------------------------------------

    def _check_input(self, input: Tensor, dims: int = 3) -> None:
        weight = getattr(self, self._all_weights[0][0])
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.ndim != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _check_state_dims(self, given: tuple[Tensor, ...] | None, dims: int, input: str) -> None:
        for name, each in zip(self.states, given or (), strict=False):
            if each.ndim != dims:
                raise RuntimeError(f"{input}, hx should also be {dims}-D but got {each.ndim}-D tensor as {name}")

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        parts = [str(self.input_size), str(self.hidden_size)]
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False,
        }  # fmt: skip
        parts += [f"{name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual]
        return ", ".join(parts)


def _check_types(bias: Any, batch_first: Any, input_size: Any, hidden_size: Any) -> None:
    kinds = {"bias": bool, "batch_first": bool, "input_size": int, "hidden_size": int}
    for (name, kind), value in zip(kinds.items(), (bias, batch_first, input_size, hidden_size), strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


def _check_sizes(input_size: int, hidden_size: int, num_layers: int, proj_size: int) -> None:
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
    if proj_size < 0:
        raise ValueError(f"proj_size should be a positive integer or zero to disable projections, got {proj_size}")
    if proj_size >= hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}")


def _check_dropout(dropout: Any, num_layers: int) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            f"dropout should be a number in range [0, 1], the probability of an element being zeroed, got {dropout!r}"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
