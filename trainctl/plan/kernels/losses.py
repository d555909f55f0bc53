"""The loss over classes: log-softmax, the entry of each row's class, and both gradients, a few rows at a time.

Exponentials are a polynomial and sums are in another order than NumPy's: results differ from eager mode's by rounding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.loss import NLLLoss, NLLLossGradient
from trainctl.autograd.ops.softmax import LogSoftmax, LogSoftmaxGradient
from trainctl.backend import jit
from trainctl.plan.kernels.functions import exp
from trainctl.plan.lowering import Context, Run, checked, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_BLOCK = 1 << 14  # elements worked on at a time: they stay in the cache
_MATRIX, _VECTOR, _CLASSES = "f4[:,::1]", "f4[::1]", "i8[::1]"


@jit.kernel(f"void({_MATRIX}, {_MATRIX})")
def log_softmax_rows(x: Any, y: Any) -> None:
    """Leave each element less the logarithm of the sum of its row's exponentials."""
    for row in range(x.shape[0]):
        seen, out = x[row], y[row]
        top = seen[0]
        for i in range(seen.size):
            top = seen[i] if seen[i] > top or seen[i] != seen[i] else top
        for i in range(seen.size):
            out[i] = exp(seen[i] - top)
        total = numpy.float32(0)
        for i in range(seen.size):
            total += out[i]
        logarithm = numpy.log(total)
        for i in range(seen.size):
            out[i] = seen[i] - top - logarithm


@jit.kernel(f"void({_MATRIX}, {_MATRIX}, {_MATRIX})")
def log_softmax_gradient_rows(gy: Any, y: Any, gx: Any) -> None:
    """Leave ``gy`` less each one's share, the exponential of ``y``, of the sum of its row of ``gy``."""
    for row in range(gy.shape[0]):
        given, seen, left = gy[row], y[row], gx[row]
        total = numpy.float32(0)
        for i in range(given.size):
            total += given[i]
        for i in range(given.size):
            left[i] = given[i] - exp(seen[i]) * total


@jit.kernel(f"i8({_MATRIX}, {_CLASSES}, i8, b1, {_VECTOR})", exact=True)
def choose(x: Any, target: Any, ignored: int, is_mean: bool, loss: Any) -> int:
    """Leave minus the sum, or the mean, of each row's entry at its class; return -1 if a class does not exist."""
    count, total = 0, 0.0
    for row in range(target.size):
        chosen = target[row]
        if chosen == ignored:
            continue
        if chosen < 0 or chosen >= x.shape[1]:
            return -1
        total -= x[row, chosen]
        count += 1
    loss[0] = total / count if is_mean else total
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
    return _over_rows(log_softmax_rows, record, [*arrays, *outs], context)


@lowers(LogSoftmaxGradient)
def log_softmax_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows."""
    return _over_rows(log_softmax_gradient_rows, record, [*arrays, *outs], context)


def _over_rows(loop: jit.Kernel, record: Apply, arrays: list[Any], context: Context) -> list[Run] | None:
    if not context.compiled or record.params["dim"] not in (1, -1) or not _are_matrices(*arrays):
        return None
    blocks = cut(len(arrays[0]), max(1, _BLOCK // arrays[0].shape[1]))
    return [context.in_parts([partial(loop, *(each[some] for each in arrays)) for some in blocks])]


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
    options = record.params["ignore_index"], record.params["reduction"] == "mean"
    forward = partial(record.node().forward, *arrays)  # raises the error that names the class
    return [checked(forward, choose, x, target, *options, out.reshape(1))]


@lowers(NLLLossGradient)
def nll_loss_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The gradient of each row's entry."""
    (gy, target, weight), (out,) = arrays, outs
    if not context.compiled or not _is_plain(record, target, weight, out, gy):
        return None
    options = record.params["ignore_index"], record.params["reduction"] == "mean"
    forward = partial(record.node().forward, *arrays)  # raises the error that names the class
    return [checked(forward, spread, gy.reshape(1), target, *options, out)]
