"""What keeps the outputs of several layers from being put together, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainctl.build.words import shape_words

if TYPE_CHECKING:
    from trainctl.autograd import Tensor


def residual_mistake(taken: Tensor, output: Tensor, kept: Tensor) -> tuple[str, str] | None:
    """What to say where the two ways of a ``Residual`` have different shapes.

    Args:
        taken: its input.
        output: what its layers give.
        kept: what its shortcut gives.
    """
    if output.shape == kept.shape:
        return None
    made, other = shape_words(output.shape[1:]), shape_words(kept.shape[1:])
    if kept is taken:
        message = f": Residual: its layers make {made} of {other}, and the two are to be added"
        return message, f"write `shortcut: [{_shortcut(list(taken.shape), list(output.shape))}]`"
    return f": Residual: its layers make {made}, its shortcut {other}", "both have to make the same shape"


def _shortcut(before: list[int], after: list[int]) -> str:
    """A layer that makes one shape of another, the cheapest there is."""
    if len(after) == 2 or (len(after) == len(before) and after[1:-1] == before[1:-1] and len(after) == 3):
        flatten = "Flatten, " if len(before) > 2 and len(after) == 2 else ""
        return f"{flatten}{{Linear: {{out_features: {after[-1]}}}}}"
    if len(before) != len(after) or not 3 <= len(after) <= 5:
        return "..."
    rank, strides = len(after) - 2, [-(-old // new) for old, new in zip(before[2:], after[2:], strict=True)]
    if [-(-old // stride) for old, stride in zip(before[2:], strides, strict=True)] != after[2:]:
        return "..."
    stride = strides[0] if len(set(strides)) == 1 else strides
    stepping = "" if stride == 1 else f", stride: {stride}"
    return f"{{Conv{rank}d: {{out_channels: {after[1]}, kernel_size: 1{stepping}}}}}"


def merge_mistake(batches: Sequence[Tensor], merge: str, dim: int) -> tuple[str, str | None] | None:
    """What to say where several outputs cannot be merged."""
    shapes = [list(each.shape) for each in batches]
    listed = ", ".join(shape_words(shape[1:]) for shape in shapes)
    if merge != "cat":
        if all(shape == shapes[0] for shape in shapes):
            return None
        return f"merge: {merge} takes equal shapes, got {listed}", "write `merge: cat`, or make the shapes equal"
    rank = len(shapes[0])
    if dim in (0, -rank) or not -rank <= dim < rank:
        return f"merge: cat along dim {dim} of {listed}", f"write a dim from 1 to {rank - 1}; 0 is the batch"
    others = [[size for axis, size in enumerate(shape) if axis != dim % rank] for shape in shapes]
    if all(len(shape) == rank for shape in shapes) and all(each == others[0] for each in others):
        return None
    return f"merge: cat takes shapes that are equal but for dim {dim}, got {listed}", None
