"""Batch norm and what stands beside it: a sum and a ReLU after it, their gradients before its own, running statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy

from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.arithmetic import Add, Mul
from trainctl.autograd.ops.assign import Overwrite
from trainctl.autograd.ops.broadcasting import SumTo
from trainctl.autograd.ops.reduction import Mean
from trainctl.autograd.ops.standardization import Standardize, StandardizeGradient
from trainctl.plan.fused_ops import Follow, NormGradient, StandardizeReLU
from trainctl.plan.kernels.table import Table
from trainctl.plan.memory import stand_in
from trainctl.plan.neighbours import Neighbours
from trainctl.plan.trace import Apply, Value, Write


def outputs_rectified(near: Neighbours) -> None:
    """A norm, perhaps a sum with something else, and a ReLU are one pass."""
    for relu in list(near.of(ReLU)):
        (y,), (out,) = relu.inputs, relu.outputs
        if not _alike(y, out) or near.only_reader(y) is not relu:
            continue
        added = near.maker(y, Add)
        norm, other = near.maker(y, Standardize), None
        if norm is None and added is not None and all(_alike(each, out) for each in added.inputs):
            norm, other = _one_standardized(near, added)
        if norm is None or not _is_by_channel(norm, out):
            continue
        members = [norm, relu] if other is None else [norm, added, relu]
        inputs = (*norm.inputs, other)
        if near.may_move([each for each in members if each is not None], inputs, relu):
            fused = Apply(StandardizeReLU, norm.params, inputs, (out,), norm.module)
            near.replace([each for each in members if each is not None], relu, fused)


def _one_standardized(near: Neighbours, added: Apply) -> tuple[Apply | None, Any]:
    """Return the norm among what is added that nobody else reads, and what is added to it."""
    for y, other in (added.inputs, added.inputs[::-1]):
        norm = near.maker(y, Standardize)
        if norm is not None and near.only_reader(y) is added:
            return norm, other
    return None, None


def gradients_rectified(near: Neighbours) -> None:
    """A ReLU's gradient, a sum before it, a norm's gradient and that of its bias are two passes over memory."""
    for norm in list(near.of(StandardizeGradient)):
        given = norm.inputs[0]
        if not isinstance(given, Value) or not _is_by_channel(norm, given) or not _alike(norm.inputs[1], given):
            continue
        sums = _sum_for_bias(near, norm)
        mask = near.maker(given, ReLUGradient)
        gy, y = (given, None) if mask is None else mask.inputs
        if mask is not None and not (_alike(gy, given) and _alike(y, given)):
            mask, gy, y = None, given, None
        added = None if mask is None else near.maker(gy, Add)
        if added is not None and (
            near.only_reader(gy) is not mask or not all(_alike(each, given) for each in added.inputs)
        ):
            added = None
        _fuse_gradient(near, norm, sums, mask, added)


def _fuse_gradient(near: Neighbours, norm: Apply, sums: Apply | None, mask: Apply | None, added: Apply | None) -> None:
    """Put one record in the place of those that are there of a norm's gradient and its neighbours."""
    given, rest = norm.inputs[0], norm.inputs[1:]
    gy, y = (given, None) if mask is None else mask.inputs
    gy, more = (gy, None) if added is None else added.inputs
    results = {"gx": norm.outputs[0]}
    if norm.inputs[4] is not None:
        results["gw"] = norm.outputs[1]
    elif near.readers(norm.outputs[1]) != []:
        return
    if sums is not None:
        results["gb"] = sums.outputs[0]
    members = [each for each in (added, mask, norm, sums) if each is not None]
    readers = near.readers(given)
    others = readers is None or any(each is not norm and each is not sums for each in readers)
    if mask is not None and (others or added is not None):
        results["given"] = given
    to, inputs = near.first([each for each in members if each is not added]), (gy, more, y, *rest)
    if near.may_move(members, inputs, to):
        shape = sums.params["shape"] if sums is not None else ()
        params = {**norm.params, "shape": shape, "gives": tuple(results)}
        near.replace(members, to, Apply(NormGradient, params, inputs, tuple(results.values()), norm.module))


