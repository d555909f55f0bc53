"""Counts, against PyTorch."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

INF, NAN = float("inf"), float("nan")
INTS = A(6, dtype="int64", low=0, high=5)
SPOILT = A(7, values=[1, NAN, 1, -5, 9, INF, 3])

ROWS = [
    Row("histc", [
        case(A(50)), case(A(50), 4), case(A(20), bins=5, min=-1, max=1), case(A(20), 3, -1.5, 2), case(A(3, 4, layout="T"), 4), case(A(6, layout="step"), 4), case(A(), 3), case(A(0), 3),
        case(A(0, 2), 2, 0, 1), case(A(3, values=[1, 1, 1]), 4), case(A(3, values=[1, 2, 3]), 3, 2, 2), case(A(4, values=[0, 1, 2, 3]), 3), case(SPOILT, 4, 0, 3), case(A(9, dtype="float64"), 7),
        case(A(5, dtype="float16"), 4, -2, 2), case(A(5), max=1),
    ], grad=False),
    Row("bincount", [
        case(INTS), case(INTS, minlength=9), case(INTS, A(6)), case(INTS, A(6, dtype="float64"), 7), case(INTS, A(6, dtype="int64", low=-3, high=4)), case(INTS, weights=A(6, dtype="float16")),
        case(A(0, dtype="int64")), case(A(0, dtype="int64"), None, 3), case(A(0, dtype="int64"), A(0), 3), case(A(4, dtype="uint8", low=0, high=9)), case(A(4, dtype="int16", low=0, high=3)),
        case(A(3, dtype="int64", low=0, high=4, layout="step")), case(A(3, dtype="int64", low=0, high=4), A(3, dtype="bool")),
    ], grad=False),
    Row("count_nonzero", [
        case(A(3, 4, dtype="int64", low=-1, high=2)), case(A(3, 4, dtype="int64", low=-1, high=2), 0), case(A(2, 3, 4, dtype="bool"), (0, 2)), case(A(2, 3, 4, dtype="bool"), [-1]),
        case(A(2, 3), dim=()), case(A()), case(A(), 0), case(A(0)), case(A(2, 0), 1), case(A(3, values=[0, NAN, -0.0])), case(A(3, dtype="complex64", values=[0, 1j, 0])),
        case(A(2, 3, dtype="uint8", low=0, high=2), axis=1), case(A(3, 4, layout="T"), -1),
    ], grad=False),
]  # fmt: skip

REFUSALS = [
    Refusal("histc", case(A(3), 0), RuntimeError, "bins must be > 0, but got 0"),
    Refusal("histc", case(A(3), 4, 3, 0), RuntimeError, r"larger than min.*\[3, 0\]"),
    Refusal("histc", case(A(2, values=[1, INF]), 4), RuntimeError, r"\[1, inf\] is not finite"),
    Refusal("histc", case(A(2, values=[1, NAN]), 4), RuntimeError, "not finite"),
    Refusal("histc", case(A(2), 4, 0, INF), RuntimeError, "not finite"),
    Refusal("histc", case(INTS, 4, 0, 3), NotImplementedError, "histc.*int64"),
    Refusal("bincount", case(A(3, dtype="int64", values=[1, -1, 0])), RuntimeError, "non-negative"),
    Refusal("bincount", case(A(2, 2, dtype="int64", low=0, high=3)), RuntimeError, r"1-d.*\[2, 2\]"),
    Refusal("bincount", case(A(3)), NotImplementedError, "bincount.*float32"),
    Refusal("bincount", case(INTS, minlength=-1), RuntimeError, "minlength should be >= 0, got -1"),
    Refusal("bincount", case(INTS, A(5)), RuntimeError, r"\[5\] and \[6\]"),
    Refusal("count_nonzero", case(A(2, 3), (1, 1)), RuntimeError, "dim 1 appears multiple times"),
    Refusal("count_nonzero", case(A(2, 3), 2), IndexError, "got 2"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("histogram", ROWS, REFUSALS)
