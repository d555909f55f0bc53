"""What observers share: from the range of a tensor to the scale and zero point of codes for it."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.moving_range import RangeGrid
from trainctl.autograd.state import note_read
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import float32, int8, int16, int32, uint8
from trainctl.backend.quantized_dtypes import (
    per_channel_affine,
    per_channel_affine_float_qparams,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
    qint8,
    qint32,
    qscheme,
    quint4x2,
    quint8,
)
from trainctl.nn.modules.module import Module
from trainctl.quantization.observers.partial import MadeWithArgs

EPS = float(dtypes.finfo(float32).eps)

_DTYPES = (qint8, quint8, quint4x2, qint32, int8, uint8, int16, int32)
_DEFAULT_RANGES = {
    qint8: (-128, 127), int8: (-128, 127), quint8: (0, 255), uint8: (0, 255), qint32: (-(2**31), 2**31 - 1),
    int32: (-(2**31), 2**31 - 1), int16: (-(2**15), 2**15 - 1), quint4x2: (0, 15),
}  # fmt: skip
_REDUCED_RANGES = {qint8: (-64, 63), int8: (-64, 63), quint8: (0, 127), uint8: (0, 127)}
_SCHEMES = (
    per_tensor_affine, per_tensor_symmetric, per_channel_affine, per_channel_symmetric, per_channel_affine_float_qparams,
)  # fmt: skip
_NOT_RUN = "must run observer before calling calculate_qparams. Returning default values."


class ObserverBase(MadeWithArgs, ABC, Module):
    """Base of every observer: a module that hands its input on and learns something about it.

    Args:
        dtype: of the codes.
        is_dynamic: the codes are made anew for each input when the model runs.
    """

    def __init__(self, dtype: Any, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype, self.is_dynamic = dtype, is_dynamic

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Look at ``x`` and return it."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Return the scale and the zero point for what has been seen."""


class UniformQuantizationObserverBase(ObserverBase):
    """Base of observers of a range, which codes divide into equal steps.

    Args:
        dtype: of the codes.
        qscheme: the scheme.
        reduce_range: one bit less: for kernels whose sums of two products must fit 16 bits.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        factory_kwargs: ``device`` and ``dtype`` of the buffers.
        eps: least scale.
        is_dynamic: see :class:`ObserverBase`.
        kwargs: none is known.

    Raises:
        AssertionError: a scheme or type that is not for codes, or a range that is empty, too large or without 0.
        TypeError: arguments that nobody knows.
    """

    _version: ClassVar[int] = 3
    eps: Tensor

    def __init__(
        self,
        dtype: Any = quint8,
        qscheme: qscheme = per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        self.qscheme, self.reduce_range = qscheme, reduce_range
        self.register_buffer("eps", tensor([eps], **buffer_kwargs(factory_kwargs)))
        if qscheme not in _SCHEMES:
            raise AssertionError(
                "Default Observer only works for per_tensor_affine, per_tensor_symmetric, per_channel_affine, "
                f"per_channel_symmetric and per_channel_float_qparams quantization scheme, got {qscheme}"
            )
        if dtype not in _DTYPES:
            raise AssertionError(f"Default Observer only works for {_DTYPES} data type, got {dtype}")
        self.has_customized_qrange = quant_min is not None and quant_max is not None
        self.quant_min, self.quant_max = _codes(dtype, quant_min, quant_max, reduce_range)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Load as every module, and from files older than ``eps``."""
        if (local_metadata.get("version") or 1) < 2:
            state_dict.setdefault(f"{prefix}eps", tensor([EPS]))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _calculate_qparams(self, min_val: Tensor, max_val: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point, ``[C]`` or ``[1]``, for ranges.

        Raises:
            AssertionError: a range that ends before it begins.
        """
        if not _is_range(min_val, max_val):
            return tensor([1.0], device=min_val.device), tensor([0], device=min_val.device)
        kind = "symmetric" if self.qscheme.is_symmetric else "affine"
        return RangeGrid.apply(
            min_val, max_val, self.eps, quant_min=self.quant_min, quant_max=self.quant_max, middle=self._middle(),
            kind="float" if self.qscheme is per_channel_affine_float_qparams else kind,
        )  # fmt: skip

    def _middle(self) -> int:
        """Return the code of 0 of a symmetric scheme."""
        if self.dtype not in (quint8, uint8):
            return 0
        return (self.quant_min + self.quant_max) // 2 if self.has_customized_qrange else 128

    def reset_min_max_vals(self) -> None:
        """Forget what has been seen."""
        raise NotImplementedError("Cannot reset min/max values in the given observer.")


class RangeObserver(UniformQuantizationObserverBase):
    """What observers that keep a range in ``min_val`` and ``max_val`` share."""

    min_val: Tensor
    max_val: Tensor

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return scale and zero point for the range that has been seen: 1 and 0, with a warning, where there is none."""
        return self._calculate_qparams(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """Return the range."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


def buffer_kwargs(factory_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a ``factory_kwargs`` says about buffers.

    Raises:
        TypeError: it says something else.
    """
    given = factory_kwargs or {}
    unknown = given.keys() - {"device", "dtype"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}; factory_kwargs takes device and dtype")
    return given


def _codes(dtype: Any, quant_min: int | None, quant_max: int | None, reduce_range: bool) -> tuple[int, int]:
    """Return the lowest and the highest code."""
    if quant_min is None or quant_max is None:
        return (_REDUCED_RANGES if reduce_range and dtype in _REDUCED_RANGES else _DEFAULT_RANGES)[dtype]
    if not quant_min <= 0 <= quant_max:
        raise AssertionError(f"Used-specified quantization range must include 0, got [{quant_min}, {quant_max}].")
    if quant_min >= quant_max:
        raise AssertionError(
            "qmin must be strictly less than qmax for user-specified quantization range, "
            f"got [{quant_min}, {quant_max}]."
        )
    most = {qint8: 2**8, int8: 2**8, qint32: 2**32, int32: 2**32}.get(dtype)
    if most is not None and quant_max - quant_min + 1 > most:
        raise AssertionError(
            f"quantization range should be positive and not exceed the maximum bit range (={most}), "
            f"got [{quant_min}, {quant_max}]."
        )
    return (quant_min // 2, quant_max // 2) if reduce_range else (quant_min, quant_max)


def _is_range(min_val: Tensor, max_val: Tensor) -> bool:
    """Return whether something has been seen; where not, warn."""
    low, high = min_val._array, max_val._array
    if not low.size or not high.size or bool(((low == float("inf")) & (high == float("-inf"))).all()):
        note_read("whether an observer has seen anything")
        warnings.warn(_NOT_RUN, stacklevel=4)
        return False
    if (low > high).any():
        raise AssertionError(f"min {min_val} should be less than max {max_val}")
    return True
