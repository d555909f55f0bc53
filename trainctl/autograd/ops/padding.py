"""Padding with a constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import checked
from trainctl.autograd.ops.shape import narrow
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "constant_pad_nd"


class ConstantPad(Op):
    """``sides``: (before, after) for each dim, none negative."""

    sides: tuple[tuple[int, int], ...]
    value: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        if out is None:
            shape = tuple(size + a + b for size, (a, b) in zip(x.shape, self.sides, strict=True))
            out = self.xp.empty(shape, x.dtype)
        out[...] = self.value
        out[tuple(slice(a, a + size) for size, (a, _) in zip(x.shape, self.sides, strict=True))] = x
        return out

    def backward(self, gy: Tensor) -> Any:
        return constant_pad_nd(gy, [-each for pair in reversed(self.sides) for each in pair])


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """Return the tensor with ``value`` around it.

    Args:
        input: any shape.
        pad: (before, after) for the last dim, then for the one before it, ...; negative: cut off.
        value: what to fill with.

    Raises:
        RuntimeError: an odd number of sides, more than the dims have, a cut larger than the dim, or a value that
            ``input`` cannot hold.

    Example:
        >>> import trainctl
        >>> constant_pad_nd(trainctl.ones(2), (1, 0))
        tensor([0., 1., 1.])
    """
    ndim = input._array.ndim
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is {len(pad)} "
            f"while the input has {ndim} dimensions."
        )
    value = checked(value, input._array.dtype)
    sides = [(0, 0)] * ndim
    for number in range(len(pad) // 2):
        sides[ndim - 1 - number] = (int(pad[2 * number]), int(pad[2 * number + 1]))
    for dim, (before, after) in enumerate(sides):
        cut = (max(-before, 0), max(-after, 0))
        if any(cut):
            size = input._array.shape[dim]
            if sum(cut) > size or size + before + after < 0:
                raise RuntimeError(
                    f"The input size {size}, plus negative padding {before} and {after}, resulted in a negative output size"
                )
            input = narrow(input, dim, cut[0], size - sum(cut))
    kept = tuple((max(before, 0), max(after, 0)) for before, after in sides)
    if not any(side for pair in kept for side in pair):
        return input.clone()
    return ConstantPad.apply(input, sides=kept, value=value)
