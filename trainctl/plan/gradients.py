"""Gradients that a plan leaves in ``leaf.grad``: its own memory, written over by the next replay."""

from __future__ import annotations

import sys

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array


class GradientSlot:
    """One leaf's gradient.

    Whoever keeps ``leaf.grad`` beyond the step keeps its values: the tensor is given a copy of its own before the
    next replay. Who keeps the array itself (``grad.numpy()``) cannot be given another: the plan must go.

    Args:
        leaf: whose gradient it is.
        array: the plan's memory for it.
    """

    def __init__(self, leaf: Tensor, array: Array) -> None:
        self.leaf, self.array = leaf, array
        self.memory = array if array.base is None else array.base
        self.tensor: Tensor | None = None
        self._own_references = (0, 0)

    def settle(self) -> None:
        """Count who refers to the memory now that the plan is complete: more than these are a user's."""
        self._own_references = self._references()

    def give(self) -> None:
        """Let the leaf have the gradient."""
        tensor = self.tensor
        if tensor is None:
            tensor = self.tensor = Tensor._wrap(self.array)
        self.leaf._grad = tensor

    def is_free(self) -> bool:
        """Make sure that nobody else keeps what is about to be written over; return False where that cannot be."""
        tensor = self.tensor
        if tensor is None:
            return True
        if self._references() != (self._own_references[0] + 1, self._own_references[1]):  # one more: the tensor's
            return False
        if sys.getrefcount(tensor) > (4 if self.leaf._grad is tensor else 3):  # here, the slot, the leaf, the call
            tensor._array = self.array.copy()
            self.tensor = None
        return True

    def _references(self) -> tuple[int, int]:
        return sys.getrefcount(self.array), sys.getrefcount(self.memory)
