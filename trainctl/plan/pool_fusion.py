"""Max pooling of images: both dims, and a ReLU before, in one pass; their gradients in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.pooling_along import MaxAlong, ReturnAlong
from trainctl.plan.fused_ops import MaxOver, ReturnFrom
from trainctl.plan.kernels import tile
from trainctl.plan.layout import CHANNELS_LAST
from trainctl.plan.memory import memory_order
from trainctl.plan.neighbours import Neighbours
from trainctl.plan.trace import Apply, Value

_MOST = 4  # rows and columns of a window: its vectors are to stay in registers


@dataclass
class _Pool:
    """What belongs to the pooling of images: along rows, along columns, and back."""

    along: Apply
    down: Apply
    up: Apply | None = None
    back: Apply | None = None


def pooled(near: Neighbours) -> None:
    """Put one record in the place of those of each pooling, and one in that of its gradient's."""
    for down in list(near.of(MaxAlong)):
        along = near.maker(down.inputs[0], MaxAlong)
        if along is None or not _fits(along, -1) or not _fits(down, -2):
            continue
        if not _is_image(along.inputs[0]) or near.only_reader(along.outputs[0]) is not down:
            continue
        pool = _with_gradient(near, along, down)
        if pool is not None:
            _fuse(near, pool)


def _fits(record: Apply, dim: int) -> bool:
    """Return whether windows are along a dim and beside each other."""
    options = record.params
    plain = options["padding"] == 0 and options["dilation"] == 1 and options["kernel"] == options["stride"] <= _MOST
    return plain and options["dim"] == dim


def _is_image(value: Any) -> bool:
    """Return whether a value is of float32 images that lie channels last, whose channels fill vectors."""
    if not isinstance(value, Value) or value.dtype != numpy.float32 or len(value.shape) != 4:
        return False
    fills = value.shape[1] % tile.lanes() == 0 and 0 not in value.shape
    return fills and tuple(memory_order(value.shape, value.strides)) == CHANNELS_LAST and value.base is None


def _with_gradient(near: Neighbours, along: Apply, down: Apply) -> _Pool | None:
    """Return a pooling with its gradient, None where somebody else reads what would no longer be there."""
    pool = _Pool(along, down)
    if not down.params["chooses"]:
        return pool if not along.params["chooses"] or near.readers(along.outputs[1]) == [] else None
    readers = near.readers(down.outputs[1])
    if readers == [] and near.readers(along.outputs[1]) == []:
        return pool
    up, back = near.only_reader(down.outputs[1]), near.only_reader(along.outputs[1])
    if not (isinstance(up, Apply) and isinstance(back, Apply) and up.op is back.op is ReturnAlong):
        return None
    if (
        not _fits(up, -2)
        or not _fits(back, -1)
        or up.inputs[1] is not down.outputs[1]
        or not _is_image(back.outputs[0])
    ):
        return None
    if back.inputs[0] is not up.outputs[0] or near.only_reader(up.outputs[0]) is not back:
        return None
    pool.up, pool.back = up, back
    return pool


def _fuse(near: Neighbours, pool: _Pool) -> None:
    along, down, up, back = pool.along, pool.down, pool.up, pool.back
    relu, mask = _rectifier(near, pool)
    image = along.inputs[0] if relu is None else relu.inputs[0]
    chooses = up is not None
    kernel, places = (tuple(each.params[name] for each in (down, along)) for name in ("kernel", "places"))
    members = [each for each in (relu, along, down) if each is not None]
    backward = [each for each in (up, back, mask) if each is not None]
    last = mask or back
    if not near.may_move(members, (image,), down):
        return
    if up is not None and last is not None:
        y = None if relu is None else down.outputs[0]
        inputs = (up.inputs[0], down.outputs[1], y)
        if not near.may_move(backward, inputs, last):
            return
        size = (up.params["size"], last.outputs[0].shape[3])
        record = Apply(ReturnFrom, {"kernel": kernel, "size": size}, inputs, (last.outputs[0],), last.module)
        near.replace(backward, last, record)
    params = {"kernel": kernel, "places": places, "rectifies": relu is not None, "chooses": chooses}
    near.replace(members, down, Apply(MaxOver, params, (image,), down.outputs[: 1 + chooses], down.module))


def _rectifier(near: Neighbours, pool: _Pool) -> tuple[Apply | None, Apply | None]:
    """Return the ReLU before a pooling and its gradient after the pooling's, where nobody else reads their outcome."""
    relu = near.maker(pool.along.inputs[0], ReLU)
    readers = [] if relu is None else near.readers(relu.outputs[0])
    if relu is None or readers is None or not _is_image(relu.inputs[0]):
        return None, None
    others = [each for each in readers if each is not pool.along]
    if pool.back is None:
        return (relu, None) if not others else (None, None)
    mask = near.only_reader(pool.back.outputs[0])
    if len(others) != 1 or others[0] is not mask or not isinstance(mask, Apply) or mask.op is not ReLUGradient:
        return None, None
    if (
        mask.inputs[0] is not pool.back.outputs[0]
        or mask.inputs[1] is not relu.outputs[0]
        or not _is_image(mask.outputs[0])
    ):
        return None, None
    return relu, mask
