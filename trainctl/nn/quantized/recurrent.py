"""Recurrent layers with weights of int8.

The weights are codes, each row on a grid of its own; the recurrence, whose states have no grid, runs in float32 on the
numbers that they stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from trainctl.autograd.ops.creation import zeros
from trainctl.autograd.ops.quantization import dequantize, is_quantized
from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizeLinear
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.nn import chain
from trainctl.nn.modules import recurrent
from trainctl.nn.modules.recurrent_base import RNNBase
from trainctl.nn.quantized.base import QuantizedModule
from trainctl.nn.quantized.observed import by_rows, on_grid_of, weight_observer
from trainctl.nn.quantized.weighted import keep, kept, numbers_of, state_of

_OPTIONS = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")


class _Recurrent(QuantizedModule, RNNBase):
    """What the quantized recurrent layers share: the sizes and options of :class:`trainctl.nn.RNNBase`."""

    _FLOAT_MODULE: ClassVar[type]

    def _add_weights(self, layer: int, suffix: str, device: Any, dtype: Any) -> list[str]:
        names = super()._add_weights(layer, suffix, device, dtype)
        for name in names:
            shape = getattr(self, name).shape
            delattr(self, name)
            if name.startswith("weight"):
                keep(self, name, by_rows(zeros(*shape)))
            else:
                self.register_buffer(name, zeros(*shape))
        return names

    def reset_parameters(self) -> None:
        """Draw nothing: the weights are those of a float layer."""
        self._numbers: dict[str, Any] = {}

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float layer; the weights are observed as its ``qconfig`` says, else by rows.

        Raises:
            TypeError: another kind of layer.
        """
        float_module: Any = cls._FLOAT_MODULE
        if not isinstance(mod, float_module) or isinstance(mod, QuantizedModule):
            raise TypeError(
                f"nn.quantized.{cls.__name__}.from_float takes a {float_module.__name__}, got: {type(mod).__name__}"
            )
        made = cls._empty_like(mod)
        for name, weight in mod.named_parameters(recurse=False):
            made._observe(name, weight.detach().float(), mod)
        return made.train(mod.training)

    @classmethod
    def _empty_like(cls, mod: Any) -> Self:
        """Return a layer of the sizes and options of a float one; that of a config's chain stays one of a chain."""
        options = {name: getattr(mod, name) for name in _OPTIONS}
        if mod.mode == "LSTM":
            options["proj_size"] = mod.proj_size
        elif mod.mode != "GRU":
            options["nonlinearity"] = mod.mode.removeprefix("RNN_").lower()
        if not isinstance(mod, chain._InChain):
            return cls(mod.input_size, mod.hidden_size, **options)
        made = _IN_CHAIN.get(cls, cls)(mod.input_size, mod.hidden_size, **options)
        made._take(mod.output)
        return made

    def _observe(self, name: str, weight: Tensor, mod: Any) -> None:
        if not name.startswith("weight"):
            self._buffers[name] = weight.clone()
            return
        observer = weight_observer(mod)
        if observer is None:
            keep(self, name, by_rows(weight))
            return
        observer(weight)
        keep(self, name, on_grid_of(observer, weight))

    def weight(self, name: str) -> Tensor:
        """Return the weights of a name, as ``weight_ih_l0``, as a quantized tensor."""
        return kept(self, name)

    def number(self, name: str) -> Tensor:
        """Return a weight's numbers, or a bias, float32: made from the codes once."""
        if not name.startswith("weight"):
            return getattr(self, name)
        state = state_of(self._buffers[f"{name}_{part}"] for part in ("codes", "scale", "zero_point"))
        if name not in self._numbers or self._numbers[name][0] != state:
            self._numbers[name] = state, numbers_of(kept(self, name))
        return self._numbers[name][1]

    @property
    def all_weights(self) -> Any:
        """The weights of each layer and direction, float32."""
        return [[self.number(name) for name in names] for names in self._all_weights]

    def _weights(self, names: Sequence[str]) -> list[Tensor | None]:
        found: list[Tensor | None] = [self.number(name) for name in names]
        if not self.bias:
            found[2:2] = [None, None]
        return [*found, None] if self.mode == "LSTM" and not self.proj_size else found

    def _check_input(self, input: Tensor, dims: int = 3) -> None:
        if input.dtype is not dtypes.float32:
            raise ValueError(f"{self._get_name()}: expected a float32 input, got {input.dtype}; use input.float()")
        if input.ndim != dims or input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{self._get_name()}: expected {dims} dimensions, the last of size {self.input_size}, "
                f"got {list(input.shape)}"
            )

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return what the float layer does; an input's grid, where there is one, is what the input is rounded to."""
        if isinstance(input, Tensor):
            grid = self.input_grid
            if is_quantized(input):
                input = dequantize(input)
            elif grid is not None and input.dtype is dtypes.float32:
                input = DequantizeLinear.apply(QuantizeLinear.apply(input, qparams=grid), qparams=grid)
        return super().forward(input, hx)

    def train(self, mode: bool = True) -> Self:
        """Set training mode or, with False, evaluation mode, for which the weights' numbers are made ready."""
        super().train(mode)
        if not mode:
            self.all_weights  # noqa: B018 - made now, they are there when a step is recorded
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_numbers": {}}

    def _get_name(self) -> str:
        return f"Quantized{self.mode.partition('_')[0]}"


class RNN(_Recurrent, recurrent.RNN):
    """:class:`trainctl.nn.RNN` with weights of int8; its arguments, and its forms of input and output.

    Example:
        >>> import trainctl
        >>> output, last = RNN.from_float(trainctl.nn.RNN(3, 4))(trainctl.ones(5, 2, 3))
        >>> output.shape, last.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """

    _FLOAT_MODULE = recurrent.RNN


class LSTM(_Recurrent, recurrent.LSTM):
    """:class:`trainctl.nn.LSTM` with weights of int8; its arguments, and its forms of input and output.

    Example:
        >>> import trainctl
        >>> output, (h, c) = LSTM.from_float(trainctl.nn.LSTM(3, 4))(trainctl.ones(5, 2, 3))
        >>> output.shape, h.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """

    _FLOAT_MODULE = recurrent.LSTM


class GRU(_Recurrent, recurrent.GRU):
    """:class:`trainctl.nn.GRU` with weights of int8; its arguments, and its forms of input and output.

    Example:
        >>> import trainctl
        >>> output, last = GRU.from_float(trainctl.nn.GRU(3, 4))(trainctl.ones(5, 2, 3))
        >>> output.shape, last.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """

    _FLOAT_MODULE = recurrent.GRU


class _ChainRNN(chain._InChain, RNN):
    pass


class _ChainLSTM(chain._InChain, LSTM):
    pass


class _ChainGRU(chain._InChain, GRU):
    pass


_IN_CHAIN: dict[type, Any] = {RNN: _ChainRNN, LSTM: _ChainLSTM, GRU: _ChainGRU}
