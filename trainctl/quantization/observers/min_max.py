"""The smallest and the largest element seen: of all elements, or of each channel; over all inputs, or on average."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.assign import copy_
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.moving_range import Extent, Moved, Widened, resized
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import (
    per_channel_affine,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
    qscheme,
    quint8,
)
from trainctl.quantization.observers.base import EPS, RangeObserver, buffer_kwargs

_INF = float("inf")


class MinMaxObserver(RangeObserver):
    """The range of all that was seen.

    Args:
        dtype: of the codes.
        qscheme: a scheme for all elements together.
        reduce_range: one bit less.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        factory_kwargs: ``device`` and ``dtype`` of the buffers.
        eps: least scale.
        is_dynamic: the codes are made anew for each input.
        kwargs: none is known.

    Raises:
        NotImplementedError: a scheme for channels, or one bit less for symmetric ``quint8``.
        AssertionError: as :class:`UniformQuantizationObserverBase`.

    Example:
        >>> import trainctl
        >>> observer = MinMaxObserver()
        >>> _ = observer(trainctl.tensor([-1.0, 1.55]))
        >>> observer.calculate_qparams()
        (tensor([0.0100]), tensor([100], dtype=trainctl.int32))
    """

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
        if qscheme not in (per_tensor_affine, per_tensor_symmetric):
            raise NotImplementedError(
                f"{type(self).__name__}'s qscheme only support torch.per_tensor_symmetric and "
                f"torch.per_tensor_affine, but got: {qscheme}"
            )
        super().__init__(
            dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic=is_dynamic, **kwargs
        )
        refuse_reduced(qscheme is per_tensor_symmetric and reduce_range and dtype is quint8)
        place = buffer_kwargs(factory_kwargs)
        self.register_buffer("min_val", tensor(_INF, **place))
        self.register_buffer("max_val", tensor(-_INF, **place))

    def forward(self, x_orig: Tensor) -> Tensor:
        """Note the range of ``x_orig`` and return it."""
        if x_orig._array.size:
            observe(self, x_orig.detach(), None)
        return x_orig

    def _combined(self, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
        """Return the range after an input with these ends."""
        return Widened.apply(self.min_val, self.max_val, least, most)

    def reset_min_max_vals(self) -> None:
        """Forget what has been seen."""
        self.min_val.fill_(_INF)
        self.max_val.fill_(-_INF)


class MovingAverageMinMaxObserver(MinMaxObserver):
    """The average range of the inputs, of which a later one counts more.

    Args:
        averaging_constant: share of an input.
        dtype: of the codes.
        qscheme: a scheme for all elements together.
        reduce_range: one bit less.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        eps: least scale.
        is_dynamic: the codes are made anew for each input, which takes a share of 1.
        kwargs: ``factory_kwargs``.

    Raises:
        NotImplementedError: as :class:`MinMaxObserver`, or ``is_dynamic`` with another share.

    Example:
        >>> import trainctl
        >>> observer = MovingAverageMinMaxObserver(averaging_constant=0.5)
        >>> for high in (1.0, 3.0):
        ...     _ = observer(trainctl.tensor([0.0, high]))
        >>> observer
        MovingAverageMinMaxObserver(min_val=0.0, max_val=2.0)
    """

    def __init__(
        self,
        averaging_constant: float = 0.01,
        dtype: Any = quint8,
        qscheme: qscheme = per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic and averaging_constant != 1:
            raise NotImplementedError(
                "MovingAverageMinMaxObserver doesn't support dynamic quantization for averaging constant of "
                f"{averaging_constant}"
            )
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, eps=eps, is_dynamic=is_dynamic, **kwargs)
        self.averaging_constant = averaging_constant

    def _combined(self, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
        return Moved.apply(self.min_val, self.max_val, least, most, share=self.averaging_constant, each=False)


class PerChannelMinMaxObserver(RangeObserver):
    """The range of each channel, of all that was seen.

    Args:
        ch_axis: the channels' dim.
        dtype: of the codes.
        qscheme: a scheme for channels.
        reduce_range: one bit less.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        factory_kwargs: ``device`` and ``dtype`` of the buffers, which are empty before the first input.
        eps: least scale.
        is_dynamic: not for channels.
        kwargs: none is known.

    Raises:
        NotImplementedError: a scheme that is not for channels, ``is_dynamic``, or one bit less for symmetric ``quint8``.
        AssertionError: as :class:`UniformQuantizationObserverBase`.

    Example:
        >>> import trainctl
        >>> observer = PerChannelMinMaxObserver(qscheme=trainctl.per_channel_symmetric, dtype=trainctl.qint8)
        >>> _ = observer(trainctl.tensor([[-2.0, 1.0], [0.0, 4.0]]))
        >>> observer.max_val
        tensor([1., 4.])
    """

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: Any = quint8,
        qscheme: qscheme = per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if not getattr(qscheme, "is_per_channel", False):
            raise NotImplementedError(
                f"{name}'s qscheme only support torch.per_channel_symmetric, torch.per_channel_affine and "
                f"torch.per_channel_affine_float_qparams, but got: {qscheme}"
            )
        if is_dynamic:
            raise NotImplementedError(f"{name} doesn't support dynamic quantization")
        super().__init__(
            dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic=is_dynamic, **kwargs
        )
        refuse_reduced(qscheme is per_channel_symmetric and reduce_range and dtype is quint8)
        self.ch_axis = ch_axis
        place = buffer_kwargs(factory_kwargs)
        self.register_buffer("min_val", tensor([], **place))
        self.register_buffer("max_val", tensor([], **place))

    def forward(self, x_orig: Tensor) -> Tensor:
        """Note each channel's range in ``x_orig`` and return it.

        Raises:
            IndexError: ``x_orig`` has no such dim, or no other one.
            RuntimeError: another number of channels than before.
        """
        if not x_orig._array.size:
            return x_orig
        dims = x_orig._array.ndim
        if dims < 2 or not -dims <= self.ch_axis < dims:
            raise IndexError(
                f"Dimension out of range: expected an input with channels along dim {self.ch_axis} and at least one "
                f"other dim, but got shape {list(x_orig.shape)}"
            )
        axis = self.ch_axis % dims
        channels = x_orig._array.shape[axis : axis + 1]
        if not self.min_val._array.size or not self.max_val._array.size:
            resized(self.min_val, channels, _INF)
            resized(self.max_val, channels, -_INF)
        elif self.min_val._array.shape != channels:
            raise RuntimeError(
                f"The observer has seen {self.min_val._array.size} channels, but now got {channels[0]} along dim {axis} "
                f"of an input of shape {list(x_orig.shape)}"
            )
        observe(self, x_orig.detach(), axis)
        return x_orig

    def _combined(self, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
        """Return the ranges after an input with these ends."""
        return Widened.apply(self.min_val, self.max_val, least, most)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load as every module, with buffers as large as the saved ones."""
        version = rest[0].get("version")
        for name in ("min_val", "max_val"):
            old = f"{prefix}{name}s"
            if version is not None and version < 3 and old in state_dict:
                state_dict[prefix + name] = state_dict.pop(old)
            fit(getattr(self, name), state_dict.get(prefix + name))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def reset_min_max_vals(self) -> None:
        """Forget what has been seen, and how many channels there were."""
        self.min_val, self.max_val = (tensor([], dtype=each.dtype) for each in (self.min_val, self.max_val))


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """The average range of each channel, of which a later input counts more.

    Args:
        averaging_constant: share of an input.
        ch_axis: the channels' dim.
        dtype: of the codes.
        qscheme: a scheme for channels.
        reduce_range: one bit less.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        eps: least scale.
        is_dynamic: not for channels.
        kwargs: ``factory_kwargs``.

    Raises:
        NotImplementedError: as :class:`PerChannelMinMaxObserver`.

    Example:
        >>> import trainctl
        >>> observer = MovingAveragePerChannelMinMaxObserver(averaging_constant=0.5)
        >>> for high in (1.0, 3.0):
        ...     _ = observer(trainctl.tensor([[0.0, high]]))
        >>> observer.max_val
        tensor([2.])
    """

    def __init__(
        self,
        averaging_constant: float = 0.01,
        ch_axis: int = 0,
        dtype: Any = quint8,
        qscheme: qscheme = per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ch_axis, dtype, qscheme, reduce_range, quant_min, quant_max, eps=eps, is_dynamic=is_dynamic, **kwargs
        )
        self.averaging_constant = averaging_constant

    def _combined(self, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
        return Moved.apply(self.min_val, self.max_val, least, most, share=self.averaging_constant, each=False)


def observe(observer: Any, x: Tensor, axis: int | None) -> None:
    """Let an observer's range follow an input, in place."""
    ends = Extent.apply(x, axis=axis, array_dtype=observer.min_val._array.dtype)
    low, high = observer._combined(*ends)
    copy_(observer.min_val, low)
    copy_(observer.max_val, high)


def fit(buffer: Tensor, saved: Any) -> None:
    """Give a buffer the shape of a tensor that will be loaded into it."""
    if isinstance(saved, Tensor):
        resized(buffer, saved._array.shape, 0)


def refuse_reduced(is_asked: bool) -> None:
    """Raise NotImplementedError for a range that PyTorch's kernels have no use for."""
    if is_asked:
        raise NotImplementedError("Cannot reduce range for symmetric quantization for quint8")
