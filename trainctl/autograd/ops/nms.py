"""Boxes that say the same thing as a better one, left out."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.indexing import getitem
from trainctl.autograd.ops.sorting import argsort
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "nms"

_BLOCK = 256  # boxes compared with all others at a time: memory for that many rows of overlaps


class Suppress(Op):
    """Whether each box, the best first, overlaps none of the better ones that stay by more than the threshold."""

    differentiable = False
    threshold: float

    def forward(self, boxes: Any, out: Any = None) -> Any:
        xp = self.xp
        stays = xp.ones(len(boxes), bool)
        for start in range(0, len(boxes), _BLOCK):
            own = slice(start, start + _BLOCK)
            over = overlaps(xp, boxes[own], boxes[start:]) > self.threshold
            count = len(over)
            stays[own] = _settled(xp, stays[own], xp.triu(over[:, :count], 1))
            stays[start + count :] &= ~xp.any(over[:, count:] & stays[own, None], axis=0)
        return stays


def _settled(xp: Any, stays: Any, over: Any) -> Any:
    """Return which boxes of a block stay, where ``over[i, j]`` says that i, the better one, leaves no room for j.

    Each round decides the next box of every chain for good, so that no round is needed for each box.
    """
    before, now = None, stays
    while before is None or not xp.array_equal(before, now):
        before, now = now, stays & ~xp.any(over & now[:, None], axis=0)
    return now


def overlaps(xp: Any, a: Any, b: Any) -> Any:
    """Return the area that boxes share over the area they cover together: ``[n, 4], [m, 4] -> [n, m]``."""
    low, high = xp.maximum(a[:, None, :2], b[:, :2]), xp.minimum(a[:, None, 2:], b[:, 2:])
    width, height = xp.moveaxis(xp.maximum(high - low, 0), -1, 0)
    shared = width * height
    together = _areas(a)[:, None] + _areas(b) - shared
    return xp.true_divide(shared, together).astype(xp.float64)


def _areas(boxes: Any) -> Any:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return the indices of the boxes that no better box overlaps too much, the best first (as ``torchvision.ops``).

    Args:
        boxes: ``[N, 4]``, corners ``x1, y1, x2, y2`` with ``x1 < x2`` and ``y1 < y2``; float32 or float64.
        scores: ``[N]``, of the dtype of ``boxes``.
        iou_threshold: a box goes if it overlaps a better one that stays by more: the area that two share over the
            area that they cover together.

    Raises:
        RuntimeError: other shapes, or two dtypes.
        NotImplementedError: another dtype.

    Example:
        >>> import trainctl
        >>> boxes = trainctl.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
        >>> nms(boxes, trainctl.tensor([0.8, 0.9, 0.3]), 0.5)
        tensor([1, 2])
    """
    _check_boxes(boxes, scores)
    order = argsort(scores.detach(), descending=True, stable=True)
    best_first = getitem(boxes.detach(), order)
    return getitem(order, Suppress.apply(best_first, threshold=float(iou_threshold)))


def _check_boxes(boxes: Tensor, scores: Tensor) -> None:
    check_tensor("nms", boxes, "boxes")
    check_tensor("nms", scores, "scores")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"nms: boxes should be of shape [N, 4], got {list(boxes.shape)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise RuntimeError(
            f"nms: scores should be of shape [N], as many as boxes, got {list(scores.shape)} for {list(boxes.shape)}"
        )
    if boxes.dtype is not scores.dtype:
        raise RuntimeError(
            f"nms: boxes should have the same type as scores, got {boxes.dtype.name} and {scores.dtype.name}"
        )
    if boxes.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f'"nms" not implemented for {boxes.dtype.name}')
