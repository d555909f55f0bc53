"""Observers that learn nothing: what they say is fixed, left to others, or only kept for a look."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import float16, float32, int32
from trainctl.backend.quantized_dtypes import per_tensor_affine, qscheme, quint8
from trainctl.quantization.observers.base import EPS, ObserverBase


class FixedQParamsObserver(ObserverBase):
    """A scale and a zero point that are known: of a sigmoid's output, say.

    Args:
        scale: the scale.
        zero_point: the zero point.
        dtype: of the codes.
        qscheme: the scheme.
        quant_min: lowest code.
        quant_max: highest code.
        is_dynamic: not with fixed ones.
        kwargs: none is known.

    Raises:
        NotImplementedError: ``is_dynamic``.

    Example:
        >>> FixedQParamsObserver(scale=1 / 256, zero_point=0).calculate_qparams()
        (tensor([0.0039]), tensor([0], dtype=trainctl.int32))
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        scale: float,
        zero_point: int,
        dtype: Any = quint8,
        qscheme: qscheme = per_tensor_affine,
        quant_min: int = 0,
        quant_max: int = 255,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError("FixedQParamsObserver doesn't support dynamic quantization")
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        self.quant_min, self.quant_max, self.qscheme = quant_min, quant_max, qscheme
        self.register_buffer("scale", tensor([scale], dtype=float32))
        self.register_buffer("zero_point", tensor([zero_point], dtype=int32))

    def forward(self, X: Tensor) -> Tensor:
        """Return the input."""
        return X

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return what was given."""
        return self.scale, self.zero_point


class _Silent(ObserverBase):
    """An observer that has no scale to give."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x

    def calculate_qparams(self, **kwargs: Any) -> NoReturn:
        """Raise: there is nothing to calculate from."""
        raise RuntimeError(f"calculate_qparams should not be called for {type(self).__name__}")


class PlaceholderObserver(_Silent):
    """A note to the module that is made from this one: of float16, or of codes that are made when the model runs.

    Args:
        dtype: of the input of the module that will be made.
        custom_op_name: kept as ``custom_op``.
        compute_dtype: PyTorch's old word for ``is_dynamic``.
        quant_min: lowest code.
        quant_max: highest code.
        qscheme: the scheme; default: ``per_tensor_affine``.
        eps: least scale.
        is_dynamic: the codes are made anew for each input.

    Example:
        >>> PlaceholderObserver(dtype=float16)
        PlaceholderObserver(dtype=trainctl.float16, is_dynamic=False)
    """

    def __init__(
        self,
        dtype: Any = float32,
        custom_op_name: str = "",
        compute_dtype: Any = None,
        quant_min: int | None = None,
        quant_max: int | None = None,
        qscheme: qscheme | None = None,
        eps: float | None = None,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype=dtype, is_dynamic=is_dynamic)
        self.qscheme = qscheme or per_tensor_affine
        self.quant_min, self.quant_max = quant_min, quant_max
        self.eps = EPS if eps is None else eps
        self.custom_op = custom_op_name
        if compute_dtype:
            warnings.warn("Please use `is_dynamic` instead of `compute_dtype`, which is ignored.", stacklevel=2)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"dtype={self.dtype}, is_dynamic={self.is_dynamic}"


class NoopObserver(_Silent):
    """A note to the module that is made from this one, usually that its weight is kept in float16.

    Args:
        dtype: of what will be made.
        custom_op_name: kept as ``custom_op``.

    Example:
        >>> NoopObserver().dtype
        trainctl.float16
    """

    def __init__(self, dtype: Any = float16, custom_op_name: str = "") -> None:
        super().__init__(dtype=dtype)
        self.custom_op = custom_op_name


class RecordingObserver(_Silent):
    """Keeps a copy of everything that it is given, for a look at it.

    Args:
        dtype: of the codes.

    Example:
        >>> import trainctl
        >>> observer = RecordingObserver()
        >>> _ = observer(trainctl.ones(2))
        >>> observer.get_tensor_value()
        [tensor([1., 1.])]
    """

    def __init__(self, dtype: Any = quint8) -> None:
        super().__init__(dtype=dtype)
        self.tensor_val: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Copy the input and return it."""
        self.tensor_val.append(x.clone())
        return x

    def get_tensor_value(self) -> list[Tensor]:
        """Return the copies."""
        return self.tensor_val


class ReuseInputObserver(_Silent):
    """Says that an output is on the grid of its input, as a reshape's is.

    Example:
        >>> ReuseInputObserver().dtype
        trainctl.quint8
    """

    def __init__(self) -> None:
        super().__init__(quint8)
