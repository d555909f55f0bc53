"""Convolutions, as products over windows (im2col)."""

from __future__ import annotations

import itertools
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj
from trainctl.autograd.ops.shape import reshape, squeeze, unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "conv1d conv2d conv3d"
FUNCTIONAL = "conv1d conv2d conv3d"

Sizes = tuple[int, ...]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return the number of places of a window along a dimension.

    Example:
        >>> output_size(28, 3, 1, 1, 1), output_size(28, 3, 2, 0, 1)
        (28, 13)
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def windows(xp: Any, x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Return every window of ``x`` as a view: ``[N, C, *places, *kernel]``."""
    n = len(kernel)
    spatial = x.shape[2:]
    places = tuple(output_size(spatial[i], kernel[i], stride[i], 0, dilation[i]) for i in range(n))
    steps = x.strides[2:]
    strides = (
        *x.strides[:2],
        *(steps[i] * stride[i] for i in range(n)),
        *(steps[i] * dilation[i] for i in range(n)),
    )
    return xp.lib.stride_tricks.as_strided(x, (*x.shape[:2], *places, *kernel), strides)


def pad_spatial(xp: Any, x: Any, padding: Sizes) -> Any:
    """Return ``x`` ([N, C, ...]) with zeros around its spatial dims."""
    if not any(padding):
        return x
    padded = xp.zeros((*x.shape[:2], *(size + 2 * p for size, p in zip(x.shape[2:], padding, strict=True))), x.dtype)
    padded[(slice(None), slice(None), *(slice(p, p + s) for p, s in zip(padding, x.shape[2:], strict=True)))] = x
    return padded


def _grouped(array: Any, groups: int, dim: int) -> Any:
    """Split a dim of channels into ``[groups, channels / groups]``."""
    shape = array.shape
    return array.reshape((*shape[:dim], groups, shape[dim] // groups, *shape[dim + 1 :]))


def extract_patches(op: Any, x: Any, kernel: Sizes) -> Any:
    """Return the windows' elements as rows, for an op's options: ``[N, *places, groups, C/groups * kernel]``."""
    view = windows(op.xp, pad_spatial(op.xp, x, op.padding), kernel, op.stride, op.dilation)
    view = _grouped(view, op.groups, 1)  # [N, G, C/G, *places, *kernel]
    n = len(kernel)
    rows = view.transpose((0, *range(3, 3 + n), 1, 2, *range(3 + n, 3 + 2 * n)))
    return rows.reshape(*rows.shape[: n + 2], -1)


class Convolution(Op):
    """``[N, C, *spatial], [O, C / groups, *kernel] -> [N, O, *places]``."""

    saves = (0, 1)
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int

    def forward(self, x: Any, weight: Any, out: Any = None) -> Any:
        patches = extract_patches(self, x, weight.shape[2:])  # [N, places, G, C/G * kernel]
        kernels = weight.reshape(self.groups, weight.shape[0] // self.groups, -1)
        batch, places = patches.shape[0], patches.shape[1:-2]
        rows = self.xp.moveaxis(patches.reshape(-1, *patches.shape[-2:]), 1, 0)  # [G, N * places, C/G * kernel]
        product = self.xp.matmul(rows, self.xp.swapaxes(kernels, 1, 2))  # [G, N * places, O/G]
        y = self.xp.moveaxis(product, 0, 1).reshape(batch, *places, weight.shape[0])
        y = self.xp.ascontiguousarray(self.xp.moveaxis(y, -1, 1))
        if out is None:
            return y
        self.xp.copyto(out, y)
        return out

    def backward(self, gy: Tensor) -> Any:
        x, weight = self.saved
        before, kernel = x._array.shape, weight._array.shape
        gx = ConvolutionInputGradient.apply(gy, conj(weight), **self.params, shape=before) if self.needs(0) else None
        gw = ConvolutionWeightGradient.apply(conj(x), gy, **self.params, kernel=kernel) if self.needs(1) else None
        return gx, gw


class ConvolutionInputGradient(Op):
    """The gradient of the input: also the transposed convolution."""

    saves = (0, 1)
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int
    shape: Sizes

    def forward(self, gy: Any, weight: Any, out: Any = None) -> Any:
        xp, groups = self.xp, self.groups
        batch, places = gy.shape[0], gy.shape[2:]
        kernel = weight.shape[2:]
        rows = xp.moveaxis(_grouped(gy, groups, 1), 2, -1)  # [N, G, *places, O/G]
        rows = xp.moveaxis(rows, 1, 0).reshape(groups, -1, weight.shape[0] // groups)
        patches = xp.matmul(
            rows, weight.reshape(groups, weight.shape[0] // groups, -1)
        )  # [G, N * places, C/G * kernel]
        patches = patches.reshape(groups, batch, *places, -1, *kernel)
        padded = tuple(size + 2 * p for size, p in zip(self.shape[2:], self.padding, strict=True))
        gx = xp.zeros((batch, *self.shape[1:2], *padded), gy.dtype)
        n = len(kernel)
        for at in itertools.product(*map(range, kernel)):
            part = patches[(..., *at)]  # [G, N, *places, C/G]
            part = xp.moveaxis(part, (1, n + 2), (0, 2)).reshape(batch, -1, *places)
            gx[(slice(None), slice(None), *self.spots(at, places))] += part
        inner = tuple(slice(p, p + size) for p, size in zip(self.padding, self.shape[2:], strict=True))
        gx = xp.ascontiguousarray(gx[(slice(None), slice(None), *inner)])
        if out is None:
            return gx
        xp.copyto(out, gx)
        return out

    def spots(self, at: Sizes, places: Sizes) -> tuple[slice, ...]:
        """Return where, in the padded input, the kernel's element ``at`` falls."""
        return tuple(
            slice(a * d, a * d + (count - 1) * s + 1, s) if count else slice(0, 0)
            for a, d, s, count in zip(at, self.dilation, self.stride, places, strict=True)
        )

    def backward(self, ggx: Tensor) -> Any:
        gy, weight = self.saved
        params = {key: value for key, value in self.params.items() if key != "shape"}
        ggy = Convolution.apply(ggx, conj(weight), **params) if self.needs(0) else None
        kernel = weight._array.shape
        return ggy, ConvolutionWeightGradient.apply(ggx, conj(gy), **params, kernel=kernel) if self.needs(1) else None


class ConvolutionWeightGradient(Op):
    saves = (0, 1)
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int
    kernel: Sizes

    def forward(self, x: Any, gy: Any, out: Any = None) -> Any:
        xp, groups = self.xp, self.groups
        patches = extract_patches(self, x, self.kernel[2:])
        n = len(self.kernel) - 2
        places = gy.shape[2:]
        trim = tuple(slice(0, count) for count in places)  # stride may leave places that gy does not have
        patches = patches[(slice(None), *trim)]
        patches = xp.moveaxis(patches.reshape(-1, *patches.shape[-2:]), 1, 0)  # [G, N * places, C/G * kernel]
        rows = xp.moveaxis(_grouped(gy, groups, 1), (1, 2), (0, 1)).reshape(groups, self.kernel[0] // groups, -1)
        gw = xp.matmul(rows, patches).reshape(self.kernel)
        assert gw.ndim == n + 2
        if out is None:
            return gw
        xp.copyto(out, gw)
        return out

    def backward(self, ggw: Tensor) -> Any:
        x, gy = self.saved
        params = {key: value for key, value in self.params.items() if key != "kernel"}
        gx = ConvolutionInputGradient.apply(conj(gy), ggw, **params, shape=x._array.shape) if self.needs(0) else None
        return gx, Convolution.apply(conj(x), ggw, **params) if self.needs(1) else None


def as_sizes(value: Any, n: int, name: str) -> Sizes:
    """Return one size for each spatial dim, from an int or a sequence.

    Raises:
        RuntimeError: a sequence of another length.

    Example:
        >>> as_sizes(2, 3, "stride")
        (2, 2, 2)
    """
    if isinstance(value, int):
        return (value,) * n
    sizes = tuple(int(each) for each in value)
    if len(sizes) == 1:
        return sizes * n
    if len(sizes) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, "
            f"but got {name}={list(sizes)}"
        )
    return sizes


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
    _check_operands(input, weight, bias, groups, n)
    batched = input._array.ndim == n + 2
    x = input if batched else unsqueeze(input, 0)
    stride, dilation = as_sizes(stride, n, "stride"), as_sizes(dilation, n, "dilation")
    kernel = weight._array.shape[2:]
    x, pads = _explicit_padding(x, padding, kernel, stride, dilation, n)
    _check_window(x._array.shape[2:], kernel, stride, pads, dilation)
    y = Convolution.apply(x, weight, stride=stride, padding=pads, dilation=dilation, groups=groups)
    if bias is not None:
        y = add(y, reshape(bias, (-1,) + (1,) * n))
    return y if batched else squeeze(y, 0)


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


def _check_operands(input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, n: int) -> None:
    """Raise RuntimeError, with the shapes, if the tensors of a convolution do not fit each other."""
    x, w = list(input.shape), list(weight.shape)
    if len(x) not in (n + 1, n + 2) or len(w) != n + 2:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d and a {n + 2}D weight, "
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
    channels = x[-n - 1]
    if channels != w[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {w}, expected input{x} to have {w[1] * groups} channels, "
            f"but got {channels} channels instead"
        )
    if bias is not None and list(bias.shape) != w[:1]:
        raise RuntimeError(
            f"Given weight of size {w}, expected bias to be 1-dimensional with {w[0]} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )


def _check_window(spatial: Sizes, kernel: Sizes, stride: Sizes, pads: Sizes, dilation: Sizes) -> None:
    """Raise RuntimeError if an option is out of range or the kernel is larger than the padded input."""
    for name, sizes, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", pads, 0)):
        if any(each < least for each in sizes):
            raise RuntimeError(f"{'negative' if not least else 'non-positive'} {name} is not supported: {list(sizes)}")
    if any(each <= 0 for each in kernel):
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")
    padded = [size + 2 * p for size, p in zip(spatial, pads, strict=True)]
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
