"""Numbers rounded to a grid of integers but kept as floats, so that training feels what quantizing will do.

``y = (clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale``, with the bits that PyTorch
gives: ``x`` is multiplied by the float32 reciprocal of the scale. The gradient passes straight through the rounding and
is 0 outside the range.
"""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "fake_quantize_per_tensor_affine fake_quantize_per_channel_affine"

_WHOLE = 1 << 24  # float32 holds every whole number up to here
_INT64 = 2.0**63


class FakeQuantize(Op):
    """``x, scale, zero_point`` -> the numbers on the grid, and which of ``x`` lie inside its range.

    Args:
        quant_min: lowest code.
        quant_max: highest code.
        axis: the dim that scale and zero point are along; None: one of each for all elements.
    """

    saves_output = (1,)
    materializes_gradients = False
    quant_min: int
    quant_max: int
    axis: int | None

    def forward(self, x: Any, scale: Any, zero_point: Any) -> Any:
        """Return the numbers and a mask."""
        xp, low, high = self.xp, self.quant_min, self.quant_max
        scale, zero_point = _along(xp, x, self.axis, scale, zero_point)
        codes = on_grid(xp, x, scale, zero_point)
        least, most = codes.dtype.type(low), codes.dtype.type(high)
        inside = codes >= least
        inside &= codes <= (most if self.axis is None or int(most) <= high else xp.nextafter(most, least))
        if self.axis is not None:  # PyTorch's codes are int64 there: what is none becomes the lowest
            xp.copyto(codes, -xp.inf, where=codes >= _INT64)
        codes = xp.fmin(xp.fmax(codes, least), most)  # NaN becomes the lowest
        kind = _result_type(xp, x, zero_point, self.axis, high - low)
        y = (codes.astype(kind, copy=False) - zero_point.astype(kind)) * scale.astype(kind)
        if x.dtype == xp.float16:
            y = y.astype(xp.float32, copy=False)
        return y.astype(x.dtype, copy=False), inside

    def backward(self, gy: Tensor | None, _: Any) -> Any:
        """Return the gradient where the input was inside the range."""
        (inside,) = self.saved
        return None if gy is None else Masked.apply(gy, inside), None, None


class Masked(Op):
    """``gy`` where the mask is True, else 0."""

    saves = (1,)

    def forward(self, gy: Any, inside: Any, out: Any = None) -> Any:
        """Return the product."""
        return self.xp.multiply(gy, inside, out=out)

    def backward(self, ggx: Tensor) -> Any:
        """Return the gradient of ``gy``."""
        (inside,) = self.saved
        return Masked.apply(ggx, inside), None


def on_grid(xp: Any, x: Any, scale: Any, zero_point: Any) -> Any:
    """Return ``round(x / scale) + zero_point``, not yet clamped: float64 for a float64 ``x``, else float32.

    A zero point that is no whole number is added before the rounding, and with it the sum is rounded once.
    """
    wide = xp.float64 if x.dtype == xp.float64 else xp.float32
    inverse = (xp.float32(1) / scale).astype(wide)
    if zero_point.dtype.kind == "f":
        return xp.rint((x.astype(xp.float64) * inverse + zero_point).astype(wide))
    codes = xp.rint(x.astype(wide, copy=False) * inverse)
    return codes + zero_point.astype(wide)


def _along(xp: Any, x: Any, axis: int | None, scale: Any, zero_point: Any) -> tuple[Any, Any]:
    """Return scale (float32) and zero point so that they broadcast over ``x``."""
    shape: Any = ()
    if axis is not None:
        shape = [1] * x.ndim
        shape[axis] = -1
    scale = xp.asarray(scale, xp.float32).reshape(shape)
    return scale, xp.asarray(zero_point).reshape(shape)


def _result_type(xp: Any, x: Any, zero_point: Any, axis: int | None, span: int) -> Any:
    """Return the type in which codes become numbers: PyTorch's, or float32 where that gives the same bits."""
    if axis is None:
        return xp.float32
    return xp.float32 if x.dtype != xp.float64 and zero_point.dtype.kind != "f" and span < _WHOLE else xp.float64


def fake_quantize_per_tensor_affine(
    input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int
) -> Tensor:
    """Return the numbers of a grid that are nearest to ``input``.

    Args:
        input: floating-point elements, of any shape. NaN becomes the lowest of the grid.
        scale: distance of two neighbours: a number, or a tensor of one.
        zero_point: the code of 0, likewise.
        quant_min: lowest code.
        quant_max: highest code.

    Raises:
        RuntimeError: an empty range, a zero point (a number) outside it, a scale or zero point of several elements or
            one that requires a gradient.
        NotImplementedError: ``input`` is not floating point.
        TypeError: one of scale and zero point is a tensor, or they are neither numbers nor tensors.

    Example:
        >>> import trainctl
        >>> fake_quantize_per_tensor_affine(trainctl.tensor([-9.0, 0.1, 0.4]), 0.25, 2, 0, 7)
        tensor([-0.5000,  0.0000,  0.5000])
    """
    name = "fake_quantize_per_tensor_affine"
    _check_input(name, input, quant_min, quant_max)
    if isinstance(scale, Tensor) and isinstance(zero_point, Tensor):
        for what, each in (("scale", scale), ("zero_point", zero_point)):
            _check_constant(name, what, each)
            if each._array.size != 1:
                raise RuntimeError(f"a Tensor with {each._array.size} elements cannot be converted to Scalar ({what})")
    else:
        _check_numbers(name, scale, zero_point)
        if not quant_min <= zero_point <= quant_max:
            raise _outside(zero_point, quant_min, quant_max)
    return fake_quantized(input, scale, zero_point, None, quant_min, quant_max)


