"""The modules of fake quantization; :mod:`trainctl.quantization.fake_quantize` has the names of their usual settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from trainctl.autograd.ops.assign import copy_
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.fake_quantize import fake_quantize_per_channel_affine, fake_quantize_per_tensor_affine
from trainctl.autograd.ops.moving_range import fused_moving_avg_obs_fake_quant, resized
from trainctl.autograd.state import is_on, state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import float32, iinfo, int32, int64, uint8
from trainctl.backend.quantized_dtypes import per_channel_affine_float_qparams, qscheme, quint8
from trainctl.nn.modules.module import Module
from trainctl.quantization.observers.constant import FixedQParamsObserver
from trainctl.quantization.observers.min_max import (
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    fit,
)
from trainctl.quantization.observers.partial import MadeWithArgs


class FakeQuantizeBase(MadeWithArgs, ABC, Module):
    """Base of modules that fake-quantize their input.

    Attributes:
        fake_quant_enabled: of one element: whether the input is put on the grid; else it goes on as it is.
        observer_enabled: of one element: whether the grid follows the input.
    """

    fake_quant_enabled: Tensor
    observer_enabled: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fake_quant_enabled", tensor([1], dtype=uint8))
        self.register_buffer("observer_enabled", tensor([1], dtype=uint8))

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` on the grid."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Return the scale and the zero point."""

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Put inputs on the grid from now on, or not."""
        self.fake_quant_enabled.fill_(int(enabled))

    def disable_fake_quant(self) -> None:
        """Let inputs go on as they are."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Let the grid follow the inputs from now on, or not."""
        self.observer_enabled.fill_(int(enabled))

    def disable_observer(self) -> None:
        """Keep the grid as it is."""
        self.enable_observer(False)


