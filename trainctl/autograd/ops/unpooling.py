"""Undoing max pooling: each maximum back at its place, zeros elsewhere."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.indexing import along, gather, outlier
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.windows import Sizes, as_sizes
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "max_unpool1d max_unpool2d max_unpool3d"


class PutLast(Op):
    """Zeros along the last dim, with each element written at its index."""

    saves = (1,)
    size: int

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:
        y = self.xp.zeros((*x.shape[:-1], self.size), x.dtype)
        y[along(self.xp, index, x.ndim - 1)] = x
        return y if out is None else self.xp.copyto(out, y) or out

    def backward(self, gy: Tensor) -> Any:
        (index,) = self.saved
        return gather(gy, -1, index)


def _unpool(
    n: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    op = f"max_unpool{n}d"
    check_tensor(op, input, "input")
    check_tensor(op, indices, "indices")
    kernel, padding = as_sizes(kernel_size, n, "kernel_size"), as_sizes(padding, n, "padding")
    stride = kernel if stride is None else as_sizes(stride, n, "stride")
    shape = input._array.shape
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"Input to {op} should be a {n + 1}d or {n + 2}d Tensor, but got {list(shape)}")
    spatial = _output_size(shape[-n:], kernel, stride, padding, output_size)
    _check(op, input, indices, stride)
    count, flat = math.prod(spatial), (*shape[:-n], math.prod(shape[-n:]))
    bad = outlier(indices._array, count)
    if bad is not None:
        raise RuntimeError(
            f"{op}: found an invalid max index {bad} outside [0, {count}), the output's planes are {list(spatial)}"
        )
    y = PutLast.apply(reshape(input, flat), reshape(indices, flat), size=count)
    return reshape(y, (*shape[:-n], *spatial))


def _check(op: str, input: Tensor, indices: Tensor, stride: Sizes) -> None:
    refuse("bui", op, input)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype.name}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices tensor "
            f"with shape: {list(indices.shape)}"
        )
    if min(stride) < 1:
        raise RuntimeError(f"{op}: strides should be greater than zero, but got stride: {list(stride)}")
    if 0 in input.shape[1:]:
        raise RuntimeError(
            f"{op}: Expected input to have non-zero size for non-batch dimensions, but got {list(input.shape)}"
        )


def _output_size(spatial: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, given: Any) -> Sizes:
    """Return the size of the image that was pooled; where several would give ``spatial``, ``given`` says which.

    Raises:
        ValueError: ``given`` has another number of dims, or could not have given ``spatial``.
    """
    sizes = tuple((size - 1) * s + k - 2 * p for size, k, s, p in zip(spatial, kernel, stride, padding, strict=True))
    if given is None:
        return sizes
    n = len(spatial)
    wanted = tuple(given)[2:] if len(given) == n + 2 else tuple(given)
    if len(wanted) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(given)}'"
        )
    for dim, (want, size, s) in enumerate(zip(wanted, sizes, stride, strict=True)):
        if not size - s < want < size + s:
            raise ValueError(f'invalid output_size "{wanted}" (dim {dim} must be between {size - s} and {size + s})')
    return wanted


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Undo ``max_pool1d``: ``[N, C, L] -> [N, C, L']``; see :func:`max_unpool2d`."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Undo ``max_pool2d``: ``[N, C, H, W] -> [N, C, H', W']``, zeros where there was no maximum.

    Args:
        input: the maxima.
        indices: where they were, as ``max_pool2d(..., return_indices=True)`` gives them.
        kernel_size: as given to ``max_pool2d``; likewise the next two.
        stride: default: ``kernel_size``.
        padding: of the pooling.
        output_size: the size before the pooling, where several lead to ``[H, W]``; with or without ``N`` and ``C``.

    Raises:
        RuntimeError: indices of another shape or dtype, or outside the image.
        ValueError: an ``output_size`` that does not fit.

    Example:
        >>> import trainctl
        >>> from trainctl.nn.functional import max_pool2d
        >>> y, where = max_pool2d(trainctl.arange(4.0).reshape(1, 1, 2, 2), 2, return_indices=True)
        >>> max_unpool2d(y, where, 2)
        tensor([[[[0., 0.],
                  [0., 3.]]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Undo ``max_pool3d``: ``[N, C, D, H, W] -> [N, C, ...]``; see :func:`max_unpool2d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
