"""Norms that can keep running statistics."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table

F64 = {"dtype": "float64"}
HALF = {"dtype": "float16"}


def stats(*shape, **kind):
    """A running mean and a running variance."""
    return A(*shape, grad=False, **kind), A(*shape, grad=False, low=0.5, high=2.0, **kind)


def with_statistics(function):
    """Return a call that gives the running statistics after it, too."""

    def call(library, input, running_mean=None, running_var=None, **options):
        y = getattr(library.nn.functional, function)(input, running_mean, running_var, **options)
        return [y, *(each for each in (running_mean, running_var) if each is not None)]

    return call


C3 = {"weight": A(3), "bias": A(3)}
BATCH = [
    case(A(4, 3), training=True), case(A(4, 3), *stats(3)), case(A(4, 3), *stats(3), training=True, **C3), case(A(4, 3, 2), *stats(3), training=True, momentum=0.3, **C3), case(A(4, 3, 2), *stats(3), **C3),
    case(A(2, 3, 2, 2), *stats(3), training=True, eps=1e-2, **C3), case(A(2, 3, 2, 2), *stats(3), weight=A(3)), case(A(2, 3, 1, 2, 2), *stats(3), training=True, bias=A(3)), case(A(2, 3, 1, 2, 2), *stats(3), bias=A(3)),
    case(A(1, 3, 2), *stats(3), training=True, momentum=0.0), case(A(3, 1, 2), *stats(1), training=True, momentum=1.0), case(A(0, 3), *stats(3), training=True), case(A(0, 3, 2), *stats(3)), case(A(2, 3, 0), *stats(3), training=True),
    case(A(4, 3, 2, layout="T"), *stats(3), training=True, **C3), case(A(4, 3, 2, layout="step"), *stats(3), weight=A(3, layout="step")), case(A(5, 2, **F64), *stats(2, **F64), training=True, weight=A(2, **F64)),
    case(A(4, 3, **HALF), *stats(3), training=True, **C3), case(A(4, 3, **HALF), *stats(3, **HALF), training=True, weight=A(3, **HALF), bias=A(3, **HALF)), case(A(4, 3, 2, **HALF), *stats(3), **C3), case(A(4, 3), *stats(3), eps=0.0),
]  # fmt: skip
INSTANCE = [
    case(A(2, 3, 4)), case(A(2, 3, 4), **C3), case(A(2, 3, 4), *stats(3), **C3), case(A(2, 3, 4), *stats(3), use_input_stats=False, **C3), case(A(2, 3, 2, 2), *stats(3), momentum=0.4, weight=A(3)), case(A(1, 3, 2, 1, 2), eps=0.1),
    case(A(2, 3, 4, layout="T"), **C3), case(A(2, 3, 4, layout="step"), *stats(3), bias=A(3), use_input_stats=False), case(A(2, 3, 4, **F64), *stats(3, **F64)), case(A(2, 3, 4, **HALF), weight=A(3, **HALF), bias=A(3, **HALF)), case(A(2, 3, 0)),
]  # fmt: skip

ROWS = [
    Row("nn.functional.batch_norm", BATCH, call=with_statistics("batch_norm"), atol=1e-5),
    Row("nn.functional.instance_norm", INSTANCE, call=with_statistics("instance_norm"), atol=1e-5),
]

X = A(4, 3, 2)
REFUSALS = [
    Refusal("nn.functional.batch_norm", case(X, None, None), RuntimeError, "running_mean must be defined"),
    Refusal("nn.functional.batch_norm", case(X, A(3, grad=False), None, training=True), ValueError, "both be None or neither"),
    Refusal("nn.functional.batch_norm", case(X, *stats(4)), RuntimeError, r"running_mean should contain 3 elements not 4.*\[4, 3, 2\]"),
    Refusal("nn.functional.batch_norm", case(X, *stats(3), A(2)), RuntimeError, "weight should contain 3 elements not 2"),
    Refusal("nn.functional.batch_norm", case(X, *stats(3), None, A(2)), RuntimeError, "bias should contain 3"),
    Refusal("nn.functional.batch_norm", case(A(1, 3), *stats(3), training=True), ValueError, r"more than 1 value.*\[1, 3\]"),
    Refusal("nn.functional.batch_norm", case(X, None, None, training=True, eps=0.0), ValueError, "must be positive"),
    Refusal("nn.functional.batch_norm", case(X, *stats(3), eps=-1.0), ValueError, "must be non-negative"),
    Refusal("nn.functional.batch_norm", case(A(4), None, None, training=True), IndexError, r"\[N, C, \.\.\.\].*\[4\]"),
    Refusal("nn.functional.batch_norm", case(A(4, 3, dtype="int64"), *stats(3)), NotImplementedError, "int64"),
    Refusal("nn.functional.batch_norm", case(X, *stats(3), A(3, **F64)), RuntimeError, "float32.*float64"),
    Refusal("nn.functional.batch_norm", case(X, A(3), stats(3)[1]), RuntimeError, "not differentiable.*'running_mean'"),
    Refusal("nn.functional.instance_norm", case(X, use_input_stats=False), RuntimeError, "to be defined"),
    Refusal("nn.functional.instance_norm", case(X, A(3, grad=False)), ValueError, "both be None or neither"),
    Refusal("nn.functional.instance_norm", case(A(4, 3, 1)), ValueError, r"more than 1 spatial element.*\[4, 3, 1\]"),
    Refusal("nn.functional.instance_norm", case(X, weight=A(2)), RuntimeError, "weight should contain 3 elements not 2"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("batch_normalization", ROWS, REFUSALS)


def test_running_statistics_move_in_place_towards_the_mean_and_the_unbiased_variance():
    x = trainctl.tensor([[1.0], [3.0], [8.0]])
    mean, var = trainctl.tensor([10.0]), trainctl.tensor([5.0])
    kept = mean.numpy()
    F.batch_norm(x, mean, var, training=True, momentum=0.25)
    assert kept.tolist() == [0.75 * 10 + 0.25 * 4]
    assert var.item() == pytest.approx(0.75 * 5 + 0.25 * 13)


def test_running_statistics_are_no_part_of_the_graph():
    x = trainctl.randn(4, 2, requires_grad=True)
    mean, var = trainctl.zeros(2), trainctl.ones(2)
    for _ in range(3):
        F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad
    assert mean.grad_fn is None


@pytest.mark.parametrize("training", [True, False])
def test_frozen_parameters_get_no_gradient(training):
    x, w = trainctl.randn(4, 2, requires_grad=True), trainctl.ones(2)
    F.batch_norm(x, trainctl.zeros(2), trainctl.ones(2), w, training=training).square().sum().backward()
    assert w.grad is None
    assert np.isfinite(x.grad.numpy()).all()
