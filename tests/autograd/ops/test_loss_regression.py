"""Losses between numbers against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

EACH = ("none", "mean", "sum")
PAIRS = [
    *(case(A(3, 4), A(3, 4), reduction=each) for each in EACH),
    case(A(), A()),
    case(A(0), A(0)),
    case(A(3, 4, layout="T"), A(3, 4, layout="step")),
]
RATE = A(3, 4, low=0.5, high=3)
COUNT = A(3, 4, low=0, high=6, grad=False)

ROWS = [
    Row("nn.functional.l1_loss", [*PAIRS, case(A(3), A(3), weight=A(3, low=0.5, grad=False)), case(A(3), A(3), reduction="none", weight=A(3, grad=False)), case(A(3), A(3, dtype="float64")),
        case(A(3, dtype="complex64"), A(3, dtype="complex64"))]),
    *(Row(f"nn.functional.{name}", [*PAIRS, *(case(A(9, low=-4, high=4), A(9), **{option: value}) for value in (0.5, 2.0))]) for name, option in (("smooth_l1_loss", "beta"), ("huber_loss", "delta"))),
    Row("weighted.huber", [case(A(3), A(3), A(3, grad=False))], call=lambda lib, x, y, w: lib.nn.functional.huber_loss(x, y, weight=w)),
    Row("zero.beta", [case(A(5), A(5))], call=lambda lib, x, y: lib.nn.functional.smooth_l1_loss(x, y, beta=0)),
    Row("nn.functional.poisson_nll_loss", [*(case(A(3, 4), COUNT, reduction=each) for each in EACH), case(A(3, 4), COUNT, full=True), case(RATE, COUNT, log_input=False), case(RATE, COUNT, False, True, eps=0.1)]),
    Row("nn.functional.gaussian_nll_loss", [
        *(case(A(3, 4), A(3, 4), RATE, reduction=each) for each in EACH), case(A(3, 4), A(3, 4), A(3, low=0.5)), case(A(3, 4), A(3, 4), A(3, 1, low=0.5)), case(A(3, 4), A(3, 4), A(1, 4, low=0.5)),
        case(A(3), A(3), 2.0), case(A(3), A(3), A(3, low=0.5), True),
    ]),
    Row("small.gaussian", [case(A(2), A(2), A(2, values=[0, 2]))], gradcheck=False, call=lambda lib, x, y, v: lib.nn.functional.gaussian_nll_loss(x, y, v, eps=0.5)),
]  # fmt: skip

REFUSALS = [
    *(Refusal(f"nn.functional.{name}", case(A(2), A(2), reduction="average"), ValueError, "average") for name in ("l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss")),
    Refusal("nn.functional.l1_loss", case(A(2), A(2), weight=A(1)), ValueError, r"\[1\] and \[2\]"),
    Refusal("nn.functional.smooth_l1_loss", case(A(2), A(2), beta=-1.0), RuntimeError, "got -1.0"),
    Refusal("nn.functional.huber_loss", case(A(2), A(2), delta=0.0), RuntimeError, "got 0.0"),
    Refusal("nn.functional.huber_loss", case(A(2, dtype="int64"), A(2, dtype="int64")), NotImplementedError, "huber_loss.*int64"),
    Refusal("nn.functional.gaussian_nll_loss", case(A(2), A(2), -1.0), ValueError, "negative"),
    Refusal("nn.functional.gaussian_nll_loss", case(A(3, 2), A(3, 2), A(2, low=1)), ValueError, r"\[2\] for an input \[3, 2\]"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("loss_regression", ROWS, REFUSALS)


def test_shapes_that_only_broadcast_are_warned_of():
    with pytest.warns(UserWarning, match="Using a target size"):
        trainctl.nn.functional.huber_loss(trainctl.ones(3, 1), trainctl.ones(3))
