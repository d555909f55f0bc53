"""Windows as columns, and columns as images, against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F

ROWS = [
    Row("nn.functional.unfold", [
        case(A(2, 3, 4, 5), 2), case(A(2, 3, 4, 5), (3, 2)), case(A(2, 3, 4, 5), 3, 1, 1, 2), case(A(2, 3, 4, 5), 2, dilation=2, padding=(1, 2), stride=(2, 1)), case(A(3, 4, 5), 2), case(A(0, 3, 4, 5), 2), case(A(1, 1, 1, 1), 1),
        case(A(2, 3, 4, 4, layout="T"), 2), case(A(2, 3, 4, 4, layout="step"), 2), case(A(1, 2, 3, 3, dtype="complex64"), 2), case(A(1, 2, 3, 3, dtype="bool"), 2), case(A(1, 2, 3, 3, dtype="float16"), 2), case(input=A(1, 2, 3, 3), kernel_size=[2, 2]),
    ]),
    Row("nn.functional.fold", [
        case(A(2, 12, 12), (4, 5), 2), case(A(2, 18, 6), (4, 5), (3, 3), stride=(1, 1)), case(A(2, 9, 6), (4, 5), 3, 1, 1, 2), case(A(2, 8, 14), (4, 5), 2, dilation=2, padding=(1, 2), stride=(2, 1)), case(A(12, 12), (4, 5), 2), case(A(0, 4, 12), (4, 5), 2),
        case(A(1, 1, 1), 1, 1), case(A(1, 4, 4), 4, 2, stride=2), case(A(1, 4, 9, dtype="complex64"), 4, 2), case(A(1, 4, 9, layout="T"), 4, 2), case(A(1, 4, 9, dtype="float16"), 4, 2),
    ]),
]  # fmt: skip

X = A(1, 2, 5, 5)
REFUSALS = [
    Refusal("nn.functional.unfold", case(X, 6), RuntimeError, r"\(5, 5\).*\(0, 0\)"),
    Refusal("nn.functional.unfold", case(X, (2, 2, 2)), RuntimeError, "2 sizes, but got size 3"),
    *(Refusal("nn.functional.unfold", case(X, **{"kernel_size": 2, name: least}), RuntimeError, name) for name, least in (("stride", 0), ("dilation", 0), ("padding", -1))),
    Refusal("nn.functional.unfold", case(X, 0), RuntimeError, "kernel should be greater than zero"),
    Refusal("nn.functional.unfold", case(A(1, 1, 1, 5, 5), 2), RuntimeError, r"\[1, 1, 1, 5, 5\]"),
    Refusal("nn.functional.unfold", case(A(1, 0, 5, 5), 2), RuntimeError, r"\[1, 0, 5, 5\]"),
    Refusal("nn.functional.unfold", case(A(1, 2, 5, 5, dtype="int64"), 2), NotImplementedError, "int64"),
    Refusal("nn.functional.fold", case(A(1, 8, 15), 5, 2), RuntimeError, "4 \\* 4 = 16, but got 15"),
    Refusal("nn.functional.fold", case(A(1, 7, 16), 5, 2), RuntimeError, r"divisible.*\[1, 7, 16\]"),
    Refusal("nn.functional.fold", case(A(1, 1, 8, 16), 5, 2), RuntimeError, r"\[1, 1, 8, 16\]"),
    Refusal("nn.functional.fold", case(A(1, 8, 0), 5, 2), RuntimeError, r"\[1, 8, 0\]"),
    Refusal("nn.functional.fold", case(A(1, 8, 16), (5, 5, 5), 2), RuntimeError, "got size 3"),
    Refusal("nn.functional.fold", case(A(1, 8, 16), (1, 1), 2), RuntimeError, r"0 \* 0"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("unfold", ROWS, REFUSALS)

DOUBLE = {"dtype": trainctl.float64, "requires_grad": True}


@pytest.mark.parametrize("name", ["unfold", "fold"])
def test_gradients_of_gradients_are_those_of_differences(name):
    trainctl.manual_seed(0)
    if name == "unfold":
        assert gradgradcheck(lambda x: F.unfold(x * x, 2, padding=1), (trainctl.rand(1, 1, 2, 3, **DOUBLE),))
    else:
        assert gradgradcheck(lambda x: F.fold(x * x, 3, 2), (trainctl.rand(1, 4, 4, **DOUBLE),))


def test_a_convolution_is_a_product_with_the_columns():
    trainctl.manual_seed(0)
    x, w = trainctl.rand(2, 3, 5, 6, **DOUBLE), trainctl.rand(4, 3, 2, 3, **DOUBLE)
    product = (w.reshape(4, -1) @ F.unfold(x, (2, 3), padding=1)).reshape(2, 4, 6, 6)
    np.testing.assert_allclose(product.detach().numpy(), F.conv2d(x, w, padding=1).detach().numpy(), rtol=1e-12)
