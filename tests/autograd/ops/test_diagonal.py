"""Diagonals, triangles and the conjugate transpose against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts
from trainctl.autograd.gradcheck import gradgradcheck


def ints(*shape, dtype="int64"):
    return A(*shape, dtype=dtype, low=-4, high=5)


TRIANGLES = [
    case(A(3, 4)), case(A(3, 4), 1), case(A(3, 4), -1), case(A(4, 3), diagonal=2), case(A(3, 3), -5), case(A(3, 3), 5), case(A(0, 3)), case(A(3, 0)), case(A(2, 0, 3, 3)), case(A(2, 3, 4), 1),
    case(A(3, 4, layout="T")), case(A(3, 4, layout="step")), case(ints(3, 3)), case(A(3, 3, dtype="bool")), case(A(3, 3, dtype="complex64")), case(A(3, 3, dtype="float16"), -1), case(A(1, 1)),
]  # fmt: skip

DIAGONALS = [
    case(A(3, 4)), case(A(3, 4), 1), case(A(3, 4), -2), case(A(3, 4), 4), case(A(3, 4), -7), case(A(0, 3)), case(A(2, 3, 4)), case(A(2, 3, 4), 1, 0, 2), case(A(2, 3, 4), -1, -1, 0),
    case(A(2, 3, 4), offset=1, dim1=2, dim2=1), case(A(3, 4, layout="T"), 1), case(A(3, 4, layout="step"), -1), case(ints(3, 3)), case(A(3, 3, dtype="complex64"), 1), case(A(2, 0, 4, 1), 0, 2, 3),
]  # fmt: skip

ADJOINTS = [case(A(2, 3)), case(A(2, 3, dtype="complex64")), case(A()), case(A(dtype="complex64")), case(A(0, 3)), case(ints(2, 3)), case(A(2, 3, layout="step"))]  # fmt: skip

ROWS = [
    Row("tril", TRIANGLES),
    Row("triu", TRIANGLES),
    Row("Tensor.tril_", TRIANGLES[:4]),
    Row("Tensor.triu_", TRIANGLES[:4]),
    Row("diagonal", DIAGONALS),
    Row("Tensor.diagonal", DIAGONALS[:3]),
    Row("linalg.diagonal", [case(A(3, 4)), case(A(2, 3, 4)), case(A(2, 3, 4), offset=-1), case(A(2, 3, 4), offset=1, dim1=0, dim2=1), case(A(2, 0, 0))]),
    Row("diag_embed", [
        case(A(3)), case(A(3), 1), case(A(3), -2), case(A(0)), case(A(0), 2), case(A(2, 3)), case(A(2, 3), 1, 0, 2), case(A(2, 3), -1, 2, 0), case(A(2, 3), offset=1, dim1=0, dim2=-2),
        case(A(2, 0), 1), case(A(0, 2)), case(ints(2, 2)), case(A(2, dtype="bool")), case(A(2, dtype="complex64")), case(A(2, 3, layout="T")), case(A(1)),
    ]),
    Row("diag", [case(A(3)), case(A(3), 2), case(A(3), diagonal=-1), case(A(0)), case(A(0), 1), case(A(3, 4)), case(A(3, 4), 1), case(A(3, 4), 9), case(A(0, 3)), case(ints(3)), case(A(4, 3, layout="step"), -1)]),
    Row("diagflat", [case(A(2, 2)), case(A(3), 1), case(A(2, 2), offset=-2), case(A()), case(A(0)), case(A(0, 2), 1), case(ints(2))]),
    Row("trace", [case(A(3, 4)), case(A(4, 3, layout="step")), case(A(0, 3)), case(A(1, 1)), case(ints(3, 3)), case(ints(3, 3, dtype="uint8")), case(A(3, 3, dtype="complex64")), case(A(3, 3, dtype="float16"))]),
    Row("Tensor.fill_diagonal_", [
        case(A(3, 4), 2), case(A(5, 2), 2), case(A(5, 2), 2, True), case(A(9, 2), 2, wrap=True), case(A(3, 3, 3), 1.5), case(A(0, 3), 1), case(A(2, 0), 1, True), case(ints(3, 3), 7), case(A(3, 3, dtype="bool"), False),
    ]),
    Row("tril_indices", [case(3, 4), case(3, 4, 1), case(4, 3, offset=-2), case(0, 3), case(3, 0), case(3, 3, -5), case(2, 3, 5), case(3, 3, dtype="dtype:int32")]),
    Row("triu_indices", [case(3, 4), case(3, 4, 1), case(4, 3, offset=-2), case(0, 3), case(3, 0), case(3, 3, -5), case(2, 3, 5), case(3, 3, dtype="dtype:int32")]),
    Row("Tensor.H", ADJOINTS),
    Row("Tensor.mH", [*ADJOINTS, case(A(2, 3, 4, dtype="complex64"))]),
    Row("adjoint", [*ADJOINTS, case(A(2, 3, 4, dtype="complex64"))]),
]  # fmt: skip

REFUSALS = [
    Refusal("tril", case(A(3)), RuntimeError, r"at least 2 dimensions, got shape \[3\]"),
    Refusal("triu", case(A()), RuntimeError, "at least 2 dimensions"),
    Refusal("tril", case(A(3, 3), 1.5), TypeError, "integer"),
    Refusal("diagonal", case(A(3)), IndexError, "Dimension out of range"),
    Refusal("diagonal", case(A(3, 3), 0, 1, -1), RuntimeError, "identical 1, -1"),
    Refusal("diag_embed", case(A()), IndexError, "Dimension out of range"),
    Refusal("diag_embed", case(A(2, 3), 0, 1, 1), RuntimeError, "identical 1, 1"),
    Refusal("diag", case(A(2, 2, 2)), RuntimeError, "Got 3D"),
    Refusal("diag", case(A()), RuntimeError, "Got 0D"),
    Refusal("trace", case(A(3)), RuntimeError, "dim 1"),
    Refusal("trace", case(A(3, 3, dtype="bool")), NotImplementedError, "bool"),
    Refusal("tril_indices", case(-1, 3), RuntimeError, "row must be non-negative, got -1"),
    Refusal("triu_indices", case(3, -2), RuntimeError, "col must be non-negative, got -2"),
    Refusal("tril_indices", case(3, 3, dtype="dtype:float32"), NotImplementedError, "float32"),
    Refusal("Tensor.fill_diagonal_", case(A(3), 1), RuntimeError, r"\[3\]"),
    Refusal("Tensor.fill_diagonal_", case(A(2, 3, 2), 1), RuntimeError, r"\[2, 3, 2\]"),
    Refusal("Tensor.H", case(A(3)), RuntimeError, "Got 1-D"),
    Refusal("Tensor.H", case(A(2, 2, 2)), RuntimeError, "Got 3-D tensor. For batches"),
    Refusal("Tensor.mH", case(A(3)), RuntimeError, "Got 1-D"),
]

test_values, test_gradient, test_refusal = table("diagonal", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
def a_diagonal_is_a_view_that_can_be_written_to(lib):
    x = lib.zeros(2, 3)
    x.diagonal().fill_(1)
    return x


@scripts.gives(([[6.0, 4.0], [6.0, 6.0]], [[2.0, 1.0], [1.0, 2.0]]))
def gradients_flow_through_a_changed_diagonal(lib):
    x = lib.tensor([[3.0, 4.0], [6.0, 3.0]], requires_grad=True)
    y = x * 1
    y.diagonal().mul_(2)
    y.sum().backward()
    return y, x.grad


@scripts.gives([5.0, 9.0])
def a_diagonal_sees_later_changes(lib):
    x = lib.zeros(2, 2)
    seen = x.diagonal()
    x[0, 0], x[1, 1] = 5, 9
    return seen


@scripts.gives([1.0, 4.0])
def diag_of_a_matrix_is_a_copy(lib):
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
    copy = lib.diag(x)
    x.zero_()
    return copy


test_script = scripts.test()


def test_second_derivatives():
    x = trainctl.rand(3, 3, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: trainctl.diagonal(x, 1) ** 3, (x,))
    assert gradgradcheck(lambda x: trainctl.tril(x, -1) ** 3, (x,))
    assert gradgradcheck(lambda x: trainctl.diag_embed(x) ** 3, (x,))
