"""Pooling to a given size against PyTorch and against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F


def sizes(n: int):
    """Sizes that divide, that do not, that are larger than the input's, and None."""
    x = A(2, 3, *(6, 5, 4)[:n])
    return [
        case(x, 1), case(x, 2), case(x, 3), case(x, 4), case(x, 7), case(x, (3, 2, 5)[:n]), case(x, [6, 5, 4][:n]), case(A(3, *(6, 5, 4)[:n]), 2), case(A(0, 3, *(6, 5, 4)[:n]), 2), case(A(1, 1, *(1,) * n), 3),
        case(A(*x.shape, layout="T"), 2), case(A(*x.shape, layout="step"), 4), case(A(*x.shape, dtype="float64"), 5), case(A(*x.shape, dtype="float16"), 2),
    ] + ([case(x, (None, 2, None)[:n]), case(x, (None,) * n)] if n > 1 else [])  # fmt: skip


NAN = math.nan
ODD = [[[[1, 1, 1, 1, 1]]], [[[2, 0, 2, 2, 2]]], [[[NAN, 1, NAN, 2, 3]]], [[[-math.inf] * 5]]]

ROWS = [
    *(Row(f"nn.functional.adaptive_avg_pool{n}d", sizes(n)) for n in (1, 2, 3)),
    *(Row(f"nn.functional.adaptive_max_pool{n}d", sizes(n)) for n in (1, 2, 3)),
    Row("adaptive_avg_pool1d", [case(A(2, 3, 6), 4), case(A(2, 3, 6), (2,))]),
    *(Row(f"indices {n}d", [case(*each.args, return_indices=True) for each in sizes(n)], call=lambda lib, *args, n=n, **kwargs: getattr(lib.nn.functional, f"adaptive_max_pool{n}d")(*args, **kwargs)) for n in (1, 2, 3)),
    *(Row(f"nn.functional.adaptive_max_pool{n}d_with_indices", [case(A(2, 3, *(6, 5, 4)[:n]), 2), case(A(2, 3, *(6, 5, 4)[:n]), 2, False)]) for n in (1, 2, 3)),
    Row("adaptive_max_pool1d", [case(A(2, 3, 6), 4), case(A(2, 3, 6), (2,))]),
    Row("ties", [case(A(1, 1, 5, values=each), size, True) for each in ODD for size in (1, 2, 3, 7)], gradcheck=False, call=lambda lib, *args: lib.nn.functional.adaptive_max_pool1d(*args)),
    Row("means of nothing", [case(A(2, 0, 4), 2), case(A(2, 3, 0), 1)], grad=False, call=lambda lib, *args: lib.nn.functional.adaptive_avg_pool1d(*args)),
]  # fmt: skip

X = A(2, 3, 6, 6)
REFUSALS = [
    *(Refusal(f"nn.functional.adaptive_{kind}_pool2d", each, error, match) for kind in ("avg", "max") for each, error, match in (
        (case(X, -1), RuntimeError, r"-1"), (case(X, (2,)), RuntimeError, "2 sizes"), (case(X, (2.0, 2)), TypeError, "tuple of ints"), (case(A(6, 6), 2), RuntimeError, r"\[6, 6\]"),
        (case(A(6, 6), (2, 2)), ValueError, "at least 3"), (case(A(1, 1, 1, 6, 6), 2), RuntimeError, r"\[1, 1, 1, 6, 6\]"), (case(A(2, 3, 6, 0), 2), RuntimeError, r"non-zero size.*\[2, 3, 6, 0\]"),
        (case(A(1, 3, 6, 6, dtype="int64"), 2), NotImplementedError, "int64"),
    )),
    Refusal("nn.functional.adaptive_avg_pool1d", case(A(1, 3, 6), (None,)), TypeError, "tuple of ints"),
    Refusal("nn.functional.adaptive_max_pool2d", case(A(2, 0, 6, 6), 2), RuntimeError, r"\[2, 0, 6, 6\]"),
    Refusal("nn.functional.adaptive_max_pool1d", case(A(1, 3, 6, dtype="complex64"), 2), NotImplementedError, "complex64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("adaptive_pooling", ROWS, REFUSALS)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_gradients_of_gradients_are_those_of_differences(kind, size):
    trainctl.manual_seed(0)
    x = (trainctl.randperm(16).double() / 4).reshape(1, 1, 4, 4).requires_grad_()
    assert gradgradcheck(lambda x: getattr(F, f"adaptive_{kind}_pool2d")(x * x, size), (x,))


def test_windows_cover_the_input_evenly():
    counts = F.adaptive_avg_pool1d(trainctl.eye(10)[None], 3)[0] != 0
    assert counts.sum(0).tolist() == [4, 4, 4]
    assert counts.sum(1).tolist() == [1, 1, 1, 2, 1, 1, 2, 1, 1, 1]


def test_an_infinite_element_stays_in_its_windows():
    x = trainctl.zeros(1, 1, 7)
    x[..., 6] = math.inf
    np.testing.assert_array_equal(F.adaptive_avg_pool1d(x, 3).numpy(), [[[0, 0, math.inf]]])
