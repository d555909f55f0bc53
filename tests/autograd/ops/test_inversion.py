"""Inverses and determinants against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradcheck, gradgradcheck


def complexes(*shape):
    return A(*shape, dtype="complex64")


def regular(lib, x, way=1):
    """Return square matrices far from singular."""
    return x + 4 * way * lib.eye(x.shape[-1], dtype=x.dtype, device=x.device)


SQUARE = [
    case(A(3, 3)), case(A(1, 1)), case(A(0, 0)), case(A(2, 3, 3)), case(A(2, 1, 2, 2)), case(A(0, 3, 3)), case(A(3, 0, 0)), case(A(4, 4, dtype="float64")), case(complexes(3, 3)), case(complexes(2, 2, 2)), case(A(3, 3, layout="T")),
    case(A(3, 3, layout="step")),
]  # fmt: skip
INTS = A(2, 2, dtype="int64", low=-4, high=5)

ROWS = [
    Row("linalg.inv", SQUARE, call=lambda lib, x: lib.linalg.inv(regular(lib, x))),
    Row("inverse", SQUARE[:2], call=lambda lib, x: (lib.inverse(regular(lib, x)), regular(lib, x).inverse())),
    Row("linalg.det", SQUARE, call=lambda lib, x: lib.linalg.det(regular(lib, x)), atol=1e-4),
    Row("det", SQUARE[:2], call=lambda lib, x: (lib.det(regular(lib, x, -1)), x.det()), atol=1e-4),
    Row("linalg.slogdet", SQUARE, call=lambda lib, x: lib.linalg.slogdet(regular(lib, x, -1))),
    Row("slogdet", SQUARE[:2], call=lambda lib, x: (lib.slogdet(regular(lib, x)), x.slogdet())),
    Row("slogdet of singular ones", [case(A(2, 2, values=[[1, 2], [2, 4]])), case(A(2, 1, 1, values=[[[0]], [[2]]]))], call=lambda lib, x: lib.linalg.slogdet(x), grad=False),
    Row("logdet", SQUARE, call=lambda lib, x: lib.logdet(regular(lib, x))),
    Row("logdet of negative ones", [case(A(1, 1, values=[[-2]], grad=False)), case(A(2, 2, values=[[0, 0], [0, 0]], grad=False))], call=lambda lib, x: x.logdet()),
    *(Row(f"linalg.matrix_power {n}", SQUARE[:6], call=lambda lib, x, n=n: lib.linalg.matrix_power(regular(lib, x), n), rtol=1e-4, grad=n != 0) for n in (-2, -1, 0, 1, 2, 5)),
    Row("matrix_power", [case(INTS, 3), case(INTS, 0), case(A(2, 2), 6), case(complexes(2, 2), 3)]),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.inv", case(A(2, 3)), RuntimeError, "2 by 3"),
    Refusal("linalg.inv", case(A(3)), RuntimeError, r"at least 2 dimensions, got shape \[3\]"),
    Refusal("linalg.inv", case(INTS), RuntimeError, "Got int64"),
    Refusal("linalg.inv", case(A(2, 2, dtype="float16")), RuntimeError, "Got float16"),
    Refusal("linalg.inv", case(A(2, 2, values=[[0, 0], [0, 0]])), RuntimeError, "singular"),
    Refusal("linalg.inv", case(A(2, 1, 1, values=[[[1]], [[0]]])), RuntimeError, r"\(Batch element 1\).*singular"),
    Refusal("linalg.det", case(A(2, 3)), RuntimeError, "2 by 3"),
    Refusal("linalg.slogdet", case(INTS), RuntimeError, "Got int64"),
    Refusal("matrix_power", case(A(2, 3), 2), RuntimeError, "2 by 3"),
    Refusal("matrix_power", case(INTS, -1), RuntimeError, "Got int64"),
    Refusal("matrix_power", case(A(1, 1, values=[[0]]), -1), RuntimeError, "singular"),
]

test_values, test_gradient, test_refusal = table("inversion", ROWS, REFUSALS)

SINGULAR = {
    "rank one": [[1.0, 2.0], [2.0, 4.0]],
    "rank two of three": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    "rank one of three": [[1.0, 2.0, 3.0]] * 3,
    "all zeros": [[0.0, 0.0], [0.0, 0.0]],
    "one element": [[0.0]],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_the_determinant_of_a_singular_matrix_has_a_gradient(name):
    x = trainctl.tensor(SINGULAR[name], dtype=trainctl.float64, requires_grad=True)
    assert gradcheck(lambda x: trainctl.linalg.det(x), (x,))


def test_a_batch_may_hold_singular_and_regular_matrices():
    batch = np.array([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]])
    assert gradcheck(lambda x: trainctl.linalg.det(x), (trainctl.from_numpy(batch).requires_grad_(),))


def test_the_logarithm_of_a_singular_determinant_has_no_finite_gradient():
    x = trainctl.zeros(1, 1, requires_grad=True)
    trainctl.linalg.slogdet(x).logabsdet.sum().backward()
    assert x.grad.tolist() == [[float("inf")]]


def test_a_determinant_keeps_its_digits():
    x = np.random.RandomState(0).randn(20, 20)
    ours = trainctl.linalg.det(trainctl.from_numpy(x.astype(np.float32)))
    np.testing.assert_allclose(ours.item(), np.linalg.det(x.astype(np.float32).astype(np.float64)), rtol=1e-6)


def test_second_derivatives():
    x = regular(trainctl, trainctl.rand(2, 2, dtype=trainctl.float64)).requires_grad_()
    assert gradgradcheck(lambda x: trainctl.linalg.inv(x), (x,))
    assert gradgradcheck(lambda x: trainctl.linalg.det(x), (x,))
    assert gradgradcheck(lambda x: trainctl.logdet(x), (x,))
    singular = trainctl.tensor(SINGULAR["rank two of three"], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: trainctl.linalg.det(x), (singular,), atol=1e-3)
