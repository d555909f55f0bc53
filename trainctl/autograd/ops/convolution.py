"""Convolutions: the functions, and what they refuse."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.convolution_products import Convolution
from trainctl.autograd.ops.shape import squeeze, unsqueeze
from trainctl.autograd.ops.windows import Sizes, as_sizes, widened
from trainctl.autograd.tensor import Tensor

FUNCTIONS = FUNCTIONAL = "conv1d conv2d conv3d"


def _convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    n: int,
) -> Tensor:
    check_operands(f"conv{n}d", input, weight, bias, groups, n)
    check_channels(input, weight, bias, groups, n)
    stride, dilation = as_sizes(stride, n, "stride"), as_sizes(dilation, n, "dilation")
    kernel = weight._array.shape[2:]
    x = input if input._array.ndim == n + 2 else unsqueeze(input, 0)
    x, pads = _explicit_padding(x, padding, kernel, stride, dilation, n)
    check_window(kernel, stride, pads, dilation)
    _check_room(x._array.shape, kernel, pads, dilation)
    operands = [widened(each) for each in (x, weight, bias) if each is not None]
    y = Convolution.apply(*operands, stride=stride, padding=pads, dilation=dilation, groups=groups)
    y = cast(y, input.dtype)
    return y if x._array.ndim == input._array.ndim else squeeze(y, 0)


def _explicit_padding(x: Tensor, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, n: int) -> Any:
    """Return the input (padded where the two sides differ) and the padding of each spatial dim.

    Raises:
        RuntimeError: an unknown name, or ``same`` with a stride.
    """
    if not isinstance(padding, str):
        return x, as_sizes(padding, n, "padding")
    if padding == "valid":
        return x, (0,) * n
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'; expected 'valid', 'same', an int or a tuple of ints")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(each % 2 for each in total):
        from trainctl.autograd.ops.padding import constant_pad_nd

        one_side = [side for each in reversed(total) for side in (0, each % 2)]
        x = constant_pad_nd(x, one_side, 0.0)
    return x, tuple(each // 2 for each in total)


def check_operands(op: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, n: int) -> None:
    """Raise an error, with the shapes, if the operands of a convolution are of the wrong kind.

    Raises:
        RuntimeError: a number of dims, dtype or ``groups`` that does not fit.
        TypeError: an operand is no tensor.
    """
    for name, each in (("input", input), ("weight", weight), ("bias", bias)):
        if each is not None or name != "bias":
            check_tensor(op, each, name)
    refuse("b", op, input)
    x, w = list(input.shape), list(weight.shape)
    if len(x) not in (n + 1, n + 2) or len(w) != n + 2:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {op} and a {n + 2}D weight, "
            f"but got input of size: {x} and weight of size: {w}"
        )
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each._array.dtype != input._array.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype.name}) and {name} type ({each.dtype.name}) should be the same"
            )
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got groups={groups}")
    if w[0] < groups or w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} and divisible by {groups} at dimension 0, "
            f"but got weight of size {w} instead"
        )
    if 0 in x[-n:]:
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {x}")


def check_channels(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, n: int, transposed: bool = False
) -> None:
    """Raise RuntimeError, with the shapes, if input and bias do not have the channels that the weight wants."""
    w, channels = list(weight.shape), input._array.shape[-n - 1]
    wanted, outputs = (w[0], w[1] * groups) if transposed else (w[1] * groups, w[0])
    given = f"transposed={transposed}" if transposed else f"groups={groups}"
    if channels != wanted:
        raise RuntimeError(
            f"Given {given}, weight of size {w}, expected input{list(input.shape)} to have {wanted} channels, "
            f"but got {channels} channels instead"
        )
    if bias is not None and list(bias.shape) != [outputs]:
        raise RuntimeError(
            f"Given {given}, weight of size {w}, expected bias to be 1-dimensional with {outputs} elements, but got bias "
            f"of size {list(bias.shape)} instead"
        )


def check_window(kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    """Raise RuntimeError if an option of a convolution is out of range."""
    for name, sizes, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", padding, 0)):
        if any(each < least for each in sizes):
            raise RuntimeError(f"{'non-positive' if least else 'negative'} {name} is not supported: {list(sizes)}")
    if any(each <= 0 for each in kernel):
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")


def _check_room(shape: Sizes, kernel: Sizes, padding: Sizes, dilation: Sizes) -> None:
    """Raise RuntimeError if the kernel is larger than the padded input."""
    padded = [size + 2 * p for size, p in zip(shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(have < need for have, need in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). "
            f"Kernel size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the 1-d convolution: ``[N, C, L], [O, C / groups, k] -> [N, O, L']``; see :func:`conv2d`."""
    return _convolve(input, weight, bias, stride, padding, dilation, groups, 1)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the 2-d convolution: ``[N, C, H, W], [O, C / groups, kh, kw] -> [N, O, H', W']``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        weight: the kernels.
        bias: ``[O]``.
        stride: step of the window, an int or one for each spatial dim.
        padding: zeros on both sides, likewise; or ``"valid"`` (none) or ``"same"`` (the output has the input's size).
        dilation: step between a kernel's elements, likewise.
        groups: channels are split into this many groups that do not mix.

    Raises:
        RuntimeError: shapes, dtypes or options that do not fit.
        TypeError: an operand is no tensor, an option no integer.

    Example:
        >>> import trainctl
        >>> conv2d(trainctl.ones(1, 1, 4, 4), trainctl.ones(2, 1, 3, 3)).shape
        trainctl.Size([1, 2, 2, 2])
    """
    return _convolve(input, weight, bias, stride, padding, dilation, groups, 2)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the 3-d convolution: ``[N, C, D, H, W], [O, C / groups, kd, kh, kw] -> [N, O, ...]``; see :func:`conv2d`."""
    return _convolve(input, weight, bias, stride, padding, dilation, groups, 3)
