"""Sums of products over named dims, by one matrix product: behind ``einsum`` and ``tensordot``."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence

from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import permute, reshape, squeeze
from trainctl.autograd.tensor import Tensor

Labels = Sequence[Hashable]


def contract(x: Tensor, xs: Labels, y: Tensor, ys: Labels, kept: Collection[Hashable]) -> tuple[Tensor, list[Hashable]]:
    """Multiply two tensors whose dims have labels, and sum over every label that is not kept.

    Dims of one label are the same dim; of size 1 in one of the tensors it broadcasts.

    Returns:
        The product and its labels: those in both tensors, then those in the first alone, then in the second.

    Example:
        >>> import trainctl
        >>> product, labels = contract(trainctl.ones(2, 3), "ij", trainctl.ones(3, 4), "jk", kept="ik")
        >>> product.shape, labels
        (trainctl.Size([2, 4]), ['i', 'k'])
    """
    x, xs, y, ys = *_without_ones(x, xs, y, ys), *_without_ones(y, ys, x, xs)
    x, xs = summed(x, xs, {*ys, *kept})
    y, ys = summed(y, ys, {*xs, *kept})
    batch = [each for each in xs if each in ys and each in kept]
    summed_over = [each for each in xs if each in ys and each not in kept]
    left, right = [each for each in xs if each not in ys], [each for each in ys if each not in xs]
    sizes = dict(zip([*xs, *ys], [*x._array.shape, *y._array.shape], strict=True))

    def count(labels: Labels) -> int:
        return math.prod(sizes[each] for each in labels)

    rows = [count(batch)] if batch else []
    x = reshape(arranged(x, xs, [*batch, *left, *summed_over]), (*rows, count(left), count(summed_over)))
    y = reshape(arranged(y, ys, [*batch, *summed_over, *right]), (*rows, count(summed_over), count(right)))
    product = matmul(x, y) if summed_over else mul(x, y)
    labels: list[Hashable] = [*batch, *left, *right]
    return reshape(product, tuple(sizes[each] for each in labels)), labels


def _without_ones(x: Tensor, xs: Labels, y: Tensor, ys: Labels) -> tuple[Tensor, Labels]:
    """Return ``x`` without the dims of size 1 that broadcast against larger dims of ``y``."""
    larger = {each for each, size in zip(ys, y._array.shape, strict=True) if size != 1}
    dims = [i for i, each in enumerate(xs) if x._array.shape[i] == 1 and each in larger]
    if not dims:
        return x, xs
    return squeeze(x, tuple(dims)), [each for i, each in enumerate(xs) if i not in dims]


def summed(x: Tensor, xs: Labels, kept: Collection[Hashable]) -> tuple[Tensor, Labels]:
    """Return a tensor summed over the dims whose labels are not kept, and the labels that remain."""
    dims = [i for i, each in enumerate(xs) if each not in kept]
    return (sum(x, dims), [each for each in xs if each in kept]) if dims else (x, xs)


def arranged(x: Tensor, xs: Labels, order: Labels) -> Tensor:
    """Return a tensor with its dims in the order of these labels."""
    dims = [list(xs).index(each) for each in order]
    return x if dims == sorted(dims) else permute(x, dims)
