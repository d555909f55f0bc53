"""Gradients that a plan leaves in ``leaf.grad``: its own memory, written over by the next replay."""

from __future__ import annotations

import sys

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array
from trainctl.plan.trace import Value

LARGE = 1 << 20  # bytes from which memory of an eager gradient is worth taking over, though it may lie less well


def taken_over(leaf: Tensor, value: Value) -> Array | None:
    """Return the memory of the gradient that a leaf has from the recorded step; None where somebody else may use it.

    A plan that made memory of its own would hold a large model's gradients twice until its first replay.
    """
    grad = leaf._grad
    if type(grad) is not Tensor or sys.getrefcount(grad) > 3 or grad._array.nbytes < LARGE:  # the leaf, here, the call
        return None
    array = grad._array
    is_alike = (array.shape, array.dtype, array.strides) == (value.shape, value.dtype, value.strides)
    is_own = array.base is None and sys.getrefcount(array) <= 3  # the tensor, here, the call
    return array if is_alike and is_own else None


class GradientSlot:
    """One leaf's gradient.

    Whoever keeps ``leaf.grad`` beyond the step keeps its values: the tensor is given a copy of its own before the
    next replay. Who keeps the array itself (``grad.numpy()``) cannot be given another: the plan must go.

    Args:
        leaf: whose gradient it is.
        array: the plan's memory for it, or that of the gradient that it has (:func:`taken_over`).
    """

    def __init__(self, leaf: Tensor, array: Array) -> None:
        self.leaf, self.array = leaf, array
        self.memory = array if array.base is None else array.base
        held = leaf._grad
        self.tensor: Tensor | None = held if held is not None and held._array is array else None
        self._own_references = (0, 0)

    def settle(self) -> None:
        """Count who refers to the memory now that the plan is complete: more than these are a user's."""
        array, memory = self._references()
        self._own_references = (array - (self.tensor is not None), memory)

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
