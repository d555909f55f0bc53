"""Elementwise ops against PyTorch and against differences."""

from __future__ import annotations

import pytest

from tests.autograd.ops.harness import (
    A,
    Row,
    binary_cases,
    case,
    check_gradient,
    check_values,
    parameters,
    unary_cases,
)

ROWS = [
    Row("add", [*binary_cases(complex=True), case(A(2, 3), A(3), alpha=2), case(A(2), True)]),
    Row("sub", [*binary_cases(complex=True), case(A(2, 3), A(3), alpha=0.5)]),
    Row("mul", binary_cases(complex=True)),
    Row("div", binary_cases(low=0.5, complex=True)),
    Row("pow", [*binary_cases(low=0.3), case(A(2, 3), 2), case(A(2, 3), 3), case(A(4), 0), case(2.0, A(3)), case(A(3), -1)]),
    Row("remainder", binary_cases(low=0.4, high=7), gradcheck=False),
    Row("maximum", binary_cases(numbers=False)),
    Row("minimum", binary_cases(numbers=False)),
    Row("neg", unary_cases(complex=True)),
    Row("abs", unary_cases(complex=True)),
    Row("exp", unary_cases(complex=True)),
    Row("log", unary_cases(0.2, 4.0)),
    Row("sqrt", unary_cases(0.2, 4.0)),
    Row("rsqrt", unary_cases(0.2, 4.0)),
    Row("reciprocal", unary_cases(0.2, 4.0)),
    Row("square", unary_cases(complex=True)),
    Row("sign", unary_cases(), gradcheck=False),
    Row("sin", unary_cases(complex=True)),
    Row("cos", unary_cases(complex=True)),
    Row("tanh", unary_cases()),
    Row("sigmoid", unary_cases(-20, 20), atol=1e-6),
    Row("relu", unary_cases()),
    Row("clamp", [
        case(A(3, 4), -0.5, 0.7), case(A(3, 4), min=0.1), case(A(3, 4), max=0.1), case(A(0), 0, 1),
        case(A(3, 4), A(4, low=-1, high=0), A(3, 1, low=0, high=1)), case(A(5, dtype="int64", low=-5, high=6), -2, 2),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "number"), parameters(ROWS))
def test_values(row: Row, number: int) -> None:
    check_values(row, number, "elementwise")


@pytest.mark.parametrize(("row", "number"), parameters(ROWS))
def test_gradient(row: Row, number: int) -> None:
    check_gradient(row, number)
