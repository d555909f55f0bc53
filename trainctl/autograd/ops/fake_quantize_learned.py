"""Fake quantization whose scale and zero point are learned: learned step size (Esser et al., 2020; Jain et al., 2020)."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.fake_quantize import FakeQuantize, check_channels, on_grid
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "_fake_quantize_learnable_per_tensor_affine _fake_quantize_learnable_per_channel_affine"


class LearnedFakeQuantize(Op):
    """``x, scale, zero_point`` -> the numbers on the grid; all three have gradients.

    Args:
        quant_min: lowest code.
        quant_max: highest code.
        axis: the dim that scale and zero point are along; None: one of each for all elements.
        grad_factor: what the gradients of scale and zero point are multiplied by.
    """

    saves = (0, 1, 2)
    quant_min: int
    quant_max: int
    axis: int | None
    grad_factor: float

    def forward(self, x: Any, scale: Any, zero_point: Any) -> Any:
        """Return the numbers."""
        xp = self.xp
        node = FakeQuantize()
        node.xp, node.quant_min, node.quant_max, node.axis = xp, self.quant_min, self.quant_max, self.axis
        codes = xp.clip(xp.rint(zero_point), self.quant_min, self.quant_max).astype(xp.int32)
        return node.forward(x, scale, codes)[0]

    def backward(self, gy: Tensor) -> Any:
        """Return the gradients of the input, the scale and the zero point."""
        return LearnedGradient.apply(gy, *self.saved, **self.params)


class LearnedGradient(Op):
    """``gy, x, scale, zero_point`` -> the three gradients.

    An element outside the range ends at its end, which moves with scale and zero point; one inside moves with the
    scale alone, by its rounding error.
    """

    differentiable = False
    quant_min: int
    quant_max: int
    axis: int | None
    grad_factor: float

    def forward(self, gy: Any, x: Any, scale: Any, zero_point: Any) -> Any:
        """Return them, of the shapes of ``x``, ``scale`` and ``zero_point``."""
        xp, low, high = self.xp, self.quant_min, self.quant_max
        shape = [1] * x.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        wide, zeros = scale.reshape(shape), self._zero_point(zero_point).reshape(shape)
        codes = on_grid(xp, x, wide, zeros)  # as a float, which is added before the rounding, as PyTorch does here
        inside = (codes >= low) & (codes <= high)
        steps = xp.clip(codes, low, high) - zeros
        error = (steps * wide - x) * (1 / wide)
        gy_scaled = gy * xp.float32(self.grad_factor)
        return (
            gy * inside,
            self._summed(gy_scaled * xp.where(inside, error, steps), scale),
            self._summed(gy_scaled * xp.where(inside, xp.float32(0), -wide), zero_point),
        )

    def _zero_point(self, zero_point: Any) -> Any:
        """Return the zero point as a code: for one scale, PyTorch rounds halves up here and to the even in forward."""
        xp = self.xp
        whole = zero_point + xp.float32(0.5) if self.axis is None else xp.rint(zero_point)
        return xp.trunc(xp.clip(whole, xp.float32(self.quant_min), xp.float32(self.quant_max)))

    def _summed(self, gradient: Any, like: Any) -> Any:
        xp = self.xp
        dims = None if self.axis is None else tuple(dim for dim in range(gradient.ndim) if dim != self.axis)
        return xp.sum(gradient, axis=dims, dtype=xp.float64).astype(xp.float32).reshape(like.shape)


def _fake_quantize_learnable_per_tensor_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int, grad_factor: float = 1.0
) -> Tensor:
    """Return ``input`` on a grid whose scale and zero point have gradients.

    Args:
        input: float32, of any shape.
        scale: float32 ``[1]``.
        zero_point: float32 ``[1]``, rounded to a code of the range.
        quant_min: lowest code, not above 0.
        quant_max: highest code, not below 0.
        grad_factor: what the gradients of scale and zero point are multiplied by.

    Raises:
        RuntimeError: other types or shapes, or a range without 0.

    Example:
        >>> import trainctl
        >>> step, zero = trainctl.tensor([0.5], requires_grad=True), trainctl.zeros(1)
        >>> y = _fake_quantize_learnable_per_tensor_affine(trainctl.tensor([0.6, 9.0]), step, zero, 0, 7)
        >>> y.sum().backward()
        >>> y.detach(), step.grad
        (tensor([0.5000, 3.5000]), tensor([6.8000]))
    """
    _check(input, scale, zero_point, quant_min, quant_max)
    for what, each in (("scale", scale), ("zero_point", zero_point)):
        if each._array.shape != (1,):
            raise RuntimeError(f"expected one {what}, of shape [1], got {list(each.shape)}")
    return _learned(input, scale, zero_point, None, quant_min, quant_max, grad_factor)


def _fake_quantize_learnable_per_channel_affine(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: int,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> Tensor:
    """Return ``input`` on grids, one for each channel, whose scales and zero points have gradients.

    Args:
        input: float32, ``C`` along ``axis``.
        scale: float32 ``[C]``.
        zero_point: float32 ``[C]``, rounded to codes of the range.
        axis: the channels' dim.
        quant_min: lowest code, not above 0.
        quant_max: highest code, not below 0.
        grad_factor: what the gradients of scale and zero point are multiplied by.

    Raises:
        RuntimeError: other types or shapes, or a range without 0.
        IndexError: no such dim.

    Example:
        >>> import trainctl
        >>> x, steps = trainctl.tensor([[0.3, 0.3]]), trainctl.tensor([0.25, 1.0])
        >>> _fake_quantize_learnable_per_channel_affine(x, steps, trainctl.zeros(2), 1, -8, 7)
        tensor([[0.2500, 0.0000]])
    """
    check_channels(input, scale, zero_point, axis)
    _check(input, scale, zero_point, quant_min, quant_max)
    return _learned(input, scale, zero_point, axis, quant_min, quant_max, grad_factor)


def _learned(
    x: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None, quant_min: int, quant_max: int, grad_factor: float
) -> Tensor:
    return LearnedFakeQuantize.apply(
        x, scale, zero_point, quant_min=quant_min, quant_max=quant_max, axis=axis, grad_factor=float(grad_factor)
    )


def _check(input: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int) -> None:
    for what, each in (("input", input), ("scale", scale), ("zero_point", zero_point)):
        check_tensor("_fake_quantize_learnable", each, what)
    refuse("buic", "_fake_quantize_learnable", input)
    for what, each in (("input", input), ("scale", scale), ("zero_point", zero_point)):
        if each.dtype is not dtypes.float32:
            raise RuntimeError(f"what is learned with a grid is float32; got {each.dtype.name} as {what}")
    if quant_min > quant_max or not quant_min <= 0 <= quant_max:
        raise RuntimeError(
            "`quant_min` should be less than or equal to `quant_max`, and the quantization range should include 0; "
            f"got [{quant_min}, {quant_max}]"
        )
