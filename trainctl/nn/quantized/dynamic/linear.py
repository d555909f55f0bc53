"""Dense layers whose inputs are brought to a grid when they are seen."""

from __future__ import annotations

from typing import Any, Self

from trainctl.autograd.ops.cast import cast, check_tensor
from trainctl.autograd.ops.quantization import is_quantized
from trainctl.autograd.ops.quantized import DynamicQuantizedLinear
from trainctl.autograd.ops.quantized_dynamic import LinearOfOneGrid
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import qint8
from trainctl.nn.quantized import linear
from trainctl.nn.quantized.observed import by_rows, observed_layer, quantized_weight, weight_observer, whole


class Linear(linear.Linear):
    """A dense layer of int8 weights for float numbers: ``[*, in_features] -> [*, out_features]``, float32.

    Args:
        in_features: size of the last dim of the input.
        out_features: size of the last dim of the output.
        bias_: add one.
        dtype: of the weights: ``qint8``.
        per_row: bring each row of the input to a grid of its own, of 256 steps, so that what comes out for a sample
            does not depend on the others; default: the whole input to one grid of 128 steps, as PyTorch does.

    Raises:
        RuntimeError: another dtype.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.quantized.dynamic.Linear(20, 30)(trainctl.ones(128, 20)).shape
        trainctl.Size([128, 30])
    """

    def __init__(
        self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = qint8, *, per_row: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias_, dtype)
        self.per_row = per_row
        self.scale = None

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False, *, per_row: bool = False) -> Self:
        """Return the quantized form of a float layer.

        Its weights are observed as its ``qconfig`` says; else each row has a grid of its own if ``per_row``, and there is
        one for all if not.

        Raises:
            TypeError: another kind of layer.
            ValueError: its weights are not observed as qint8.
        """
        layer = observed_layer(cls, mod)
        made = cls._empty_like(layer)
        made.per_row = per_row
        if weight_observer(mod) is None:
            weight = (by_rows if per_row else whole)(layer.weight.detach().float())
        else:
            weight = quantized_weight(cls, mod, layer, use_precomputed_fake_quant)
        made.set_weight_bias(weight, layer.bias)
        return made.train(mod.training)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``.

        Raises:
            NotImplementedError: a quantized input.
            RuntimeError: the last dim has another size than ``in_features``, or the input is not floating point.
        """
        self._check(input)
        weights, bias = self.integer_weights(), () if self.bias_float is None else (self.bias_float,)
        if not self.per_row:
            y = LinearOfOneGrid.apply(input, *bias, weights=weights, relu=self.relu)
        else:
            y = DynamicQuantizedLinear.apply(input, *bias, weights=weights)
            y = y.relu() if self.relu else y
        return cast(y, input.dtype)

    def _check(self, input: Any) -> None:
        check_tensor(self._get_name(), input, "input")
        if is_quantized(input):
            raise NotImplementedError(
                f"Could not run {self._get_name()} with a tensor of {input.dtype}: it takes float numbers; dequantize() it"
            )
        if not input.is_floating_point():
            raise RuntimeError(f"{self._get_name()}: expected a floating-point input, got {input.dtype}")
        if not input.ndim or input.shape[-1] != self.in_features:
            raise RuntimeError(
                f"{self._get_name()}: expected an input of {self.in_features} features in its last dim, "
                f"got {list(input.shape)}"
            )

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"

    def extra_repr(self) -> str:
        """Return the sizes and how the weights are kept."""
        rows = ", per_row=True" if self.per_row else ""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, dtype={qint8}, "
            f"qscheme={self.weight().qscheme()}{rows}"
        )


class LinearReLU(Linear):
    """:class:`Linear` with what is below 0 made 0; follows ``torch.ao.nn.intrinsic.quantized.dynamic.LinearReLU``."""

    relu = True
