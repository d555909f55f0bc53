"""Layers with weights: codes of a grid, prepared for integer products once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy

from trainctl.autograd.ops.creation import ones, zeros
from trainctl.autograd.ops.quantization import is_quantized
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import Finish, IntegerWeights, bias_codes
from trainctl.backend.quantized_array import QuantizedArray
from trainctl.backend.quantized_dtypes import qint8, quint8
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.base import QuantizedModule
from trainctl.nn.quantized.observed import activation_grid, observed_layer, quantized_weight


def keep(module: Module, name: str, weight: Tensor) -> None:
    """Keep quantized weights in three buffers: ``name_codes``, ``name_scale`` and ``name_zero_point``."""
    array = weight._array
    whole = numpy.float32 if array.has_float_zero_points else numpy.int32
    module.register_buffer(f"{name}_codes", weight.int_repr())
    module.register_buffer(f"{name}_scale", Tensor._wrap(numpy.array(array.scale, numpy.float32)))
    module.register_buffer(f"{name}_zero_point", Tensor._wrap(numpy.array(array.zero_point, whole)))


def kept(module: Any, name: str, axis: int = 0) -> Tensor:
    """Return quantized weights from the buffers that :func:`keep` made, over the same codes."""
    codes, scale, zero_point = (getattr(module, f"{name}_{part}")._array for part in ("codes", "scale", "zero_point"))
    kind = qint8 if codes.dtype == numpy.int8 else quint8
    if not scale.ndim:
        return Tensor._wrap(QuantizedArray(codes, kind, scale.item(), zero_point.item()))
    grid = scale.astype(numpy.float64), zero_point.astype(numpy.int64)
    return Tensor._wrap(QuantizedArray(codes, kind, *grid, axis))


def numbers_of(weight: Tensor) -> Tensor:
    """Return what a layer's quantized weights stand for, which to a plan is a tensor like other weights."""
    return Tensor._wrap(weight._array.values)


def as_integers(module: Any, name: str) -> IntegerWeights:
    """Return the weights that :func:`keep` kept, for integer products."""
    codes, scale, zero_point = (getattr(module, f"{name}_{part}")._array for part in ("codes", "scale", "zero_point"))
    return IntegerWeights(codes, QParams(scale, zero_point, "int8", axis=0 if scale.ndim else None))


def state_of(tensors: Iterable[Tensor | None]) -> list[Any]:
    """Return what changes whenever one of the tensors is replaced or written to."""
    return [None if each is None else (id(each._array), each._versions and each._versions[0]) for each in tensors]


class WeightedModule(QuantizedModule):
    """A layer whose weights are int8.

    Attributes:
        weight_codes: int8, in the shape of the float layer's weight.
        weight_scale: float32, one number or one for each channel.
        weight_zero_point: int32, likewise.
        bias_float: float32, or None.
    """

    relu: ClassVar[bool] = False
    weight_codes: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor
    bias_float: Tensor | None

    def _start_weights(self, shape: tuple[int, ...], bias: int | None) -> None:
        self.register_buffer("weight_codes", zeros(*shape, dtype=dtypes.int8))
        self.register_buffer("weight_scale", ones((), dtype=dtypes.float32))
        self.register_buffer("weight_zero_point", zeros((), dtype=dtypes.int32))
        self.register_buffer("bias_float", None if bias is None else zeros(bias))
        self._prepared: Any = None
        self.scale, self.zero_point = 1.0, 0

    def weight(self) -> Tensor:
        """Return the weights as a quantized tensor, over the same codes."""
        return kept(self, "weight", self.channel_axis)

    def bias(self) -> Tensor | None:
        """Return the bias, float32, or None."""
        return self.bias_float

    def set_weight_bias(self, w: Tensor, b: Tensor | None) -> None:
        """Take over quantized weights and a float bias.

        Args:
            w: qint8, in the shape of the layer's weights; one grid, or one for each output channel.
            b: float, or None.

        Raises:
            ValueError: weights of another type or shape, or with other channels.
        """
        if not isinstance(w, Tensor) or not is_quantized(w) or w.dtype is not qint8:
            found = w.dtype if isinstance(w, Tensor) else type(w).__name__
            raise ValueError(f"{self._get_name()}: weights must be a quantized tensor of qint8, got {found}")
        if w.shape != self.weight_codes.shape:
            raise ValueError(
                f"{self._get_name()}: weights must have the shape {list(self.weight_codes.shape)}, got {list(w.shape)}"
            )
        array = w._array
        if array.axis not in (None, self.channel_axis) or array.has_float_zero_points:
            raise ValueError(
                f"{self._get_name()}: weights must have whole zero points and one grid, or one for each channel of dim "
                f"{self.channel_axis}, got {w.qscheme()} with axis={array.axis}"
            )
        keep(self, "weight", w)
        self.bias_float = None if b is None else b.detach().float().clone()

    # -- from a float layer ---------------------------------------------------------------------------

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float layer that was observed, or trained with fake quantization.

        Args:
            mod: has ``qconfig`` (or ``weight_fake_quant``) and, for the output's grid, ``activation_post_process``.
            use_precomputed_fake_quant: keep the weights' range that training ended with.

        Raises:
            TypeError: another kind of layer.
            ValueError: it has no qconfig, or one whose weights are not qint8.
        """
        layer = observed_layer(cls, mod)
        found = cls._empty_like(layer)
        found.set_weight_bias(quantized_weight(cls, mod, layer, use_precomputed_fake_quant), layer.bias)
        found.scale, found.zero_point = activation_grid(mod)
        return found.train(mod.training)

    @classmethod
    def _empty_like(cls, layer: Any) -> Self:
        """Return a layer of the sizes and options of a float one."""
        raise NotImplementedError(f"{cls.__name__} is made from no float layer")

    # -- products -------------------------------------------------------------------------------------

    def integer_weights(self) -> IntegerWeights:
        """Return the weights for integer products, prepared when they are first asked for."""
        return self._prepare()["weights"]

    def _prepare(self) -> dict[Any, Any]:
        state = state_of((self.weight_codes, self.weight_scale, self.weight_zero_point, self.bias_float))
        if self._prepared is None or self._prepared["state"] != state:
            self._prepared = {"state": state, "weights": self._made_weights()}
        return self._prepared

    def _made_weights(self) -> IntegerWeights:
        return as_integers(self, "weight")

    def _finish(self, x: QParams) -> Finish:
        """Return what is made of sums for an input of a grid: the same object each time, as a plan keeps it."""
        prepared, y = self._prepare(), self.output_grid
        key = (float(x.scale), int(x.zero_point), x.dtype, self.scale, self.zero_point)
        if prepared.get("key") != key:
            weights = prepared["weights"]
            bias = None if self.bias_float is None else bias_codes(self.bias_float._array, x, weights)
            prepared["key"], prepared["finish"] = key, Finish(x, weights, bias, y, self.relu)
        return prepared["finish"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_prepared": None}

    def _takes(self, name: str, given: Tensor) -> bool:
        if name == "bias_float":
            return self.bias_float is None and given.shape == (self._bias_size(),)
        return super()._takes(name, given)

    def _bias_size(self) -> int:
        return self.weight_codes.shape[0]
