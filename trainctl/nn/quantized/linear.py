"""Dense layers on codes."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.ops.quantized import QuantizedLinear
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import qint8
from trainctl.nn.modules import linear
from trainctl.nn.quantized.weighted import WeightedModule


class Linear(WeightedModule):
    """A dense layer of int8 weights: codes ``[*, in_features]`` to codes ``[*, out_features]``.

    A quantized tensor gives a quantized tensor of ``scale`` and ``zero_point``. A float tensor is put on the grid of
    ``input_scale`` and ``input_zero_point``, and float numbers come back: those of the output's grid or, where ``scale``
    is None, the sums themselves.

    Args:
        in_features: size of the last dim of the input.
        out_features: size of the last dim of the output.
        bias_: add one.
        dtype: of the weights: ``qint8``.

    Raises:
        RuntimeError: another dtype.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> layer = nn.quantized.Linear(20, 30)
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(128, 20), 1.0, 0, trainctl.quint8)
        >>> layer(x).shape, layer(x).dtype
        (trainctl.Size([128, 30]), trainctl.quint8)
        >>> layer.input_scale, layer.scale = 0.1, None
        >>> layer(trainctl.ones(128, 20)).dtype
        trainctl.float32
    """

    _FLOAT_MODULE: ClassVar[type] = linear.Linear

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = qint8) -> None:
        super().__init__()
        if dtype is not qint8:
            raise RuntimeError(f"Unsupported dtype specified for quantized Linear: {dtype}; weights are qint8")
        self.in_features, self.out_features = in_features, out_features
        self._start_weights((out_features, in_features), out_features if bias_ else None)

    @classmethod
    def _empty_like(cls, layer: Any) -> Self:
        return cls(layer.in_features, layer.out_features, layer.bias is not None)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``.

        Raises:
            NotImplementedError: a float input for which no grid is known.
            RuntimeError: the last dim has another size than ``in_features``.
        """
        codes, grid = self._codes(input)
        if not codes.ndim or codes.shape[-1] != self.in_features:
            raise RuntimeError(
                f"{self._get_name()}: expected an input of {self.in_features} features in its last dim, "
                f"got {list(codes.shape)}"
            )
        return self._result(QuantizedLinear.apply(codes, finish=self._finish(grid)), input)

    def extra_repr(self) -> str:
        """Return the sizes and the grid of the output."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}, "
            f"zero_point={self.zero_point}, qscheme={self.weight().qscheme()}"
        )


class LinearReLU(Linear):
    """:class:`Linear` with what is below 0 made 0; follows ``torch.ao.nn.intrinsic.quantized.LinearReLU``.

    Example:
        >>> import trainctl
        >>> layer = LinearReLU(2, 3)
        >>> layer(trainctl.quantize_per_tensor(trainctl.ones(4, 2), 1.0, 0, trainctl.quint8)).shape
        trainctl.Size([4, 3])
    """

    relu = True
