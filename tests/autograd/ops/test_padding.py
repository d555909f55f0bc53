"""Padding against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("constant_pad_nd", [
        case(A(2, 3), (1, 2)), case(A(2, 3), (1, 2, 0, 1), 0.5), case(A(2, 3), [0, 1, 2, 0], -1), case(A(2, 3), (-1, 2)), case(A(2, 3), (-1, -2)), case(A(2, 3), (-1, -1, 1, 1), 3), case(A(2, 3), ()), case(A(2, 3), (0, 0)),
        case(A(), ()), case(A(0, 3), (1, 1)), case(A(0, 3), (0, 0, 1, 1), 2), case(A(2, 3, 4), (1, 1, 1, 1, 1, 1)), case(A(2, 3, layout="T"), (1, 1)), case(A(2, 3, layout="step"), (0, 2)),
        case(A(3, dtype="int64"), (1, 1), 2.7), case(A(3, dtype="bool"), (1, 1), 1), case(A(3, dtype="uint8"), (1, 0), -1), case(A(2, dtype="complex64"), (1, 1), 1j), case(A(2, 3), pad=(1, 1), value=float("inf")),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("constant_pad_nd", case(A(2), (1,)), RuntimeError, "even but instead it equals 1"),
    Refusal("constant_pad_nd", case(A(2), (1, 1, 1, 1)), RuntimeError, "Pad length is 4 while the input has 1"),
    Refusal("constant_pad_nd", case(A(2), (-1, -2)), RuntimeError, "size 2.*-1 and -2"),
    Refusal("constant_pad_nd", case(A(2), (-3, 3)), RuntimeError, "size 2.*-3 and 3"),
    Refusal("constant_pad_nd", case(A(2), (1, 0), 1j), RuntimeError, "float32 without overflow"),
]

test_values, test_gradient, test_refusal = table("padding", ROWS, REFUSALS)