def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """Return the numbers nearest to ``input`` of grids that each channel has for itself.

    Args:
        input: floating-point elements, ``C`` along ``axis``.
        scale: float32 ``[C]``.
        zero_point: ``[C]``, int32, or float32 or float16 where it is no code.
        axis: the channels' dim.
        quant_min: lowest code.
        quant_max: highest code.

    Raises:
        RuntimeError: types or shapes that do not fit, an empty range, or a zero point outside it.
        IndexError: no such dim.
        NotImplementedError: ``input`` is not floating point.
        TypeError: scale or zero point is no tensor.

    Example:
        >>> import trainctl
        >>> x, zero = trainctl.tensor([[0.3, 0.3]]), trainctl.zeros(2, dtype=trainctl.int32)
        >>> fake_quantize_per_channel_affine(x, trainctl.tensor([0.25, 1.0]), zero, 1, -8, 7)
        tensor([[0.2500, 0.0000]])
    """
    name = "fake_quantize_per_channel_affine"
    for what, each in (("scale", scale), ("zero_point", zero_point)):
        check_tensor(name, each, what)
        _check_constant(name, what, each)
    if scale.dtype not in (dtypes.float32, dtypes.bfloat16):
        raise RuntimeError(f"Scale must be Float or BFloat16, found {scale.dtype.name}")
    if zero_point.dtype not in (dtypes.int32, dtypes.float32, dtypes.float16):
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {zero_point.dtype.name}")
    check_channels(input, scale, zero_point, axis)
    _check_input(name, input, quant_min, quant_max)
    check_codes(zero_point, quant_min, quant_max)
    return fake_quantized(input, scale, zero_point, axis, quant_min, quant_max)


def fake_quantized(x: Tensor, scale: Any, zero_point: Any, axis: int | None, quant_min: int, quant_max: int) -> Tensor:
    """Return :class:`FakeQuantize`'s numbers for arguments that have been checked."""
    return FakeQuantize.apply(x, scale, zero_point, quant_min=quant_min, quant_max=quant_max, axis=axis)[0]


def _check_input(name: str, input: Any, quant_min: int, quant_max: int) -> None:
    check_tensor(name, input, "input")
    refuse("buic", name, input)
    if quant_min > quant_max:
        raise RuntimeError(
            f"`quant_min` should be less than or equal to `quant_max`, got the range [{quant_min}, {quant_max}]"
        )


def _check_numbers(name: str, scale: Any, zero_point: Any) -> None:
    if not isinstance(scale, (int, float)) or not isinstance(zero_point, int):
        raise TypeError(
            f"{name}(): scale and zero_point must be two numbers, the second one whole, or two tensors; got "
            f"{type(scale).__name__} and {type(zero_point).__name__}"
        )


def _check_constant(name: str, what: str, each: Tensor) -> None:
    if each.requires_grad:
        raise RuntimeError(
            f"The function '{name}' is not differentiable with respect to argument '{what}'. This input cannot have "
            f"requires_grad True; _fake_quantize_learnable_{name.removeprefix('fake_quantize_')} is for those that learn."
        )


def check_channels(input: Tensor, scale: Tensor, zero_point: Tensor, axis: int) -> None:
    """Raise RuntimeError if scale and zero point do not hold one number a channel each."""
    check_tensor("fake_quantize", input, "input")
    shape = input._array.shape
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"Dimension out of range (expected a dim of an input of shape {list(shape)}, but got {axis})")
    if axis < 0:
        raise RuntimeError(f"`axis` must be between 0 and number of dimensions of input, got {axis}")
    for what, each in (("scale", scale), ("zero point", zero_point)):
        if each._array.ndim != 1:
            raise RuntimeError(f"{what} should be a 1-D tensor, got shape {list(each.shape)}")
    if scale._array.size != zero_point._array.size:
        raise RuntimeError(
            "scale and zero-point need to have the same dimensions, "
            f"got {scale._array.size} and {zero_point._array.size} elements"
        )
    if scale._array.size != shape[axis]:
        raise RuntimeError(
            "dimensions of scale and zero-point are not consistent with input tensor: "
            f"got {scale._array.size} for {shape[axis]} channels along dim {axis} of shape {list(shape)}"
        )


def check_codes(zero_point: Tensor, quant_min: int, quant_max: int) -> None:
    """Raise RuntimeError if a zero point that is a code lies outside the range."""
    zeros = zero_point._array
    if (
        zero_point._xp.on_host
        and zeros.dtype.kind == "i"
        and zeros.size
        and not quant_min <= zeros.min() <= zeros.max() <= quant_max
    ):
        raise _outside(zeros.tolist(), quant_min, quant_max)


def _outside(zero_point: Any, quant_min: int, quant_max: int) -> RuntimeError:
    return RuntimeError(
        f"`zero_point` must be between `quant_min` and `quant_max`, got {zero_point} for the range "
        f"[{quant_min}, {quant_max}]"
    )
