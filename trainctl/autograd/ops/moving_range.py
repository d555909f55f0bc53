"""The range of what flows by, kept in tensors that ops move in place, and the grid for it: all of it can be replayed."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.assign import copy_
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.fake_quantize import check_channels, check_codes, fake_quantized
from trainctl.autograd.state import is_on
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "fused_moving_avg_obs_fake_quant"

_LEAST_SCALE = 6.1e-5  # of the grids that fbgemm chooses


class Extent(Op):
    """``x`` -> its smallest and its largest element, over all dims but ``axis``, in ``array_dtype``; NaN if there is one."""

    differentiable = False
    decides_dtype = True
    axis: int | None
    array_dtype: Any

    def forward(self, x: Any) -> Any:
        """Return both."""
        xp = self.xp
        dims = None if self.axis is None else tuple(dim for dim in range(x.ndim) if dim != self.axis)
        return tuple(xp.asarray(each(x, axis=dims)).astype(self.array_dtype) for each in (xp.min, xp.max))


class Widened(Op):
    """``low, high, least, most`` -> the range of both ranges."""

    differentiable = False

    def forward(self, low: Any, high: Any, least: Any, most: Any) -> Any:
        """Return its ends."""
        return self.xp.minimum(low, least), self.xp.maximum(high, most)


class Moved(Op):
    """``low, high, least, most`` -> the first range moved towards the second one by a share of the distance.

    A range that has seen nothing, from inf to -inf, becomes the second one.

    Args:
        share: of the distance.
        each: each end that is infinite is taken for one that has seen nothing.
    """

    differentiable = False
    share: float
    each: bool

    def forward(self, low: Any, high: Any, least: Any, most: Any) -> Any:
        """Return its ends."""
        xp = self.xp
        empty = (low == xp.inf) & (high == -xp.inf)
        return tuple(
            xp.where(xp.isinf(old) if self.each else empty, new, old + self.share * (new - old)).astype(old.dtype)
            for old, new in ((low, least), (high, most))
        )


class Grid(Op):
    """``low, high`` -> the scale (float32) and zero point (int32) of codes for a range, as fbgemm chooses them.

    Args:
        quant_min: lowest code.
        quant_max: highest code.
        symmetric: a range around 0 is made as wide below as above it.
    """

    differentiable = False
    decides_dtype = True
    quant_min: int
    quant_max: int
    symmetric: bool

    def forward(self, low: Any, high: Any) -> Any:
        """Return both, one for each range; one that has seen nothing counts as 0."""
        xp, steps = self.xp, self.quant_max - self.quant_min
        low, high = xp.asarray(low, xp.float32).reshape(-1), xp.asarray(high, xp.float32).reshape(-1)
        around = (low < 0) & (high > 0) & self.symmetric
        low, high = (xp.where(around, *each) for each in zip(self._balanced(low, high), (low, high), strict=True))
        low, high = xp.minimum(low, xp.float32(0)), xp.maximum(high, xp.float32(0))
        scale = (high.astype(xp.float64) - low) / steps
        narrow = scale.astype(xp.float32)
        scale = xp.where((narrow == 0) | xp.isinf(1 / narrow), 0.1, scale)
        low, high, scale = self._coarse_enough(low, high, scale)
        zero_point = self._zero_point(low / scale, high / scale)
        around &= (low < 0) & (high > 0)
        zero_point = xp.where(around, xp.rint((self.quant_min + self.quant_max) / 2), zero_point)
        none = xp.isnan(zero_point)
        whole = xp.where(none, 0, zero_point).astype(xp.int32)
        return scale.astype(xp.float32), xp.where(none, xp.iinfo(xp.int32).min, whole)

    def _balanced(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Return the range with both ends as many steps from 0 as codes allow."""
        xp, above = self.xp, (self.quant_max - self.quant_min) // 2
        below = -(above + 1)
        scale = xp.maximum(xp.abs(low / xp.float32(below)), xp.abs(high / xp.float32(above))).astype(xp.float64)
        return (scale * below).astype(xp.float32), (scale * above).astype(xp.float32)

    def _coarse_enough(self, low: Any, high: Any, scale: Any) -> tuple[Any, Any, Any]:
        """Return range and scale, made larger where the scale would be so small that integer kernels lose it."""
        xp, least, steps = self.xp, self.xp.float32(_LEAST_SCALE), self.quant_max - self.quant_min
        small, grown = scale < least, least / scale.astype(xp.float32)
        whole = least * xp.float32(steps)
        wider_low = xp.where(low == 0, low, xp.where(high == 0, -whole, low * grown))
        wider_high = xp.where(low == 0, whole, xp.where(high == 0, high, high * grown))
        return xp.where(small, wider_low, low), xp.where(small, wider_high, high), xp.where(small, least, scale)

    def _zero_point(self, low: Any, high: Any) -> Any:
        """Return the code of 0, from that end of the range (in steps) where the rounding error is smaller."""
        xp, quant_min, quant_max = self.xp, self.quant_min, self.quant_max
        from_low = abs(quant_min) - xp.abs(low) < abs(quant_max) - xp.abs(high)
        return xp.clip(xp.rint(xp.where(from_low, quant_min - low, quant_max - high)), quant_min, quant_max)


