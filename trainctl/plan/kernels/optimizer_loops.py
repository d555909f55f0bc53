"""What an optimizer does to the elements of a parameter, as loops and as NumPy calls on blocks: with the same bits.

The numbers of a step (learning rate and so on) come in one float32 array, in the order in which each loop unpacks them.
A parameter that is a table may have a gradient of few rows: ``place`` says for each row which row of ``sums`` it is,
-1 where its gradient is 0. The optimizer's state is for every row all the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array

_ARRAY = "f4[::1]"
_TABLE = "f4[:,::1]"


@jit.kernel(f"void({_ARRAY}, {_ARRAY}, {_ARRAY})", exact=True)
def descend(w: Any, g: Any, numbers: Any) -> None:
    """Gradient descent: ``w -= lr * g``."""
    lr, sign, decay = numbers[0], numbers[1], numbers[2]
    for i in range(w.size):
        step = g[i] * sign
        if decay != 0:
            step = step + w[i] * decay
        w[i] = w[i] - step * lr


def descend_blocks(w: Array, g: Array, numbers: Array, scratch: Array, spare: Array) -> None:
    """Do what :func:`descend` does."""
    lr, sign, decay = numbers[:3]
    step = _descent(w, g, sign, decay, scratch, spare)
    numpy.multiply(step, lr, out=scratch)
    numpy.subtract(w, scratch, out=w)


@jit.kernel(f"void({_TABLE}, {_TABLE}, i4[::1], {_ARRAY})", exact=True)
def descend_rows(w: Any, sums: Any, place: Any, numbers: Any) -> None:
    """Do what :func:`descend` does with a gradient of few rows."""
    lr, sign, decay = numbers[0], numbers[1], numbers[2]
    for row in range(w.shape[0]):
        one = w[row]
        if place[row] >= 0:
            given = sums[place[row]]
            for i in range(one.size):
                step = given[i] * sign
                if decay != 0:
                    step = step + one[i] * decay
                one[i] = one[i] - step * lr
        elif decay != 0:
            for i in range(one.size):
                one[i] = one[i] - one[i] * decay * lr


@jit.kernel(f"void({_ARRAY}, {_ARRAY}, {_ARRAY}, {_ARRAY})", exact=True)
def accelerate(w: Any, g: Any, velocity: Any, numbers: Any) -> None:
    """Gradient descent with momentum."""
    lr, sign, decay, momentum, share, ahead = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    for i in range(w.size):
        step = g[i] * sign
        if decay != 0:
            step = step + w[i] * decay
        moved = velocity[i] * momentum + step * share
        velocity[i] = moved
        if ahead != 0:
            moved = step + moved * momentum
        w[i] = w[i] - moved * lr


def accelerate_blocks(w: Array, g: Array, velocity: Array, numbers: Array, scratch: Array, spare: Array) -> None:
    """Do what :func:`accelerate` does."""
    lr, sign, decay, momentum, share, ahead = numbers[:6]
    step = _descent(w, g, sign, decay, scratch, spare)
    numpy.multiply(velocity, momentum, out=velocity)
    numpy.add(velocity, numpy.multiply(step, share, out=spare), out=velocity)
    moved = velocity
    if ahead:
        numpy.multiply(velocity, momentum, out=spare)
        moved = numpy.add(step, spare, out=spare)
    numpy.multiply(moved, lr, out=spare)
    numpy.subtract(w, spare, out=w)


@jit.kernel(f"void({_TABLE}, {_TABLE}, i4[::1], {_TABLE}, {_ARRAY})", exact=True)
def accelerate_rows(w: Any, sums: Any, place: Any, velocity: Any, numbers: Any) -> None:
    """Do what :func:`accelerate` does with a gradient of few rows."""
    lr, sign, decay, momentum, share, ahead = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    flat, flat_velocity, width, zero = w.reshape(-1), velocity.reshape(-1), w.shape[1], numpy.float32(0)
    start = 0
    for row in range(w.shape[0] + 1):
        if row < w.shape[0] and place[row] < 0:
            continue
        still, pushed = flat[start * width : row * width], flat_velocity[start * width : row * width]
        for i in range(still.size):
            step = still[i] * decay if decay != 0 else zero
            moved = pushed[i] * momentum + step * share
            pushed[i] = moved
            if ahead != 0:
                moved = step + moved * momentum
            still[i] = still[i] - moved * lr
        start = row + 1
        if row == w.shape[0]:
            break
        one, given, pushed = w[row], sums[place[row]], velocity[row]
        for i in range(one.size):
            step = given[i] * sign
            if decay != 0:
                step = step + one[i] * decay
            moved = pushed[i] * momentum + step * share
            pushed[i] = moved
            if ahead != 0:
                moved = step + moved * momentum
            one[i] = one[i] - moved * lr


@jit.kernel(f"void({_ARRAY}, {_ARRAY}, {_ARRAY}, {_ARRAY}, {_ARRAY})", exact=True)
def adapt(w: Any, g: Any, mean: Any, square: Any, numbers: Any) -> None:
    """Adam; ``shrink`` is what decoupled decay leaves of the weights."""
    lr, sign, decay, shrink, root = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    eps, share, beta, other = numbers[5], numbers[6], numbers[7], numbers[8]
    for i in range(w.size):
        step, old = g[i] * sign, w[i]
        if shrink != 1:
            old = old * shrink
        if decay != 0:
            step = step + old * decay
        first = mean[i] + (step - mean[i]) * share
        second = square[i] * beta + step * step * other
        mean[i], square[i] = first, second
        w[i] = old - first / (math.sqrt(second) / root + eps) * lr


def adapt_blocks(w: Array, g: Array, mean: Array, square: Array, numbers: Array, scratch: Array, spare: Array) -> None:
    """Do what :func:`adapt` does."""
    lr, sign, decay, shrink, root, eps, share, beta, other = numbers
    if shrink != 1:
        numpy.multiply(w, shrink, out=w)
    step = _descent(w, g, sign, decay, scratch, spare)
    numpy.subtract(step, mean, out=spare)
    numpy.multiply(spare, share, out=spare)
    numpy.add(mean, spare, out=mean)
    numpy.multiply(square, beta, out=square)
    numpy.multiply(step, step, out=spare)
    numpy.multiply(spare, other, out=spare)
    numpy.add(square, spare, out=square)
    numpy.sqrt(square, out=spare)
    numpy.divide(spare, root, out=spare)
    numpy.add(spare, eps, out=spare)
    numpy.divide(mean, spare, out=spare)
    numpy.multiply(spare, lr, out=spare)
    numpy.subtract(w, spare, out=w)


@jit.kernel(f"void({_TABLE}, {_TABLE}, i4[::1], {_TABLE}, {_TABLE}, {_ARRAY})", exact=True)
def adapt_rows(w: Any, sums: Any, place: Any, mean: Any, square: Any, numbers: Any) -> None:
    """Do what :func:`adapt` does with a gradient of few rows."""
    lr, sign, decay, shrink, root = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    eps, share, beta, other = numbers[5], numbers[6], numbers[7], numbers[8]
    width, zero = w.shape[1], numpy.float32(0)
    flat, flat_mean, flat_square = w.reshape(-1), mean.reshape(-1), square.reshape(-1)
    start = 0
    for row in range(w.shape[0] + 1):
        if row < w.shape[0] and place[row] < 0:
            continue
        still = flat[start * width : row * width]
        means, squares = flat_mean[start * width : row * width], flat_square[start * width : row * width]
        for i in range(still.size):
            old = still[i] * shrink
            step = old * decay if decay != 0 else zero
            first = means[i] + (step - means[i]) * share
            second = squares[i] * beta + step * step * other
            means[i], squares[i] = first, second
            still[i] = old - first / (math.sqrt(second) / root + eps) * lr
        start = row + 1
        if row == w.shape[0]:
            break
        one, given, means, squares = w[row], sums[place[row]], mean[row], square[row]
        for i in range(one.size):
            step, old = given[i] * sign, one[i] * shrink
            if decay != 0:
                step = step + old * decay
            first = means[i] + (step - means[i]) * share
            second = squares[i] * beta + step * step * other
            means[i], squares[i] = first, second
            one[i] = old - first / (math.sqrt(second) / root + eps) * lr


def _descent(w: Array, g: Array, sign: Any, decay: Any, scratch: Array, spare: Array) -> Array:
    """Return the gradient to go against, in ``scratch`` where it is not ``g`` itself."""
    if sign != 1:
        g = numpy.negative(g, out=scratch)
    if decay != 0:
        g = numpy.add(g, numpy.multiply(w, decay, out=spare), out=scratch)
    return g
