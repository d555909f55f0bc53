"""Recurrent cells whose input and state are brought to a grid when they are seen."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.ops.creation import zeros
from trainctl.autograd.ops.quantized_dynamic import LinearOfOneGrid
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules import recurrent_cells
from trainctl.nn.quantized.base import QuantizedModule
from trainctl.nn.quantized.dynamic.gates import STEPS
from trainctl.nn.quantized.observed import on_grid_of, weight_observer, whole
from trainctl.nn.quantized.weighted import as_integers, keep, kept

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Cell(QuantizedModule, recurrent_cells.RNNCellBase):
    """What they share: weights of int8, products of integers, gates in float32."""

    _FLOAT_MODULE: ClassVar[type]

    weight_ih = property(lambda self: kept(self, "weight_ih"), doc="The input's weights, quantized.")
    weight_hh = property(lambda self: kept(self, "weight_hh"), doc="The state's weights, quantized.")

    def reset_parameters(self) -> None:
        """Draw nothing: weights and biases are 0 until a float cell's are taken over."""
        for name in _NAMES:
            own = self._parameters.pop(name)
            if name.startswith("weight"):
                assert own is not None
                keep(self, name, whole(zeros(*own.shape)))
            else:
                self.register_buffer(name, None if own is None else zeros(*own.shape))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float cell; the weights are observed as its ``qconfig`` says, else as one.

        Raises:
            TypeError: another kind of cell.
        """
        wanted: Any = cls._FLOAT_MODULE
        if not isinstance(mod, wanted) or isinstance(mod, QuantizedModule):
            name = f"nn.quantized.dynamic.{cls.__name__}"
            raise TypeError(f"{name}.from_float takes a {wanted.__name__}, got: {type(mod).__name__}")
        options = {"nonlinearity": mod.nonlinearity} if hasattr(mod, "nonlinearity") else {}
        made = cls(mod.input_size, mod.hidden_size, mod.bias, **options)
        for name in ("weight_ih", "weight_hh"):
            weight, observer = getattr(mod, name).detach().float(), weight_observer(mod)
            if observer is not None:
                observer(weight)
            keep(made, name, whole(weight) if observer is None else on_grid_of(observer, weight))
        for name in ("bias_ih", "bias_hh"):
            bias = getattr(mod, name)
            made._buffers[name] = None if bias is None else bias.detach().float().clone()
        return made.train(mod.training)

    def _next(self, mode: str, input: Tensor, hx: tuple[Tensor, ...] | None, count: int = 1) -> tuple[Tensor, ...]:
        def cell(x: Tensor, states: Any, *_: Any) -> Any:
            given = (states,) if count == 1 else tuple(states)
            last = STEPS[mode](self._product(x, "ih"), self._product(given[0], "hh"), given)
            return last[0] if count == 1 else last

        return self._step(cell, input, hx, count)

    def _product(self, x: Tensor, part: str) -> Tensor:
        bias = getattr(self, f"bias_{part}")
        weights = as_integers(self, f"weight_{part}")
        return LinearOfOneGrid.apply(x, *(() if bias is None else (bias,)), weights=weights)

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"


class RNNCell(_Cell, recurrent_cells.RNNCell):
    """:class:`trainctl.nn.RNNCell` with weights of int8.

    Example:
        >>> import trainctl
        >>> RNNCell.from_float(trainctl.nn.RNNCell(3, 4))(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 4])
    """

    _FLOAT_MODULE = recurrent_cells.RNNCell

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state; the first is zeros by default."""
        return self._next(f"RNN_{self.nonlinearity.upper()}", input, None if hx is None else (hx,))[0]


class LSTMCell(_Cell, recurrent_cells.LSTMCell):
    """:class:`trainctl.nn.LSTMCell` with weights of int8.

    Example:
        >>> import trainctl
        >>> h, c = LSTMCell.from_float(trainctl.nn.LSTMCell(3, 4))(trainctl.ones(2, 3))
        >>> h.shape, c.shape
        (trainctl.Size([2, 4]), trainctl.Size([2, 4]))
    """

    _FLOAT_MODULE = recurrent_cells.LSTMCell

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return the next ``(h, c)``; the first are zeros by default."""
        h, c = self._next("LSTM", input, None if hx is None else tuple(hx), 2)
        return h, c


class GRUCell(_Cell, recurrent_cells.GRUCell):
    """:class:`trainctl.nn.GRUCell` with weights of int8.

    Example:
        >>> import trainctl
        >>> GRUCell.from_float(trainctl.nn.GRUCell(3, 4))(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 4])
    """

    _FLOAT_MODULE = recurrent_cells.GRUCell

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state; the first is zeros by default."""
        return self._next("GRU", input, None if hx is None else (hx,))[0]
