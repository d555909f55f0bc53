"""The pseudoinverse, rank and least squares against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def complexes(*shape):
    return A(*shape, dtype="complex64")


RANK_ONE = A(3, 2, values=[[1, 2], [2, 4], [3, 6]], grad=False)
MATRICES = [
    case(A(3, 3)), case(A(4, 2)), case(A(2, 4)), case(A(1, 1)), case(A(0, 3)), case(A(3, 0)), case(A(2, 3, 2)), case(A(0, 2, 2)), case(A(3, 2, dtype="float64")), case(complexes(3, 2)), case(complexes(2, 3)), case(RANK_ONE),
    case(A(3, 2, layout="T")),
]  # fmt: skip
TOLERANCES = [case(A(3, 3, grad=False), **each) for each in ({"rtol": 0.4}, {"atol": 0.8}, {"atol": 0.5, "rtol": 0.2}, {"atol": 0.0})] + [
    case(A(2, 3, 2, grad=False), rtol=A(2, values=[0.1, 0.9], grad=False)), case(A(3, 2, grad=False), atol=A(values=1.5, grad=False)),
]  # fmt: skip
SYSTEMS = [case(A(4, 2), A(4, 3)), case(A(2, 4), A(2, 3)), case(A(3, 3), A(3, 1)), case(A(4, 2), A(4)), case(A(2, 4, 2), A(2, 4, 1)), case(A(2, 4, 2), A(2, 4)), case(complexes(3, 2), complexes(3, 2))]  # fmt: skip


def values_of(driver):
    return lambda lib, x, y: lib.linalg.lstsq(x, y, driver=driver)


ROWS = [
    Row("linalg.pinv", [*MATRICES, *TOLERANCES], rtol=1e-4, atol=1e-4),
    Row("pinverse", [case(A(3, 2)), case(A(2, 3), 0.2)], rtol=1e-4, atol=1e-4),
    Row("linalg.matrix_rank", [*MATRICES, *TOLERANCES, case(A(3, 3), 0.5), case(A(3, 3), tol=20.0)], grad=False),
    Row("linalg.lstsq", SYSTEMS, call=lambda lib, x, y: lib.linalg.lstsq(x, y).solution, rtol=1e-4, atol=1e-4),
    *(Row(f"linalg.lstsq {driver}", SYSTEMS, call=values_of(driver), rtol=1e-4, atol=1e-4, grad=False) for driver in ("gels", "gelsy", "gelsd", "gelss")),
    Row("linalg.lstsq of rank one", [case(RANK_ONE, A(3, 2, grad=False))], call=values_of("gelsd"), rtol=1e-4, atol=1e-4),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.pinv", case(A(3)), RuntimeError, "at least 2 dimensions"),
    Refusal("linalg.pinv", case(A(2, 2, dtype="int64")), RuntimeError, "Got int64"),
    Refusal("linalg.pinv", case(A(2, 2, values=[[float("nan")] * 2] * 2)), RuntimeError, "failed to converge"),
    Refusal("linalg.matrix_rank", case(A(2, 2, dtype="int64")), RuntimeError, "Got int64"),
    Refusal("linalg.lstsq", case(A(2), A(2)), RuntimeError, "at least 2 dimensions"),
    Refusal("linalg.lstsq", case(A(4, 2), A(3)), RuntimeError, "got 4 and 3"),
    Refusal("linalg.lstsq", case(A(4, 2), A(2, 4, 1)), RuntimeError, r"\[4, 2\] and \[2, 4, 1\]"),
    Refusal("linalg.lstsq", case(A(4, 2), A(4, dtype="float64")), RuntimeError, "float32 and B of type float64"),
    Refusal("linalg.lstsq", case(A(4, 2), A(4), driver="x"), RuntimeError, "gels, gelsy, gelsd, gelss, got 'x'"),
    Refusal("linalg.lstsq", case(RANK_ONE, A(3, 1), driver="gels"), RuntimeError, "full rank"),
]

test_values, test_gradient, test_refusal = table("pseudoinverse", ROWS, REFUSALS)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2)])
def test_second_derivatives(shape):
    x = trainctl.rand(*shape, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: trainctl.linalg.pinv(x), (x,), atol=1e-3)
