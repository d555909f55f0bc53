"""Differences of neighbours and integrals, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INTS = A(2, 4, dtype="int64", low=-4, high=5)
Y, X = A(2, 4), A(2, 4, low=0.0, high=1.0)

INTEGRALS = [
    case(A(5)), case(Y), case(Y, dim=0), case(Y, dx=2), case(Y, dx=0.5, dim=-2), case(Y, A(4)), case(Y, A(2), dim=0), case(Y, X),
    case(A(3, 2, 4), X), case(A(3, 2, 4), A(3, 1, 4)), case(A(1)), case(A(0)), case(A(0, 3), dim=0), case(A(2, 0), dim=0), case(INTS),
    case(INTS, dx=3), case(INTS, INTS), case(INTS, X), case(A(4, layout="step")), case(A(3, 4, layout="T"), dim=0), case(A(5, dtype="float64"), A(5)),
    case(A(3, dtype="float16"), dx=0.5), case(A(4, dtype="complex64")), case(A(4), A(4, dtype="complex64")), case(A(3, dtype="uint8", low=0, high=9)),
]  # fmt: skip

ROWS = [
    Row("diff", [
        case(A(5)), case(A(2, 4)), case(A(2, 3, 4), 1, 0), case(A(2, 3, 4), dim=1), case(A(6), 2), case(A(6), n=0), case(A(3), 3), case(A(3), 7), case(A(0)),
        case(A(0), 2), case(A(2, 0)), case(A(2, 0), dim=0), case(A(1)), case(A(2, 3), axis=0), case(A(5, layout="step")), case(A(3, 4, layout="T"), 1, -2),
        case(A(3), prepend=A(2)), case(A(3), append=A(1)), case(A(2, 3), 2, 1, A(2, 1), A(2, 4)), case(A(2, 3), 1, 0, A(1, 3), A(0, 3)), case(A(0), prepend=A(2)),
        case(A(3), n=0, prepend=A(2)), case(A(3), prepend=A(2, dtype="float64")), case(INTS), case(INTS, prepend=A(2, 1)), case(A(4, dtype="uint8", low=0, high=9)),
        case(A(6, dtype="bool")), case(A(6, dtype="bool"), 2), case(A(3, dtype="bool"), append=A(2, dtype="int64", low=0, high=3)), case(A(4, dtype="complex64")),
        case(A(4, dtype="float16"), 2),
    ]),
    *(Row(name, INTEGRALS) for name in ("trapezoid", "trapz", "cumulative_trapezoid")),
]  # fmt: skip

REFUSALS = [
    Refusal("diff", case(A()), RuntimeError, "at least one-dimensional"),
    Refusal("diff", case(A(3), -1), RuntimeError, "got -1"),
    Refusal("diff", case(A(3), 1, 1), IndexError, "got 1"),
    Refusal("diff", case(A(3), prepend=A()), RuntimeError, r"\[\] and \[3\]"),
    Refusal("diff", case(A(2, 3), append=A(1, 3)), RuntimeError, r"input.size\(0\) = 2, but got tensor.size\(0\) = 1"),
    Refusal("trapezoid", case(A(3, dtype="bool")), RuntimeError, "trapezoid.*bool"),
    Refusal("trapezoid", case(A(3), A(3), dx=1), TypeError, "not both"),
    Refusal("trapezoid", case(A(3), dx=1j), RuntimeError, "real number"),
    Refusal("trapezoid", case(A(3), dx=True), RuntimeError, "real number"),
    Refusal("trapezoid", case(A(3), A(2)), RuntimeError, "2 for 3 samples"),
    Refusal("cumulative_trapezoid", case(A()), IndexError, "no dimensions"),
    Refusal("cumulative_trapezoid", case(A(2, 3), dim=2), IndexError, "got 2"),
]

test_values, test_gradient, test_refusal = table("differences", ROWS, REFUSALS)


@pytest.mark.parametrize("name", ["diff", "trapezoid", "cumulative_trapezoid"])
def test_gradients_of_gradients(name):
    x = trainctl.tensor([0.5, -1.0, 2.0, 1.5], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: getattr(trainctl, name)(x * x) ** 2, x)
