"""Functions of two tensors as modules, so that their results can be observed and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Self

from trainctl.autograd.ops.activation import relu
from trainctl.autograd.ops.arithmetic import add, mul
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.quantization import dequantize, is_quantized
from trainctl.autograd.ops.quantized_scalars import add_number, multiply_by_number
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.activation import Identity
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.observed import activation_grid
from trainctl.nn.quantized.on_grid import OnGrid


class FloatFunctional(Module):
    """Functions of float tensors, with a place for an observer of what they return.

    Example:
        >>> import trainctl
        >>> FloatFunctional().add(trainctl.tensor(3.0), trainctl.tensor(4.0))
        tensor(7.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process: Any = Identity()

    def forward(self, x: Any) -> NoReturn:
        """Raise RuntimeError: it is its methods that are called."""
        raise RuntimeError("FloatFunctional is not called itself; call one of its methods: add, mul, cat, ...")

    def _seen(self, y: Tensor) -> Tensor:
        return self.activation_post_process(y)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + y``."""
        return self._seen(add(x, y))

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """Return ``x + y``, which needs no observer."""
        return add(x, y)

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x * y``."""
        return self._seen(mul(x, y))

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """Return ``x * y``, which needs no observer."""
        return mul(x, y)

    def cat(self, x: Sequence[Tensor], dim: int = 0) -> Tensor:
        """Return the tensors joined along a dim."""
        return self._seen(cat(list(x), dim))

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``relu(x + y)``."""
        return self._seen(relu(add(x, y)))

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x @ y``."""
        return self._seen(matmul(x, y))


class FXFloatFunctional(FloatFunctional):
    """The same without a place for an observer."""

    def __init__(self) -> None:
        super().__init__()
        del self.activation_post_process

    def _seen(self, y: Tensor) -> Tensor:
        return y


class QFunctional(OnGrid):
    """Functions of quantized tensors, onto the grid of ``scale`` and ``zero_point``.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.tensor([1.0, 2.0]), 0.5, 0, trainctl.quint8)
        >>> QFunctional().add(x, x).int_repr()
        tensor([2, 4], dtype=trainctl.uint8)
    """

    def __init__(self) -> None:
        super().__init__()
        self._set_grid(1.0, 0)
        self.activation_post_process: Any = Identity()

    def forward(self, x: Any) -> NoReturn:
        """Raise RuntimeError: it is its methods that are called."""
        raise RuntimeError("QFunctional is not called itself; call one of its methods: add, mul, cat, ...")

    def _of(self, function: Any, x: Tensor, y: Tensor) -> Tensor:
        if is_quantized(x) is not is_quantized(y):
            raise RuntimeError(
                f"QFunctional: both tensors must be quantized, or none, got {x.dtype} and {y.dtype}; "
                "put a QuantStub in front of the other one"
            )
        return self.activation_post_process(self._put(function(dequantize(x), dequantize(y)), like=x))

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + y``."""
        return self._of(add, x, y)

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """Return ``x + y``: the same codes, as far as they go, of another grid."""
        return add_number(x, y) if is_quantized(x) else add(x, y)

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x * y``."""
        return self._of(mul, x, y)

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """Return ``x * y``: the same codes, turned round where y is negative, of another grid."""
        return multiply_by_number(x, y) if is_quantized(x) else mul(x, y)

    def cat(self, x: Sequence[Tensor], dim: int = 0) -> Tensor:
        """Return the tensors joined along a dim."""
        joined = cat([dequantize(each) for each in x], dim)
        return self.activation_post_process(self._put(joined, like=x[0]))

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``relu(x + y)``."""
        return self._of(lambda a, b: relu(add(a, b)), x, y)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x @ y``."""
        return self._of(matmul, x, y)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return what an observed :class:`FloatFunctional` becomes.

        Raises:
            TypeError: another kind of module.
        """
        if not isinstance(mod, FloatFunctional):
            raise TypeError(f"QFunctional.from_float takes a FloatFunctional, got {type(mod).__name__}")
        made = cls()
        made._set_grid(*activation_grid(mod))
        return made

    def _get_name(self) -> str:
        return "QFunctional"

    def extra_repr(self) -> str:
        """Return the grid."""
        return f"scale={self.scale}, zero_point={self.zero_point}"
