"""Systems of linear equations against PyTorch and against differences."""

from __future__ import annotations

from functools import partial

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def complexes(*shape):
    return A(*shape, dtype="complex64")


def doubles(*shape):
    return A(*shape, dtype="float64")


def regular(lib, x):
    """Return square matrices far from singular."""
    return x + 5 * lib.eye(x.shape[-1], dtype=x.dtype, device=x.device)


SYSTEMS = [
    case(A(3, 3), A(3, 2)), case(A(2, 3, 3), A(2, 3, 1)), case(A(2, 3, 3), A(3, 4)), case(A(3, 3), A(2, 3, 4)), case(A(2, 1, 2, 2), A(3, 2, 1)), case(A(1, 1), A(1, 2)), case(A(0, 0), A(0, 2)), case(A(3, 3), A(3, 0)), case(A(0, 2, 2), A(0, 2, 1)),
    case(doubles(3, 3), doubles(3, 2)), case(complexes(2, 2), complexes(2, 3)), case(A(3, 3, layout="T"), A(3, 2, layout="step")),
]  # fmt: skip
ON_THE_RIGHT = [case(A(3, 3), A(2, 3)), case(A(2, 3, 3), A(2, 1, 3)), case(A(2, 3, 3), A(4, 3)), case(A(0, 0), A(2, 0)), case(complexes(2, 2), complexes(3, 2)), case(A(3, 3, layout="T"), A(2, 3, layout="step"))]  # fmt: skip
VECTORS = [case(A(3, 3), A(3)), case(A(2, 3, 3), A(2, 3)), case(A(2, 3, 3), A(3)), case(A(3, 3, 3), A(3, 3)), case(A(0, 0), A(0)), case(A(3, 1, 1), A(3, 1))]  # fmt: skip


def solve(lib, A, B, **how):
    return lib.linalg.solve(regular(lib, A), B, **how)


def triangular(upper, left=True, unitriangular=False):
    def call(lib, A, B):
        how = {"upper": upper, "left": left, "unitriangular": unitriangular}
        return lib.linalg.solve_triangular(A if unitriangular else regular(lib, A), B, **how)

    return call


ROWS = [
    Row("linalg.solve", SYSTEMS, call=solve),
    Row("linalg.solve of vectors", VECTORS, call=solve),
    Row("linalg.solve on the right", ON_THE_RIGHT, call=lambda lib, A, B: solve(lib, A, B, left=False)),
    *(Row(f"linalg.solve_triangular {side} {unit}", SYSTEMS, call=triangular(side, unitriangular=unit), atol=1e-5) for side in (True, False) for unit in (True, False)),
    *(Row(f"linalg.solve_triangular on the right {side} {unit}", ON_THE_RIGHT, call=triangular(side, False, unit), atol=1e-5) for side in (True, False) for unit in (True, False)),
    Row("linalg.solve_triangular of many", [case(A(2, 17, 17, low=-0.2, high=0.2), A(2, 17, 1))], call=triangular(False), atol=1e-5),
    Row("linalg.solve_triangular of two types", [case(doubles(2, 2), A(2, 1, grad=False))], call=triangular(True)),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.solve", case(A(2, 2), A(3, 2)), RuntimeError, r"AX = B \(2x2 and 3x2\)"),
    Refusal("linalg.solve", case(A(2, 2), A(3)), RuntimeError, r"\(2x2 and 3x1\)"),
    Refusal("linalg.solve", case(A(2, 2), A(2, 3), left=False), RuntimeError, r"XA = B \(2x2 and 2x3\)"),
    Refusal("linalg.solve", case(A(3, 1, 1), A(1), left=False), RuntimeError, "left=False"),
    Refusal("linalg.solve", case(A(2, 3), A(2)), RuntimeError, "2 by 3"),
    Refusal("linalg.solve", case(A(2, 2), A()), RuntimeError, "tensor B must have at least 2"),
    Refusal("linalg.solve", case(A(2, 2), doubles(2)), RuntimeError, "float32 and B of type float64"),
    Refusal("linalg.solve", case(A(2, 2, values=[[1, 2], [2, 4]]), A(2)), RuntimeError, "singular"),
    Refusal("linalg.solve", case(A(2, 1, 1, values=[[[1]], [[0]]]), A(1, 1)), RuntimeError, "Batch element 1"),
    Refusal("linalg.solve", case(A(3, 2, 2), A(2, 2, 1)), RuntimeError, r"tensor a \(3\)"),
    Refusal("linalg.solve_triangular", case(A(2, 2), A(2, 3)), TypeError, "upper"),
    Refusal("linalg.solve_triangular", case(A(2, 2), A(2), upper=True), RuntimeError, "tensor B must have at least 2"),
    Refusal("linalg.solve_triangular", case(A(2, 2), A(3, 2), upper=True), RuntimeError, r"\(2x2 and 3x2\)"),
    Refusal("linalg.solve_triangular", case(A(2, 3), A(2, 2), upper=True), RuntimeError, "2 by 3"),
]

test_values, test_gradient, test_refusal = table("solving", ROWS, REFUSALS)


@pytest.mark.parametrize("upper", [True, False])
def test_the_other_triangle_is_not_read(upper):
    A = trainctl.full((3, 3), float("nan"))
    A[tuple((trainctl.triu_indices if upper else trainctl.tril_indices)(3, 3))] = 2.0
    X = trainctl.linalg.solve_triangular(A, trainctl.ones(3, 1), upper=upper)
    assert X.isfinite().all()


def test_a_singular_triangle_gives_infinities():
    A, INF = trainctl.tensor([[1.0, 2.0], [0.0, 0.0]]), float("inf")
    assert trainctl.linalg.solve_triangular(A, trainctl.ones(2, 1), upper=True).tolist() == [[-INF], [INF]]


def test_second_derivatives():
    A, B = (trainctl.rand(2, 2, dtype=trainctl.float64).requires_grad_() for _ in range(2))
    assert gradgradcheck(lambda A, B: solve(trainctl, A, B), (A, B))
    for call in (triangular(True), triangular(False, unitriangular=True)):
        assert gradgradcheck(partial(call, trainctl), (A, B))