def _sum_for_bias(near: Neighbours, norm: Apply) -> Apply | None:
    """Return a sum of a norm's output's gradient over the dims of the norm, to the shape of one that broadcasts."""
    given, dims = norm.inputs[0], norm.params["dims"]
    for each in near.readers(given) or []:
        if isinstance(each, Apply) and each.op is SumTo and near.is_there(each) and each.inputs[0] is given:
            shape = each.params["shape"]
            lead = len(given.shape) - len(shape)
            over = tuple(
                dim for dim, size in enumerate(given.shape) if dim < lead or (shape[dim - lead] == 1 and size != 1)
            )
            if over == tuple(dim for dim in dims if dim < lead or given.shape[dim] != 1):
                return each
    return None


def running_statistics(near: Neighbours) -> None:
    """``running * keep + statistic * share``, written over what was there, is one call."""
    for write in list(near.writes()):
        if write.op is not Overwrite or len(write.inputs) != 2:
            continue
        target, value = write.inputs
        added = near.maker(value.root, Add) if isinstance(value, Value) and value.shape == value.root.shape else None
        if added is None or not _is_small(target) or target.base is not None or near.readers(added.outputs[0]) is None:
            continue
        kept, shared = (near.maker(each, Mul) for each in added.inputs)
        members: list[Any] = [kept, shared, added, write]
        if kept is None or shared is None or kept.inputs[0] is not target or not _by_number(kept, shared):
            continue
        source, scale = shared.inputs[0], 1.0
        mean = near.maker(source, Mean)
        if mean is not None and _means_nothing(mean):
            source, members = mean.inputs[0].root, [mean, *members]
            scaled = near.maker(source, Mul)
            if scaled is not None and _by_number(scaled):
                source, scale, members = scaled.inputs[0], scaled.inputs[1], [scaled, *members]
        if (
            not _stay_inside(near, members)
            or not _is_small(source)
            or math.prod(source.shape) != math.prod(target.shape)
        ):
            continue
        if near.may_move(members, (target, source), write):
            params = {"keep": kept.inputs[1], "scale": scale, "share": shared.inputs[1]}
            near.replace(members, write, Write(Follow, params, (target, source), (), write.module))


def _by_number(*records: Apply) -> bool:
    """Return whether each multiplies by a number of Python's."""
    return all(isinstance(each.inputs[1], float) for each in records)


def _means_nothing(mean: Apply) -> bool:
    """Return whether a mean is over one element each, of an array seen as it lies."""
    seen = mean.inputs[0]
    return math.prod(seen.shape) == math.prod(mean.outputs[0].shape) == math.prod(seen.root.shape)


def _stay_inside(near: Neighbours, members: list[Apply]) -> bool:
    """Return whether what records make is read, itself or as a view, by one of the next of them alone."""
    for record in members[:-1]:
        readers = near.readers(record.outputs[0])
        if readers is None:
            return False
        seen = [each for each in readers if not (isinstance(each, Apply) and each.is_view)]
        if len(seen) != 1 or not any(seen[0] is each for each in members):
            return False
    return True


def _is_small(value: Any) -> bool:
    return isinstance(value, Value) and value.dtype == numpy.float32 and 0 < math.prod(value.shape) <= 1 << 14


def _alike(value: Any, like: Value) -> bool:
    """Return whether a value is of float32 numbers that lie in memory as others do."""
    if not isinstance(value, Value) or value.dtype != numpy.float32 or value.shape != like.shape:
        return False
    return value.strides == like.strides


def _is_by_channel(norm: Apply, value: Value) -> bool:
    """Return whether a norm's statistics are over what comes first in memory, as those of a batch are of images."""
    x, _, var = norm.inputs[:3] if norm.op is Standardize else norm.inputs[1:4]
    if not _alike(x, value) or not _is_small(var):
        return False
    lead = len(value.shape) - len(var.shape)
    dims = norm.params["dims"] or tuple(d for d in range(len(value.shape)) if d < lead or var.shape[d - lead] == 1)
    table = Table(stand_in(value), dims)
    return table.fits and table.over_rows
