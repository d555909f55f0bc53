"""Places in a sorted sequence, against PyTorch."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

NAN = float("nan")
SEQUENCE = A(4, values=[1, 3, 3, 7])
BATCH = A(2, 3, values=[[1, 3, 5], [2, 4, 6]])
WANTED = A(2, 3, values=[[3, 0, 9], [1, 7, NAN]])
SEARCHES = [
    case(SEQUENCE, WANTED), case(SEQUENCE, WANTED, right=True), case(SEQUENCE, WANTED, side="right"), case(SEQUENCE, WANTED, side="left", out_int32=True),
    case(BATCH, WANTED), case(BATCH, WANTED, right=True), case(BATCH, A(2, 0)), case(A(2, 2, 3, values=[[[1, 3, 5], [2, 4, 6]]] * 2), A(2, 2, 5, high=6.0)),
    case(SEQUENCE, 3), case(SEQUENCE, 3.5, right=True), case(A(3, dtype="int64", values=[1, 3, 5]), 2.5), case(SEQUENCE, A()), case(SEQUENCE, A(3, dtype="int64", low=0, high=9)),
    case(A(0), WANTED), case(A(2, 0), WANTED), case(A(1, values=[2]), WANTED), case(SEQUENCE, A(0, 3)), case(A(3, values=[1, NAN, NAN]), WANTED, side="right"),
    case(A(5, values=[5, 1, 3, 2, 9]), WANTED), case(A(3, values=[5, 1, 3]), WANTED, sorter=A(3, dtype="int64", values=[1, 2, 0])),
    case(A(2, 3, values=[[5, 3, 1], [4, 6, 2]]), WANTED, sorter=A(2, 3, dtype="int64", values=[[2, 1, 0], [2, 0, 1]]), right=True),
    case(A(4, dtype="float16", values=[1, 2, 3, 4]), A(3, dtype="float16")), case(A(3, dtype="uint8", values=[0, 7, 255]), A(4, dtype="uint8", low=0, high=256)),
    case(A(1000, dtype="int32", values=range(0, 2000, 2)), A(50, dtype="int32", low=-5, high=2005)), case(A(3, layout="step", values=[1, 3, 5]), A(2, 3, layout="T")),
]  # fmt: skip

ROWS = [
    *(Row(name, [case(A(2, 3, dtype="int64", low=0, high=2)), case(A(3, dtype="bool")), case(A(values=1.0)), case(A(values=0.0)), case(A(0, 2)), case(A(3, 4, dtype="bool", layout="T"))]) for name in ("argwhere", "Tensor.argwhere")),
    Row("searchsorted", SEARCHES, grad=False),
    Row("bucketize", [
        case(WANTED, SEQUENCE), case(WANTED, SEQUENCE, right=True), case(WANTED, SEQUENCE, out_int32=True), case(3, SEQUENCE), case(2.5, A(3, dtype="int64", values=[1, 2, 3])),
        case(A(), SEQUENCE), case(A(0, 2), SEQUENCE), case(WANTED, A(0)), case(A(5, dtype="int64", low=0, high=9), SEQUENCE, right=True), case(2.5, A(2, dtype="bool", values=[False, True])),
    ], grad=False),
]  # fmt: skip

REFUSALS = [
    Refusal("searchsorted", case(SEQUENCE, WANTED, side="middle"), RuntimeError, "'left' or 'right' but got middle"),
    Refusal("searchsorted", case(SEQUENCE, WANTED, right=True, side="left"), RuntimeError, "opposites"),
    Refusal("searchsorted", case(A(), WANTED), RuntimeError, "positive dimension"),
    Refusal("searchsorted", case(BATCH, 3), RuntimeError, "scalar only"),
    Refusal("searchsorted", case(BATCH, A(3, 2)), RuntimeError, r"\[2, 3\].*\[3, 2\]"),
    Refusal("searchsorted", case(SEQUENCE, WANTED, sorter=A(3, dtype="int64")), RuntimeError, r"\[4\].*\[3\]"),
    Refusal("searchsorted", case(SEQUENCE, WANTED, sorter=A(4)), RuntimeError, "long dtype but got dtype float32"),
    Refusal("searchsorted", case(SEQUENCE, WANTED, sorter=A(4, dtype="int64", values=[0, 1, 2, 4])), RuntimeError, "index 4 is out of bounds"),
    Refusal("searchsorted", case(A(3, dtype="complex64"), A(3, dtype="complex64")), NotImplementedError, "complex64"),
    Refusal("bucketize", case(WANTED, BATCH), RuntimeError, r"1 dimension, but got dim\(2\)"),
    Refusal("bucketize", case(A(2, dtype="bool"), A(2, dtype="bool")), NotImplementedError, "bool"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("searching", ROWS, REFUSALS)
