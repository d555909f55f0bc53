"""Pooling over windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from trainctl.autograd.ops.arithmetic import div
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.pooling_along import ChooseAlong, MaxAlong, SumAlong
from trainctl.autograd.ops.quantization import is_quantized, on_its_grid
from trainctl.autograd.ops.windows import Sizes, as_sizes, widened
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "avg_pool1d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices"
FUNCTIONAL = (
    "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d "
    "max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices"
)


def pooled_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Return the number of places of a pooling window along a dim; with ``ceil_mode`` the last may reach beyond.

    Example:
        >>> pooled_size(6, 3, 2, 0, 1, False), pooled_size(6, 3, 2, 0, 1, True)
        (2, 3)
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    places = -(-room // stride) + 1 if ceil_mode else room // stride + 1
    return places - 1 if ceil_mode and (places - 1) * stride >= size + padding else places


def _options(
    op: str, input: Tensor, n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[dict[str, int]]:
    """Return the options of :class:`Along` for each spatial dim, the last one first.

    Raises:
        RuntimeError: an option out of range, a wrong number of dims, an output without places.
        TypeError: an argument of the wrong type.
    """
    _check_image(op, input, n)
    shape, kernel = input._array.shape, as_sizes(kernel_size, n, "kernel_size")
    stride = kernel if stride is None or stride == () else as_sizes(stride, n, "stride")
    padding, dilation = as_sizes(padding, n, "padding"), as_sizes(dilation, n, "dilation")
    _check_window(op, kernel, stride, padding, dilation)
    places = [pooled_size(*each, ceil_mode) for each in zip(shape[-n:], kernel, stride, padding, dilation, strict=True)]
    if min(places) < 1:
        raise RuntimeError(
            f"{op}: Given input size: {list(shape)}. Calculated output size: {places}. Output size is too small"
        )
    names = ("kernel", "stride", "padding", "dilation", "places")
    rows = list(zip(kernel, stride, padding, dilation, places, strict=True))
    return [{"dim": -1 - i, **dict(zip(names, row, strict=True))} for i, row in enumerate(reversed(rows))]


def _check_image(op: str, input: Tensor, n: int) -> None:
    check_tensor(op, input, "input")
    refuse("bc", op, input)
    shape = input._array.shape
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(
            f"{op}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got: {list(shape)}"
        )


def _check_window(op: str, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    for name, sizes in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(sizes) < 1:
            raise RuntimeError(f"{op}: {name} must be greater than zero, got {list(sizes)}")
    if min(padding) < 0:
        raise RuntimeError(f"{op}: padding must be non-negative, got {list(padding)}")
    if any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(
            f"{op}: pad should be at most half of kernel size, but got pad={list(padding)}, kernel_size={list(kernel)}"
        )


def _max_pool(
    n: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    options = _options(f"max_pool{n}d", input, n, kernel_size, stride, padding, dilation, ceil_mode)
    chooses = return_indices or (state.grad and input.requires_grad)
    indices = plane_indices(input, n) if return_indices else None
    for along in options:
        found = MaxAlong.apply(input, **along, chooses=chooses)
        input, choice = found if chooses else (found, None)
        if indices is not None:
            indices = ChooseAlong.apply(indices, choice, **along)
    return (input, indices) if return_indices else input


def plane_indices(x: Tensor, n: int) -> Tensor:
    """Return the number of each element within its ``n`` last dims, int64, in the shape of ``x``."""
    spatial = x._array.shape[-n:]
    numbers = x._xp.arange(math.prod(spatial), dtype=dtypes.int64.array_dtype)
    return expand(Tensor._constant(numbers.reshape(spatial)), x._array.shape)


def _avg_pool(
    n: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    options = _options(f"avg_pool{n}d", input, n, kernel_size, stride, padding, 1, ceil_mode)
    if is_quantized(input):
        given = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        return on_its_grid(lambda x: _avg_pool(n, x, *given), input)
    if input._array.dtype.kind in "ui" and input.dtype is not dtypes.int64:
        raise NotImplementedError(f'"avg_pool{n}d" not implemented for {input.dtype.name}')
    if divisor_override == 0:
        raise RuntimeError(f"avg_pool{n}d: divisor must be not zero")
    shape, y = input._array.shape, widened(input)
    if n == 3 and any(along["kernel"] > shape[along["dim"]] for along in options):
        raise RuntimeError(f"avg_pool3d: input image {list(shape[-3:])} is smaller than the kernel: {kernel_size}")
    for along in options:
        y = SumAlong.apply(y, **along)
    counts = [_counts(along, shape[along["dim"]], count_include_pad) for along in options]
    divisor = _divisor(y, counts) if divisor_override is None else divisor_override
    return cast(div(y, divisor, rounding_mode="trunc" if input._array.dtype.kind == "i" else None), input.dtype)


def _counts(along: dict[str, int], size: int, include_pad: bool) -> list[int]:
    """Return how many elements the window counts at each place of a dim."""
    pad = along["padding"]
    low, high = (-pad, size + pad) if include_pad else (0, size)
    starts = [place * along["stride"] - pad for place in range(along["places"])]
    return [min(start + along["kernel"], high) - max(start, low) for start in starts]


def _divisor(like: Tensor, counts: list[list[int]]) -> Any:
    """Return the product of the dims' counts (the last dim first): a number where they are the same everywhere."""
    if all(min(each) == max(each) for each in counts):
        return math.prod(each[0] for each in counts)
    divisor, xp = 1, like._xp
    for back, each in enumerate(counts):
        divisor = divisor * xp.asarray(each, like._array.dtype).reshape(-1, *(1,) * back)
    return Tensor._constant(divisor)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window: ``[N, C, L] -> [N, C, L']``; see :func:`max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window: ``[N, C, H, W] -> [N, C, H', W']``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        kernel_size: of the window, an int or one for each spatial dim.
        stride: its step, likewise; default: ``kernel_size``.
        padding: places of nothing on both sides, likewise; at most half of the window.
        dilation: step between the window's elements, likewise.
        ceil_mode: let the last window reach beyond the input.
        return_indices: also return where each maximum was, as its number within its image plane (int64).

    Raises:
        RuntimeError: shapes or options that do not fit.

    Example:
        >>> import trainctl
        >>> max_pool2d(trainctl.arange(16.0).reshape(1, 1, 4, 4), 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window: ``[N, C, D, H, W] -> [N, C, ...]``; see :func:`max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def with_indices(pool: Callable[..., Any], options: int) -> Callable[..., Any]:
    """Return a pooling function that gives the indices, too, whatever its last argument says.

    Args:
        pool: a function that does so if asked.
        options: how many arguments it has between ``input`` and the last one.
    """

    def run(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return pool(input, *args[:options], **{**kwargs, "return_indices": True})

    run.__name__ = run.__qualname__ = f"{pool.__name__}_with_indices"
    run.__doc__ = f"Return the result of :func:`{pool.__name__}` and the indices of the maxima."
    return run


max_pool1d_with_indices = with_indices(max_pool1d, options=5)
max_pool2d_with_indices = with_indices(max_pool2d, options=5)
max_pool3d_with_indices = with_indices(max_pool3d, options=5)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window: ``[N, C, L] -> [N, C, L']``; see :func:`avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window: ``[N, C, H, W] -> [N, C, H', W']``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        kernel_size: of the window, an int or one for each spatial dim.
        stride: its step, likewise; default: ``kernel_size``.
        padding: zeros on both sides, likewise; at most half of the window.
        ceil_mode: let the last window reach beyond the input.
        count_include_pad: the padding's zeros count as elements.
        divisor_override: divide by this instead of the number of elements.

    Raises:
        RuntimeError: shapes or options that do not fit.

    Example:
        >>> import trainctl
        >>> avg_pool2d(trainctl.arange(16.0).reshape(1, 1, 4, 4), 2)
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window: ``[N, C, D, H, W] -> [N, C, ...]``; see :func:`avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
