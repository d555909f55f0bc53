"""Medians, quantiles and the mode, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
INTS = A(3, 4, dtype="int64", low=-3, high=4)
HOLES = A(2, 4, values=[[3, NAN, 1, 2], [NAN, 5, NAN, 4]])
SPOILT = [
    HOLES,
    A(2, 3, values=[[NAN, NAN, NAN], [1, 2, 3]]),
    A(5, values=[INF, 1, -INF, 0, INF]),
    A(6, values=[1, 1, 0, 2, 1, 1]),
]


def along(every: bool = True) -> list[Case]:
    """One dim from either end, with and without keepdim; scalars, layouts, sizes 0 and 1; other dtypes."""
    return [
        case(A(5), dim=0), case(A(2, 3, 4), dim=1), case(A(2, 4), dim=-1, keepdim=True), case(A(2, 3, 4), 0), case(A(3, 5), -1, True), case(A(2, 3), axis=0),
        case(A(), dim=0), case(A(), dim=-1, keepdim=True), case(A(1), dim=0), case(A(2, 0), dim=0), case(A(0, 3), dim=1, keepdim=True), case(A(3, 1), dim=1),
        case(A(3, 4, layout="T"), dim=0), case(A(3, 4, layout="step"), dim=1), case(A(7, dtype="float64"), dim=0), case(A(2, 5, dtype="float16"), dim=1),
        case(INTS, dim=1), case(INTS, dim=0, keepdim=True), case(A(6, dtype="uint8", low=0, high=4), dim=0),
    ]  # fmt: skip


WHOLE = [
    case(A(5)),
    case(A(2, 4)),
    case(A()),
    case(A(0)),
    case(A(2, 0, dtype="int64")),
    case(A(0, dtype="int8")),
    case(INTS),
    case(A(3, 4, layout="T")),
    case(A(4, dtype="float16")),
]
QS = A(3, dtype="float64", low=0.0, high=1.0)
KINDS = ("linear", "lower", "higher", "midpoint", "nearest")
QUANTILES = [
    case(A(7), 0.3), case(A(2, 5), 0.5), case(A(2, 5), 0, 1), case(A(2, 5), 1.0, 0), case(A(2, 5), 0.25, -1, True), case(A(2, 3, 4), 0.7, dim=1, keepdim=True), case(A(2, 3), 0.4, axis=0),
    case(A(), 0.5), case(A(), 0.5, 0), case(A(1), 0.2), case(A(2, 3), 0.6, None, True), case(A(3, 4, layout="T"), 0.1, 0), case(A(3, 4, layout="step"), 0.9, 1),
    case(A(6, dtype="float64"), QS), case(A(2, 6, dtype="float64"), QS, 1), case(A(2, 6, dtype="float64"), QS, 0, True), case(A(2, 3, 4, dtype="float64"), QS, dim=-2, keepdim=True),
    case(A(6), A(1, low=0.0, high=1.0)), case(A(6), A(low=0.0, high=1.0)), case(A(2, 6), A(low=0.0, high=1.0), 1, True), case(A(6), A(0)), case(A(6), A(3, values=[0, 0.5, 1], grad=False)),
    *(case(A(2, 6, dtype="float64"), QS, 1, interpolation=each) for each in KINDS), *(case(A(5), 0.5, interpolation=each) for each in KINDS),
]  # fmt: skip
ROUNDED = [
    case(A(1, 4, values=[[1, 2, 4, 8]]), q, 1, interpolation=each) for q in (0, 1 / 6, 0.5, 5 / 6, 1) for each in KINDS
]
SPOILT_QUANTILES = [
    case(each, A(5, values=[0, 0.25, 0.5, 0.9, 1], grad=False), dim) for each in SPOILT for dim in (0, -1, None)
]

ROWS = [
    *(Row(name, [*along(), *WHOLE]) for name in ("median", "nanmedian")),
    *(Row(f"Tensor.{name}", [*map(case, SPOILT), *(case(each, dim) for each in SPOILT for dim in (0, -1))], gradcheck=False) for name in ("median", "nanmedian")),
    Row("mode", [*along(), case(A(5)), case(A()), case(A(5, dtype="bool")), case(A(6), keepdim=True)]),
    Row("Tensor.mode", [
        *(case(A(len(each), values=each)) for each in ([3, 1, 3, 1, 2], [2, 2, 1, 1], [1], [1, 2, 3], [5, 5, 5, 5], [-INF, INF, INF])),
        case(A(2, 3, values=[[1, 1, 0], [2, 1, 0]]), 0), case(A(2, 4, dtype="int64", values=[[1, 1, 2, 2], [3, 0, 3, 0]]), 1, True),
    ], gradcheck=False),
    *(Row(name, QUANTILES) for name in ("quantile", "nanquantile")),
    *(Row(f"Tensor.{name}", [*ROUNDED, *SPOILT_QUANTILES], grad=False) for name in ("quantile", "nanquantile")),
]  # fmt: skip

REFUSALS = [
    Refusal("median", case(A(2, 3), 2), IndexError, "got 2"),
    Refusal("median", case(A(0, 3), 0), IndexError, r"median\(\).*dim 0.*\[0, 3\]"),
    Refusal("nanmedian", case(A(0), 0), IndexError, r"nanmedian\(\).*\[0\]"),
    Refusal("median", case(A(3), keepdim=True), TypeError, "dim"),
    Refusal("median", case(A(3, dtype="bool")), NotImplementedError, "median.*bool"),
    Refusal("nanmedian", case(A(3, dtype="complex64"), 0), NotImplementedError, "nanmedian.*complex64"),
    Refusal("median", case(A(2, 2), (0, 1)), TypeError, "tuple"),
    Refusal("mode", case(A(0)), IndexError, r"mode\(\).*\[0\]"),
    Refusal("mode", case(A(3), 1), IndexError, "got 1"),
    Refusal("mode", case(A(3, dtype="complex64")), NotImplementedError, "mode.*complex64"),
    Refusal("quantile", case(A(0), 0.5), RuntimeError, r"non-empty.*\[0\]"),
    Refusal("quantile", case(INTS, 0.5), RuntimeError, "float or double dtype, got int64"),
    Refusal("quantile", case(A(3), 1.5), RuntimeError, r"range \[0, 1\] but got 1.5"),
    Refusal("quantile", case(A(3), NAN), RuntimeError, "nan"),
    Refusal("quantile", case(A(3), A(2, values=[0.5, 1.5])), RuntimeError, r"range \[0, 1\]"),
    Refusal("quantile", case(A(3), A(1, 2, low=0.0, high=1.0)), RuntimeError, r"scalar or 1D tensor, got shape \[1, 2\]"),
    Refusal("quantile", case(A(3), QS), RuntimeError, "float64 and float32"),
    Refusal("nanquantile", case(A(3), 0.5, interpolation="cubic"), RuntimeError, "nanquantile.*got cubic"),
    Refusal("nanquantile", case(A(3), 0.5, 1), IndexError, "got 1"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("quantile", ROWS, REFUSALS)


@pytest.mark.parametrize(
    "function",
    [lambda x: x.median(), lambda x: x.median(0).values, lambda x: x.quantile(0.3), lambda x: x.mode().values],
)
def test_gradients_of_gradients(function):
    x = trainctl.tensor([0.5, -1.0, 2.0, 1.5], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: function(x) ** 3, x)


def test_elements_equal_to_the_median_share_its_gradient():
    x = trainctl.tensor([2.0, 0.0, 2.0, 3.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0.5, 0, 0.5, 0]
