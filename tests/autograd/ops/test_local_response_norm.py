"""Normalisation over neighbouring channels against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("nn.functional.local_response_norm", [
        case(A(2, 5, 3), 3), case(A(2, 5, 2, 2), 2, 0.5), case(A(2, 5, 2, 1, 2), 4, 0.5, 2.0, 3.0), case(A(1, 3, 2), 1), case(A(1, 3, 2), 9, alpha=1.0, beta=0.5, k=2), case(A(0, 3, 2), 2), case(A(2, 4, 3, layout="T"), 3, 1.0),
        case(A(1, 3, 2, dtype="float64"), 2, 1.0), case(A(1, 3, 2, dtype="int64", low=1, high=9), 2, 1.0),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.local_response_norm", case(A(2, 3), 2), ValueError, "got 2 dimensions"),
    Refusal("nn.functional.local_response_norm", case(A(2, 3, 2), 0), RuntimeError, "greater than zero, but got 0"),
    Refusal("nn.functional.local_response_norm", case(A(2, 3, 2, dtype="int32"), 2), NotImplementedError, "int32"),
]

test_values, test_gradient, test_refusal = table("local_response_norm", ROWS, REFUSALS)
