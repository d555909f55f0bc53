"""Distinct elements and membership, against PyTorch."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table

NAN = float("nan")
INTS = A(3, 4, dtype="int64", low=-2, high=3)
ALL = {"return_inverse": True, "return_counts": True}


def cases(options: dict[str, bool]) -> list[Case]:
    """Elements and the entries of every dim; layouts, sizes 0 and 1, other dtypes, NaN."""
    rows = A(4, 2, dtype="int64", low=0, high=2)
    return [
        case(each, **options)
        for each in (
            A(5), A(7, dtype="int64", low=0, high=3), INTS, A(6, dtype="bool"), A(5, dtype="uint8", low=0, high=3), A(9, dtype="float16", low=0, high=1),
            A(3, 4, layout="T"), A(3, 4, layout="step"), A(), A(1), A(0), A(2, 0), A(5, values=[1, NAN, 0, NAN, 1]), A(3, values=[0, -0.0, 0]),
            A(40, dtype="int32", low=-5, high=6),
        )
    ] + [
        case(each, dim=dim, **options)
        for each, dim in (
            (rows, 0), (rows, 1), (rows, -2), (A(2, 3, 2, dtype="int32", low=0, high=2), 1), (A(5, dtype="int64", low=0, high=3), 0), (A(0, 3), 0), (A(2, 0, 3), 1),
            (A(3, 1, values=[[1], [0], [1]]), 0), (A(4, 2, dtype="bool"), 0), (A(2, 6, dtype="int64", low=0, high=2, layout="T"), 0), (A(1, 3), 0),
            (A(3, 2, values=[[1, NAN], [1, NAN], [0, 1]]), 0) if "sorted" not in options else (rows, -1),
        )
    ]  # fmt: skip


ROWS = [
    Row("unique", [*cases({"sorted": True} | ALL), case(INTS), case(INTS, False), case(INTS, True, True), case(INTS, return_counts=True), case(A(4, 2), True, False, True, 0)], grad=False),
    Row("unique_consecutive", [*cases(ALL), case(INTS), case(INTS, return_inverse=True), case(INTS, return_counts=True), case(A(4, 2), False, False, 0)], grad=False),
    Row("Tensor.unique", [case(INTS, dim=0), case(INTS, sorted=False, return_inverse=True)], grad=False),
    Row("isin", [
        case(INTS, A(2, dtype="int64", values=[1, -1])), case(INTS, A(2, 2, dtype="int64", values=[[1, -1], [0, 0]])), case(INTS, 1), case(2, INTS),
        case(INTS, A(2, values=[1, 0.5])), case(A(3, values=[1, 2.5, 0]), A(2, dtype="int64", values=[1, 2])), case(A(3, values=[NAN, 1, 2]), A(2, values=[NAN, 1])),
        case(INTS, A(2, dtype="int64", values=[1, -1]), invert=True), case(A(0), A(2)), case(A(3), A(0)), case(A(3), A(0), invert=True), case(A(), A(2)),
        case(A(3, dtype="int64", values=[3, 1, 2]), A(2, dtype="int64", values=[1, 5]), assume_unique=True), case(A(50, dtype="int64", low=0, high=99), A(40, dtype="int64", low=0, high=99)),
        case(A(3, dtype="uint8", low=0, high=4), A(3, dtype="int8", low=-2, high=4)), case(1.5, A(2, values=[1.5, 2])),
    ], grad=False),
]  # fmt: skip

REFUSALS = [
    Refusal("unique", case(A(2, 3), dim=2), IndexError, "got 2"),
    Refusal("unique", case(A(), dim=0), IndexError, "no dimensions"),
    Refusal("unique", case(A(0, 3), dim=1), RuntimeError, r"0 sized dimensions.*\[0, 3\], dim 1"),
    Refusal("unique", case(A(3, dtype="complex64")), NotImplementedError, "unique.*complex64"),
    Refusal("unique_consecutive", case(A(3, dtype="complex64")), NotImplementedError, "complex64"),
    Refusal("unique_consecutive", case(A(3, 0), dim=0), RuntimeError, r"\[3, 0\], dim 0"),
    Refusal("isin", case(1, 2), TypeError, "int, int"),
    Refusal("isin", case(A(3, dtype="bool"), A(3, dtype="bool")), RuntimeError, "bool"),
    Refusal("isin", case(A(3, dtype="complex64"), A(3)), RuntimeError, "complex64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("unique", ROWS, REFUSALS)


def test_there_is_no_gradient_and_backward_says_so():
    x = trainctl.tensor([2.0, 1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"derivative for Distinct.* is not implemented"):
        x.unique().sum().backward()


def test_the_inverse_puts_the_elements_back():
    x = trainctl.randint(0, 20, (6, 50))
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values[inverse].equal(x)
    assert counts.sum().item() == 300
    rows, inverse = x.unique(dim=1, return_inverse=True)
    assert rows[:, inverse].equal(x)
