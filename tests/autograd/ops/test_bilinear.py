"""The bilinear form of two vectors."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

W = A(4, 2, 3)
F64 = {"dtype": "float64"}
ROWS = [
    Row("nn.functional.bilinear", [
        case(A(5, 2), A(5, 3), W), case(A(5, 2), A(5, 3), W, A(4)), case(A(2), A(3), W), case(A(2, 3, 2), A(2, 3, 3), W, bias=A(4)), case(A(0, 2), A(0, 3), W), case(A(5, 1), A(5, 1), A(1, 1, 1), A(1)), case(A(5, 2), A(5, 3), A(0, 2, 3)),
        case(A(5, 2, layout="T"), A(5, 3, layout="step"), A(4, 2, 3, layout="T")), case(A(5, 2, **F64), A(5, 3, **F64), A(4, 2, 3, **F64)),
        case(A(5, 2, dtype="int64"), A(5, 3, dtype="int64"), A(4, 2, 3, dtype="int64")),
    ], atol=1e-5),
]  # fmt: skip

NAME = "nn.functional.bilinear"
REFUSALS = [
    Refusal(NAME, case(A(5, 2), A(4, 3), W), RuntimeError, "batch dimensions do not match at dim 0: got 5 and 4"),
    Refusal(NAME, case(A(5, 2), A(3), W), RuntimeError, "dimensions do not match: got 2 and 1"),
    Refusal(NAME, case(A(5, 3), A(5, 3), W), RuntimeError, "input1 size.*got 3 but expected 2"),
    Refusal(NAME, case(A(5, 2), A(5, 2), W), RuntimeError, "input2 size.*got 2 but expected 3"),
    Refusal(NAME, case(A(5, 2), A(5, 3), W, A(3)), RuntimeError, r"bias.*\[3\] but expected \[4\]"),
    Refusal(NAME, case(A(5, 2), A(5, 3), A(2, 3)), RuntimeError, r"\[out, in1, in2\], got shape \[2, 3\]"),
    Refusal(NAME, case(A(5, 2, **F64), A(5, 3), W), RuntimeError, "float64, float32, float32"),
]

test_values, test_gradient, test_refusal = table("bilinear", ROWS, REFUSALS)


def test_gradients_of_gradients():
    inputs = [
        trainctl.randn(*shape, dtype=trainctl.float64, requires_grad=True) for shape in ((2, 2), (2, 3), (2, 2, 3))
    ]
    assert gradgradcheck(trainctl.nn.functional.bilinear, inputs)
