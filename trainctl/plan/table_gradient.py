"""Gradients of tables of which few rows were used: kept as the sums of those rows, dense for whoever looks."""

from __future__ import annotations

import sys
from typing import Any

import numpy

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array


class RowSums:
    """The rows of a table's gradient that are not 0.

    Args:
        rows: of the table.
        width: of a row.
        most: how many rows may be used at once.

    Attributes:
        place: for each row of the table which of the sums is its gradient, -1 where that is 0.
        sums: the gradients, in the order in which the rows were first used.
        used: the numbers of those rows.
        counts: how many there are, its only element.
    """

    def __init__(self, rows: int, width: int, most: int) -> None:
        self.place = numpy.full(rows, -1, numpy.int32)
        self.sums = numpy.empty((most, width), numpy.float32)
        self.used = numpy.empty(most, numpy.int64)
        self.counts = numpy.zeros(1, numpy.int64)

    @property
    def count(self) -> int:
        """How many rows were used."""
        return int(self.counts[0])

    def dense(self) -> Array:
        """Return the whole gradient, as a new array."""
        whole = numpy.zeros((self.place.size, self.sums.shape[1]), self.sums.dtype)
        whole[self.used[: self.count]] = self.sums[: self.count]
        return whole


class TableGradient(Tensor):
    """A gradient that has no array until somebody asks for it; it is an ordinary tensor from then on.

    Example:
        >>> rows = RowSums(3, 2, most=1)
        >>> rows.place[1], rows.sums[0], rows.used[0], rows.counts[0] = 0, 5, 1, 1
        >>> grad = TableGradient.of(rows)
        >>> grad.sum()
        tensor(10.)
        >>> type(grad).__name__
        'Tensor'
    """

    rows: RowSums

    @classmethod
    def of(cls, rows: RowSums) -> TableGradient:
        """Return the gradient that these rows are."""
        self = cls.__new__(cls)
        self.rows = rows
        return self

    def __getattr__(self, name: str) -> Any:
        if name != "_array":
            raise AttributeError(f"'Tensor' object has no attribute '{name}'", name=name, obj=self)
        self.settle()
        return self._array

    def settle(self) -> None:
        """Take the elements as they are now."""
        self._array = self.rows.dense()
        del self.rows
        self.__class__ = Tensor  # type: ignore[assignment]  # which is what it now is

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self.settle()
        return Tensor.__deepcopy__(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.settle()
        return Tensor.__reduce_ex__(self, protocol)


class TableSlot:
    """What :class:`trainctl.plan.gradients.GradientSlot` is, for a gradient of rows.

    Args:
        leaf: the table.
        rows: its gradient.
    """

    def __init__(self, leaf: Tensor, rows: RowSums) -> None:
        self.leaf, self.rows = leaf, rows
        self.tensor: TableGradient | None = None

    def settle(self) -> None:
        """Nobody else refers to the rows."""

    def give(self) -> None:
        """Let the leaf have the gradient."""
        if self.tensor is None:
            self.tensor = TableGradient.of(self.rows)
        self.leaf._grad = self.tensor

    def is_free(self) -> bool:
        """Make sure that who keeps the gradient keeps its elements."""
        tensor = self.tensor
        if tensor is None:
            return True
        if type(tensor) is not TableGradient:  # somebody looked: it has its own array
            self.tensor = None
        elif sys.getrefcount(tensor) > (4 if self.leaf._grad is tensor else 3):  # here, the slot, the leaf, the call
            tensor.settle()
            self.tensor = None
        return True
