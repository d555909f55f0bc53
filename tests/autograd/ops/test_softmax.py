"""Softmax and its logarithm against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

INF, NAN = float("inf"), float("nan")
CASES = [
    case(A(2, 3), 1), case(A(2, 3), 0), case(A(2, 3, 4), -2), case(A(3), 0), case(A(), 0), case(A(), -1), case(A(0), 0), case(A(2, 0), 1), case(A(2, 0), 0), case(A(3, 1), 1),
    case(A(2, 3, low=-200, high=200), 1), case(A(3, 4, layout="T"), 0), case(A(3, 4, layout="step"), 1), case(A(2, 3, dtype="float64"), 1), case(A(2, 3, dtype="float16"), 0),
    case(A(2, 3, dtype="int64", low=0, high=9), 1, dtype="dtype:float64"), case(A(2, 3), 1, dtype="dtype:float64"),
]  # fmt: skip
EXTREMES = [
    case(A(2, 3, dtype="float16"), dim=1, dtype="dtype:float32"),
    case(A(3, 3, values=[[INF, 0, 1], [-INF, -INF, -INF], [NAN, 0, 1]]), 1),
    case(A(2, 3, values=[[-INF, 0, 1], [1e30, 0, -1e30]]), 1),
]
IMPLICIT = [
    case(A(2, 3)),
    case(A(3)),
    case(A(2, 3, 4)),
    case(A(2, 3, 4, 2)),
    case(A(2, 3), 0),
    case(A(2, 3), dim=-1, dtype="dtype:float64"),
]

ROWS = [
    *(Row(name, CASES) for name in ("softmax", "log_softmax")),
    *(Row(f"Tensor.{name}", EXTREMES, gradcheck=False) for name in ("softmax", "log_softmax")),
    *(Row(f"nn.functional.{name}", IMPLICIT) for name in ("softmax", "log_softmax")),
]

REFUSALS = [
    Refusal("softmax", case(A(2, 3), 2), IndexError, r"\[-2, 1\], but got 2"),
    Refusal("log_softmax", case(A(), 1), IndexError, "got 1"),
    Refusal("softmax", case(A(2, 3, dtype="int64"), 1), NotImplementedError, "softmax.*int64"),
    Refusal("log_softmax", case(A(2, 3, dtype="complex64"), 1), NotImplementedError, "logsoftmax.*complex64"),
    Refusal("softmax", case(A(2, 3)), TypeError, "dim"),
]

test_values, test_gradient, test_refusal = table("softmax", ROWS, REFUSALS)
