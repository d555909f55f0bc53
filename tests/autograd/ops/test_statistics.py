"""Sums and means without NaN, covariances, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
INTS = A(3, 4, dtype="int64", low=-5, high=6)
HOLES = [
    A(2, 3, values=[[1, NAN, 2], [NAN, NAN, 4]]),
    A(2, 2, values=[[NAN, NAN], [INF, 1]]),
    A(values=NAN),
    A(2, 3, 4),
]


def over(several: bool = True) -> list[Case]:
    """All of it, one dim from either end, several, with and without keepdim; scalars, layouts, sizes 0 and 1."""
    found = [
        case(A(3, 4)), case(A(2, 3, 4), dim=0), case(A(2, 3, 4), dim=-1), case(A(2, 3, 4), dim=1, keepdim=True), case(A(2, 3), axis=1, keepdims=True), case(A(2, 0), dim=0),
        case(A(3, 4, layout="T"), dim=0), case(A(3, 4, layout="step"), dim=1), case(A(2, 3, dtype="float64"), dim=1), case(A(2, 5, dtype="float16"), dim=1),
    ]  # fmt: skip
    several_dims = [case(A(2, 3, 4), dim=(0, 2)), case(A(2, 3, 4), dim=[-1, 0], keepdim=True), case(A(2, 3, 4), dim=())]
    return found + (several_dims if several else [])


SUMS = [
    *over(),
    case(A()),
    case(A(), dim=0),
    case(A(0)),
    case(A(0, 3), dim=0),
    case(A(2, 3), 1, True),
    case(A(3, 4), 0, dtype="dtype:float64"),
]
COUNTED = [
    case(A(3, 4), fweights=A(4, dtype="int64", values=[1, 2, 0, 3])),
    case(A(5), fweights=A(5, dtype="int64", low=1, high=4), correction=2),
]
WEIGHED = [
    case(A(3, 4), aweights=A(4, low=0.5, high=2.0)), case(A(3, 4), aweights=A(4, low=0.5, high=2.0), correction=0),
    case(A(2, 4), correction=1, fweights=A(4, dtype="int64", low=1, high=4), aweights=A(4, low=0.5, high=2.0)),
]  # fmt: skip

ROWS = [
    Row("aminmax", [
        *over(several=False), case(A()), case(A(), dim=0), case(A(0, 3), dim=1), case(A(2, 3), keepdim=True), case(INTS), case(INTS, dim=1), case(A(5, dtype="bool")),
        case(A(4, dtype="uint8", low=0, high=99), dim=0),
    ]),
    Row("Tensor.aminmax", [case(A(5, values=[1, 3, 3, 1, 2])), case(A(2, 3, values=[[1, 1, 0], [1, 2, 0]]), dim=0), case(A(3, values=[1, NAN, 2])), case(A(2, values=[INF, -INF]), dim=0)], gradcheck=False),
    Row("nansum", [*SUMS, case(INTS), case(INTS, 0), case(A(3, dtype="bool")), case(A(3, dtype="uint8", low=0, high=255)), case(INTS, dtype="dtype:float32")]),
    Row("nanmean", SUMS),
    *(Row(f"Tensor.{name}", [*map(case, HOLES), *(case(each, -1, True) for each in HOLES)], gradcheck=False, grad=name == "nansum") for name in ("nansum", "nanmean")),
    Row("cov", [
        case(A(3, 5)), case(A(6)), case(A(2, 3), correction=0), case(A(1, 4)), case(A(3, 4, layout="T")), case(A(4, 4, layout="step")), case(A(4, 5, dtype="float64")), *COUNTED, *WEIGHED,
        case(INTS), case(A(2, 4, dtype="complex64")), case(A(3, 4, dtype="complex128"), fweights=A(4, dtype="int64", low=1, high=3)),
    ], rtol=2e-5),
    Row("corrcoef", [case(A(3, 5)), case(A(2, 4, dtype="float64")), case(A(6)), case(A(1, 4)), case(INTS), case(A(2, 4, dtype="complex64"))], rtol=2e-5, atol=1e-5, gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("aminmax", case(A(0)), RuntimeError, r"\[0\]"),
    Refusal("aminmax", case(A(0, 3), dim=0), IndexError, r"dim 0.*\[0, 3\]"),
    Refusal("aminmax", case(A(3), 0), TypeError, "positional"),
    Refusal("aminmax", case(A(3, dtype="complex64")), NotImplementedError, "aminmax.*complex64"),
    Refusal("nansum", case(A(3, dtype="complex64")), RuntimeError, "complex64"),
    Refusal("nansum", case(A(3), dtype="dtype:complex64"), NotImplementedError, "nansum.*complex64"),
    Refusal("nanmean", case(INTS), RuntimeError, "int64"),
    Refusal("nanmean", case(A(3), dtype="dtype:int64"), RuntimeError, "int64"),
    Refusal("nanmean", case(A(3), 1), IndexError, "got 1"),
    Refusal("cov", case(A(2, 3, 4)), RuntimeError, "input with 3"),
    Refusal("cov", case(A(3, dtype="bool")), RuntimeError, "bool"),
    Refusal("cov", case(A(2, 3), fweights=A(2, dtype="int64")), RuntimeError, r"fweights of shape \[3\] but got \[2\]"),
    Refusal("cov", case(A(2, 3), fweights=A(3)), RuntimeError, "fweights.*integral.*float32"),
    Refusal("cov", case(A(2, 3), aweights=A(3, dtype="int64")), RuntimeError, "aweights.*floating point.*int64"),
    Refusal("cov", case(A(2, 2), aweights=A(2, values=[1, -1])), RuntimeError, "aweights cannot be negative"),
    Refusal("cov", case(A(2, 2), aweights=A(2, values=[0, 0])), RuntimeError, "sum to zero"),
    Refusal("corrcoef", case(A(2, 3, 4)), RuntimeError, "input with 3"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("statistics", ROWS, REFUSALS)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.aminmax().max, lambda x: x.nansum(), lambda x: x.nanmean(), lambda x: x.cov(), lambda x: x.corrcoef(),
    ],
)  # fmt: skip
def test_gradients_of_gradients(function):
    x = trainctl.tensor([[0.5, -1.0, 2.0], [1.5, 0.2, -0.7]], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: function(x) ** 3, x)


@pytest.mark.parametrize("weights", [{}, {"fweights": trainctl.tensor([1])}])
def test_too_few_observations_are_warned_of(weights):
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert not trainctl.tensor([[1.0], [2.0]]).cov(**weights).isfinite().any()
