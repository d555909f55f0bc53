"""A dim made longer or shorter: each output is a weighted sum of a few inputs along it.

Which inputs, and how much of each, is a small table made once on the host for each pair of sizes.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import NUMPY


class Table:
    """What each output along a dim is made of.

    Args:
        index: which input, ``[terms, outputs]``.
        weight: how much of it, likewise; None: all of it.
        size: number of inputs.
    """

    def __init__(self, index: Any, weight: Any, size: int) -> None:
        self.index, self.weight, self.size = index, weight, size

    @cached_property
    def transposed(self) -> Table:
        """For each input the outputs that it is in, with the same weights: the gradient's table."""
        host, outputs = NUMPY, self.index.shape[1]
        source, target = self.index.ravel(), host.broadcast_to(host.arange(outputs), self.index.shape).ravel()
        weight = host.ones(self.index.size) if self.weight is None else self.weight.ravel()
        kept = host.nonzero(weight)[0]
        kept = kept[host.argsort(source[kept], kind="stable")]
        source, target, weight = source[kept], target[kept], weight[kept]
        first = host.searchsorted(source, host.arange(self.size))
        rank = host.arange(len(source)) - first[source]
        terms = max(rank, default=-1) + 1
        near = target[host.minimum(first, len(target) - 1)] if len(target) else host.zeros(self.size, int)
        index = host.broadcast_to(near, (terms, self.size)).copy()  # a term that is not there: nothing of a near one
        weights = host.zeros((terms, self.size))
        index[rank, source], weights[rank, source] = target, weight
        return Table(index, weights, outputs)


class Resample(Op):
    """One dim (counted from the end) by a table."""

    dim: int
    table: Table

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, y = self.xp, None
        for term, index in enumerate(self.table.index):
            part = xp.take(x, xp.from_host(index), axis=self.dim)
            if self.table.weight is not None:
                weight = xp.from_host(self.table.weight[term].astype(x.dtype))
                part *= weight.reshape(-1, *(1,) * (-self.dim - 1))
            if y is None:
                y = part
            else:
                y += part
        if y is None:  # the gradient of an output without elements
            y = xp.zeros((*x.shape[: self.dim], self.table.index.shape[1], *x.shape[x.ndim + self.dim + 1 :]), x.dtype)
        return y if out is None else xp.copyto(out, y) or out

    def backward(self, gy: Tensor) -> Any:
        return Resample.apply(gy, dim=self.dim, table=self.table.transposed)
