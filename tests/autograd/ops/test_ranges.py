"""Evenly spaced numbers and powers against PyTorch."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("arange", [
        case(5), case(1, 7, 2), case(0), case(0, 0), case(0, -3, -1), case(5.0), case(1, 2.5, 0.5), case(0, 1, 0.1), case(-2.5, 2.5), case(3, dtype="dtype:float32"), case(0, 3, 0.7, dtype="dtype:int32"), case(0.9, 5.2, dtype="dtype:int64"),
        case(0.9, 5.2, dtype="dtype:int16"), case(A(values=3, dtype="int64")), case(True), case(5, 1, -1.5), case(start=1, end=4), case(2**40, 2**40 + 2), case(0, 5, dtype="dtype:uint8"), case(4, dtype="dtype:float16"),
    ]),
    Row("linspace", [
        case(0, 1, 5), case(-2, 3, 7), case(0, 1, 1), case(0, 1, 0), case(3, -3, 4), case(0, 10, 4, dtype="dtype:int64"), case(4.3, -3, 9, dtype="dtype:int16"), case(0, 1, 5, dtype="dtype:float64"), case(0, 1j, 3), case(0, 1, 3, dtype="dtype:complex64"),
        case(A(values=1.0, grad=False), A(values=2.0, grad=False), 3), case(start=0, end=2, steps=3),
    ]),
    Row("logspace", [
        case(0, 2, 3), case(0, 2, 5, 2), case(0, 5, 6, base=2, dtype="dtype:int64"), case(0.5, 3.9, 5, dtype="dtype:int32"), case(-2, 1, 4), case(3, -3, 4, 2.5), case(0, 2, 0), case(1.5, 9, 1), case(0, 20, 5, dtype="dtype:float16"), case(0, 300, 3, dtype="dtype:float64"),
        case(0, 2, 5, -2.0), case(0, 3, 4, 0), case(1j, 2, 3), case(0, 1, 3, dtype="dtype:complex128"), case(A(values=0.0, grad=False), A(values=2.0, grad=False), 3), case(start=0, end=2, steps=3, base=3.0),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("arange", case(3, 1), RuntimeError, "start=3, end=1, step=1"),
    Refusal("arange", case(0, 1, 0), RuntimeError, "step must be nonzero"),
    Refusal("arange", case(0, 3, 0.5, dtype="dtype:int64"), ValueError, "step must be nonzero"),
    Refusal("arange", case(0, float("nan")), RuntimeError, "unsupported range: 0 -> nan"),
    Refusal("arange", case(0, float("inf")), RuntimeError, "unsupported range"),
    Refusal("arange", case(0, 3, dtype="dtype:bool"), NotImplementedError, "bool"),
    Refusal("linspace", case(0, 1, -1), RuntimeError, "non-negative, got -1"),
    Refusal("linspace", case(A(2), 1, 3), RuntimeError, "0-dimensional"),
    Refusal("linspace", case(0, 1), TypeError, "steps"),
    Refusal("logspace", case(0, 1, -1), RuntimeError, "non-negative, got -1"),
    Refusal("logspace", case(A(1), 1, 3), RuntimeError, "logspace only supports 0-dimensional"),
    Refusal("logspace", case(0, 1, 3, base=1j), TypeError, "'base' must be float, not complex"),
]

test_values, test_gradient, test_refusal = table("ranges", ROWS, REFUSALS)
