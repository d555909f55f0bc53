"""Activations against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases

INF, NAN = float("inf"), float("nan")

ROWS = [
    Row("relu", unary_cases()),
    Row("nn.functional.relu", [case(A(2, 3)), case(A(2, 3, grad=False), inplace=True)]),
    Row("Tensor.relu_", [case(A(2, 3)), case(A(0))]),
    # Where a difference says nothing about the gradient.
    Row("Tensor.relu", [case(A(3, dtype="float16", values=[-1, 0, 2])), case(A(values=[-INF, INF, NAN, -0.0]))], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("relu", case(A(2, dtype="bool")), RuntimeError, "relu.*bool"),
    Refusal("relu", case(A(2, dtype="complex64")), NotImplementedError, "complex64"),
]

test_values, test_gradient, test_refusal = table("activation", ROWS, REFUSALS)