class RangeGrid(Op):
    """``low, high, eps`` -> the scale and zero point of codes for a range, as PyTorch's observers choose them.

    Args:
        quant_min: lowest code.
        quant_max: highest code.
        kind: ``affine``, ``symmetric``, or ``float`` for a zero point that is no code.
        middle: the zero point of a symmetric scheme.
    """

    differentiable = False
    decides_dtype = True
    quant_min: int
    quant_max: int
    kind: str
    middle: int

    def forward(self, low: Any, high: Any, eps: Any) -> Any:
        """Return both, one for each range, no scale less than ``eps``."""
        xp, steps = self.xp, float(self.quant_max - self.quant_min)
        low, high = low.reshape(low.shape or (1,)), high.reshape(high.shape or (1,))
        if self.kind == "float":
            scale = (high - low) / steps
            scale = xp.where(scale > eps, scale, xp.ones_like(scale))
            return scale, -low / scale
        below, above = xp.minimum(low, xp.zeros_like(low)), xp.maximum(high, xp.zeros_like(high))
        if self.kind == "symmetric":
            scale = xp.maximum(xp.maximum(-below, above) / (steps / 2), eps)
            return scale, xp.full(scale.shape, self.middle, xp.int64)
        scale = xp.maximum((above - below) / steps, eps)
        return scale, self._zero_point(below / scale)

    def _zero_point(self, low: Any) -> Any:
        """Return the code of 0 for lower ends in steps; int32 throughout, which wraps around as PyTorch's does."""
        xp = self.xp
        whole = xp.where(xp.isfinite(low), xp.rint(low), xp.iinfo(xp.int32).min).astype(xp.int32)
        return xp.clip(xp.int32(self.quant_min) - whole, self.quant_min, min(self.quant_max, xp.iinfo(xp.int32).max))


def resized(tensor: Tensor, shape: Any, fill: float) -> None:
    """Give a tensor that is kept between steps another shape, every element ``fill``, where it has another one.

    The elements depend on nothing that was computed, so that a recorded step may go on with them as with those before.
    """
    if tensor._array.shape != tuple(shape):
        tensor._array = tensor._xp.full(shape, fill, tensor._array.dtype)
        tensor._bump_version()


def fused_moving_avg_obs_fake_quant(
    input: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """Return ``input`` on the grid of its range's moving average, which is kept up on the way.

    Args:
        input: floating-point elements; where there are none, nothing else happens.
        observer_on: of one element: whether the range follows the input.
        fake_quant_on: of one element: whether scale and zero point follow the range and the input is put on the grid.
        running_min: the range's lower end, or ``[C]``, moved in place; ``inf`` before the first input.
        running_max: its upper end, ``-inf`` before the first input.
        scale: of the grid, written in place.
        zero_point: likewise.
        averaging_const: share of the input in the range.
        quant_min: lowest code.
        quant_max: highest code.
        ch_axis: the dim with a grid for each of its rows, which must be the first one.
        per_row_fake_quant: a range and a grid for each row; tensors that are empty are given a row each.
        symmetric_quant: the zero point is the middle code.

    Raises:
        RuntimeError: another dim than the first, or one that is not there; another number of rows than before.

    Example:
        >>> import trainctl
        >>> on, low, high = trainctl.ones(1), trainctl.tensor(float("inf")), trainctl.tensor(float("-inf"))
        >>> scale, zero = trainctl.ones(1), trainctl.zeros(1, dtype=trainctl.int32)
        >>> x = trainctl.tensor([0.0, 0.4, 1.5])
        >>> fused_moving_avg_obs_fake_quant(x, on, on, low, high, scale, zero, 0.01, 0, 15, -1), scale
        (tensor([0.0000, 0.4000, 1.5000]), tensor([0.1000]))
    """
    check_tensor("fused_moving_avg_obs_fake_quant", input, "input")
    if not input._array.size:
        return input.clone()
    if ch_axis >= input._array.ndim:
        raise RuntimeError(
            "Error in fused_moving_avg_obs_fake_quant_cpu: ch_axis must be < self.dim(), "
            f"got {ch_axis} for an input of shape {list(input.shape)}"
        )
    axis = _row_axis(input, ch_axis) if per_row_fake_quant else None
    if axis is not None and not running_min._array.size:
        rows = input._array.shape[:1]
        for each, empty in ((running_min, float("inf")), (running_max, float("-inf")), (scale, 1), (zero_point, 0)):
            resized(each, rows, empty)
    elif axis is not None and running_min._array.shape != input._array.shape[:1]:
        raise RuntimeError(
            f"the running range is of {running_min._array.size} rows, but the input has {input._array.shape[0]}"
        )
    if is_on(observer_on):
        seen = Extent.apply(input, axis=axis, array_dtype=running_min._array.dtype)
        moved = Moved.apply(running_min, running_max, *seen, share=averaging_const, each=True)
        copy_(running_min, moved[0])
        copy_(running_max, moved[1])
    if not is_on(fake_quant_on):
        return input.clone()
    return _on_its_grid(input, running_min, running_max, scale, zero_point, axis, quant_min, quant_max, symmetric_quant)


def _row_axis(input: Tensor, ch_axis: int) -> int:
    """Return the rows' dim.

    Raises:
        RuntimeError: it is not the first one.
    """
    if ch_axis != 0:
        raise RuntimeError(
            "Per-channel FakeQuant in fused_moving_avg_obs_fake_quant is only supported on axis == 0, "
            f"got {ch_axis} for an input of shape {list(input.shape)}; FakeQuantize takes any dim"
        )
    return ch_axis


def _on_its_grid(
    input: Tensor, low: Tensor, high: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None, quant_min: int,
    quant_max: int, symmetric: bool,
) -> Tensor:  # fmt: skip
    """Choose the grid for a range, note it, and return ``input`` on it."""
    chosen = Grid.apply(low, high, quant_min=quant_min, quant_max=quant_max, symmetric=symmetric)
    copy_(scale, chosen[0])
    copy_(zero_point, chosen[1])
    if axis is not None:
        check_channels(input, scale, zero_point, axis)
        check_codes(zero_point, quant_min, quant_max)
    return fake_quantized(input, scale, zero_point, axis, quant_min, quant_max)