class FakeQuantize(FakeQuantizeBase):
    """``(clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale``, on an observer's grid.

    Args:
        observer: makes the observer.
        quant_min: lowest code; default: the observer's.
        quant_max: highest code.
        is_dynamic: the codes are made anew for each input when the model runs.
        observer_kwargs: for ``observer``.

    Attributes:
        activation_post_process: the observer.
        scale: of the grid, ``[1]`` or ``[C]``.
        zero_point: the code of 0, likewise.

    Raises:
        AssertionError: codes that the type does not have.

    Example:
        >>> import trainctl
        >>> fake = FakeQuantize(quant_min=0, quant_max=15, dtype=trainctl.quint8)
        >>> fake(trainctl.tensor([0.0, 0.42, 1.5]))
        tensor([0.0000, 0.4000, 1.5000])
        >>> fake.scale
        tensor([0.1000])
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_dynamic: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min is not None and quant_max is not None:
            check_codes(_dtype_of(observer, observer_kwargs), quant_min, quant_max)
            observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        made = self.activation_post_process = observer(**{**observer_kwargs, "is_dynamic": is_dynamic})
        self.quant_min, self.quant_max, self.is_dynamic = made.quant_min, made.quant_max, made.is_dynamic
        self.dtype, self.qscheme, self.ch_axis = made.dtype, made.qscheme, getattr(made, "ch_axis", -1)
        if not isinstance(self.qscheme, qscheme):
            raise AssertionError(
                "Only per channel and per tensor quantization are supported in fake quantize got qscheme: "
                f"{self.qscheme}"
            )
        self.is_per_channel = self.qscheme.is_per_channel
        is_code = self.qscheme is not per_channel_affine_float_qparams
        self.register_buffer("scale", tensor([1.0], dtype=float32))
        self.register_buffer("zero_point", tensor([0], dtype=int32 if is_code else float32))

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Return the observer's scale and zero point."""
        return self.activation_post_process.calculate_qparams()

    def forward(self, X: Tensor) -> Tensor:
        """Return the input on the grid."""
        if is_on(self.observer_enabled):
            self.activation_post_process(X.detach())
            self._set(*self.calculate_qparams())
        return self._on_grid(X) if is_on(self.fake_quant_enabled) else X

    def _set(self, scale: Tensor, zero_point: Tensor) -> None:
        """Take a grid over, in place."""
        for own, new in ((self.scale, scale), (self.zero_point, zero_point)):
            if own is not new:  # the observer's own, where they are fixed
                resized(own, new._array.shape, 0)
                copy_(own, new)

    def _on_grid(self, X: Tensor) -> Tensor:
        low, high = self.activation_post_process.quant_min, self.activation_post_process.quant_max
        if self.is_per_channel:
            return fake_quantize_per_channel_affine(X, self.scale, self.zero_point, self.ch_axis, low, high)
        return fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, low, high)

    def extra_repr(self) -> str:
        """Return switches and grid."""
        return (
            f"{self._switches()}, quant_min={self.quant_min}, quant_max={self.quant_max}, dtype={self.dtype}, "
            f"qscheme={self.qscheme}, ch_axis={self.ch_axis}, {self._grid()}"
        )

    def _switches(self) -> str:
        return f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}"

    def _grid(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load as every module, a grid of as many channels as the saved one has."""
        for name in ("scale", "zero_point"):
            fit(getattr(self, name), state_dict.get(prefix + name))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class FixedQParamsFakeQuantize(FakeQuantize):
    """:class:`FakeQuantize` on a grid that is known.

    Args:
        observer: makes a :class:`FixedQParamsObserver`.

    Raises:
        AssertionError: ``observer`` makes another one.

    Example:
        >>> import trainctl
        >>> FixedQParamsFakeQuantize(FixedQParamsObserver.with_args(scale=1 / 256, zero_point=0))(trainctl.tensor([0.5, 2.0]))
        tensor([0.5000, 0.9961])
    """

    def __init__(self, observer: Any) -> None:
        super().__init__(observer=observer)
        if type(self.activation_post_process) is not FixedQParamsObserver:
            raise AssertionError(f"{type(self).__name__}'s observer must be a {FixedQParamsObserver.__name__}")
        self._observer_ctr = observer
        self.scale, self.zero_point = self.activation_post_process.scale, self.activation_post_process.zero_point
        if self.is_per_channel:
            raise AssertionError(
                f"Only per tensor quantization is supported FixedQParamsFakeQuantize module, got qscheme:{self.qscheme}"
            )

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Return the grid."""
        return self.scale, self.zero_point

    def extra_repr(self) -> str:
        """Return switches and grid."""
        return (
            f"{self._switches()}, {self._grid()}, dtype={self.dtype}, quant_min={self.quant_min}, "
            f"quant_max={self.quant_max}, qscheme={self.qscheme}"
        )


class FusedMovingAvgObsFakeQuantize(FakeQuantize):
    """:class:`FakeQuantize` by a moving average, in fewer steps; the grid is fbgemm's, which has no scale below 6.1e-5.

    Args:
        observer: makes a moving average.
        quant_min: lowest code.
        quant_max: highest code.
        observer_kwargs: for ``observer``.

    Raises:
        AssertionError: ``observer`` makes another one, or codes that the type does not have.

    Example:
        >>> import trainctl
        >>> FusedMovingAvgObsFakeQuantize(quant_max=15)(trainctl.tensor([0.0, 0.42, 1.5]))
        tensor([0.0000, 0.4000, 1.5000])
    """

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int = 0,
        quant_max: int = 255,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__(observer, quant_min, quant_max, **observer_kwargs)
        if not isinstance(
            self.activation_post_process, (MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
        ):
            raise AssertionError("Fused observer+fake_quant module only works with MovingAverageMinMaxObserver")
        self.register_buffer("fake_quant_enabled", tensor([1], dtype=int64))
        self.register_buffer("observer_enabled", tensor([1], dtype=int64))
        self.is_symmetric_quant = self.qscheme.is_symmetric

    def forward(self, X: Tensor) -> Tensor:
        """Return the input on the grid of its range's moving average."""
        if state.watcher is not None:  # the step depends on the observer's options, too
            return state.watcher.call(self.activation_post_process, self._fused, (X,), {})
        return self._fused(X)

    def _fused(self, X: Tensor) -> Tensor:
        observer = self.activation_post_process
        return fused_moving_avg_obs_fake_quant(
            X, self.observer_enabled, self.fake_quant_enabled, observer.min_val, observer.max_val, self.scale,
            self.zero_point, observer.averaging_constant, observer.quant_min, observer.quant_max, self.ch_axis,
            self.is_per_channel, self.is_symmetric_quant,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return switches and grid."""
        return (
            f"{self._switches()}, {self._grid()}, dtype={self.dtype}, quant_min={self.quant_min}, "
            f"quant_max={self.quant_max}, qscheme={self.qscheme}, "
            f"reduce_range={self.activation_post_process.reduce_range}"
        )


def _dtype_of(observer: Any, observer_kwargs: dict[str, Any]) -> Any:
    """Return the type that an observer will have."""
    given = getattr(getattr(observer, "p", None), "keywords", {})
    return given.get("dtype", observer_kwargs.get("dtype", quint8))


def check_codes(dtype: Any, quant_min: int, quant_max: int) -> None:
    """Raise AssertionError if codes of a range are not all of a type, or there are none."""
    if quant_min > quant_max:
        raise AssertionError(f"quant_min must be less than or equal to quant_max, got [{quant_min}, {quant_max}]")
    if quant_min < iinfo(dtype).min:
        raise AssertionError(f"quant_min out of bound: {quant_min} is no {dtype}")
    if quant_max > iinfo(dtype).max:
        raise AssertionError(f"quant_max out of bound: {quant_max} is no {dtype}")
