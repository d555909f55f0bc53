"""The loss over classes: log-softmax, the entry of each row's class, and both gradients, a few rows at a time.

The bits are those of the ops' own forward: exponentials, logarithms and sums of rows are NumPy's. (A sum of gradients
that are not 0 in more than one place of a row is in order here, so that it differs from NumPy's by rounding.)
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.loss import NLLLoss, NLLLossGradient
from trainctl.autograd.ops.softmax import LogSoftmax, LogSoftmaxGradient
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, Workspace, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_BLOCK = 1 << 14  # elements worked on at a time: they stay in the cache
_MATRIX, _VECTOR, _CLASSES = "f4[:,::1]", "f4[::1]", "i8[::1]"


@jit.kernel(f"void({_MATRIX}, {_MATRIX})", exact=True)
def below_largest(x: Any, y: Any) -> None:
    """Leave in ``y`` what each element is above the largest of its row: 0 or less, or NaN."""
    for row in range(x.shape[0]):
        seen, below = x[row], y[row]
        largest = seen[0]
        for i in range(seen.size):
            largest = seen[i] if seen[i] > largest or seen[i] != seen[i] else largest
        for i in range(seen.size):
            below[i] = seen[i] - largest


@jit.kernel(f"void({_MATRIX}, {_MATRIX})", exact=True)
def without_share(gy: Any, gx: Any) -> None:
    """From probabilities in ``gx`` make ``gy`` less each one's share of the sum of its row of ``gy``."""
    for row in range(gy.shape[0]):
        given, left = gy[row], gx[row]
        total = numpy.float32(0)
        for i in range(given.size):
            total += given[i]
        for i in range(given.size):
            left[i] = given[i] - left[i] * total


@jit.kernel(f"i8({_MATRIX}, {_CLASSES}, i8, {_VECTOR})", exact=True)
def choose(x: Any, target: Any, ignored: int, losses: Any) -> int:
    """Leave minus each row's entry at its class; return how many rows count, -1 if a class does not exist."""
    count = 0
    for row in range(target.size):
        chosen = target[row]
        if chosen == ignored:
            losses[row] = 0
            continue
        if chosen < 0 or chosen >= x.shape[1]:
            return -1
        losses[row] = -x[row, chosen]
        count += 1
    return count


@jit.kernel(f"i8({_VECTOR}, {_CLASSES}, i8, b1, {_MATRIX})", exact=True)
def spread(gy: Any, target: Any, ignored: int, is_mean: bool, gx: Any) -> int:
    """Leave zeros with minus the gradient at each row's class; return as :func:`choose` does."""
    count = 0
    for row in range(target.size):
        chosen = target[row]
        if chosen != ignored:
            if chosen < 0 or chosen >= gx.shape[1]:
                return -1
            count += 1
    scale = -(gy[0] / numpy.float32(count)) if is_mean else -gy[0]
    for row in range(target.size):
        part = gx[row]
        for i in range(part.size):
            part[i] = 0
        if target[row] != ignored:
            part[target[row]] = scale
    return count


def _are_matrices(*arrays: Any) -> bool:
    """Return whether all are float32 matrices without gaps, and not empty."""
    return plain_float(*arrays) and all(each.ndim == 2 and each.flags.c_contiguous and each.size for each in arrays)


@lowers(LogSoftmax)
def log_softmax(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows."""
    (x,), (out,) = arrays, outs
    if not context.compiled or record.params["dim"] not in (1, -1) or not _are_matrices(x, out):
        return None
    rows = max(1, _BLOCK // x.shape[1])
    workspace = Workspace(lambda: (numpy.empty((rows, x.shape[1]), x.dtype), numpy.empty((rows, 1), x.dtype)))
    return [context.in_parts([partial(_log_softmax, x[some], out[some], workspace) for some in cut(len(x), rows)])]


def _log_softmax(x: Array, y: Array, workspace: Workspace) -> None:
    scratch = workspace.take()
    exponentials, sums = (each[: len(x)] for each in scratch)
    below_largest.compiled(x, y)
    numpy.exp(y, out=exponentials)
    numpy.add.reduce(exponentials, 1, out=sums, keepdims=True)
    numpy.log(sums, out=sums)
    numpy.subtract(y, sums, out=y)
    workspace.give_back(scratch)


@lowers(LogSoftmaxGradient)
def log_softmax_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows."""
    (gy, y), (out,) = arrays, outs
    if not context.compiled or record.params["dim"] not in (1, -1) or not _are_matrices(gy, y, out):
        return None
    blocks = cut(len(gy), max(1, _BLOCK // gy.shape[1]))
    return [context.in_parts([partial(_log_softmax_gradient, gy[some], y[some], out[some]) for some in blocks])]


def _log_softmax_gradient(gy: Array, y: Array, out: Array) -> None:
    numpy.exp(y, out=out)
    without_share.compiled(gy, out)


def _is_plain(record: Apply, target: Any, weight: Any, matrix: Any, reduced: Any) -> bool:
    """Return whether a loss is of int64 classes that weigh the same, and reduced."""
    if weight is not None or record.params["reduction"] == "none":
        return False
    is_classes = target.dtype == numpy.int64 and target.ndim == 1 and target.flags.c_contiguous
    return is_classes and _are_matrices(matrix) and plain_float(reduced) and reduced.size == 1


@lowers(NLLLoss)
def nll_loss(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Each row's entry, and their sum or mean."""
    (x, target, weight), (out,) = arrays, outs
    if not context.compiled or not _is_plain(record, target, weight, x, out):
        return None
    losses = numpy.empty(len(target), x.dtype)
    call = partial(choose.compiled, x, target, record.params["ignore_index"], losses)
    forward = partial(record.node().forward, *arrays)
    is_mean = record.params["reduction"] == "mean"

    def run() -> None:
        count = call()
        if count < 0:
            forward()  # raises the error that names the class
        numpy.add.reduce(losses, 0, None, out)
        if is_mean:
            numpy.divide(out, numpy.float32(count), out=out)

    return [run]


@lowers(NLLLossGradient)
def nll_loss_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The gradient of each row's entry."""
    (gy, target, weight), (out,) = arrays, outs
    if not context.compiled or not _is_plain(record, target, weight, out, gy):
        return None
    options = record.params["ignore_index"], record.params["reduction"] == "mean"
    call, forward = (
        partial(spread.compiled, gy.reshape(1), target, *options, out),
        partial(record.node().forward, *arrays),
    )

    def run() -> None:
        if call() < 0:
            forward()  # raises the error that names the class

    return [run]
