"""Margin losses of classes against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

EACH = ("none", "mean", "sum")


def classes(values):
    return A(values=values, dtype="int64")


ROWS = [
    Row("nn.functional.multi_margin_loss", [
        *(case(A(3, 4), classes([0, 3, 1]), reduction=each) for each in EACH), case(A(3, 4), classes([0, 3, 1]), 2, 0.5), case(A(4), classes(2)), case(A(4), classes([2]), reduction="none"),
        case(A(3, 4), classes([0, 3, 1]), weight=A(4, low=0.2, grad=False)), case(A(), classes(0)),
    ]),
    Row("nn.functional.multilabel_margin_loss", [
        *(case(A(3, 4), classes([[0, 2, -1, 1], [1, 1, -1, 0], [-1, 0, 0, 0]]), reduction=each) for each in EACH), case(A(3), classes([0, 1, 2])), case(A(3), classes([2, -1, 0])), case(A(), classes(0)),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.multi_margin_loss", case(A(1, 2), classes([0]), 3), ValueError, "got 3"),
    Refusal("nn.functional.multi_margin_loss", case(A(1, 2), classes([2])), RuntimeError, "out of range"),
    Refusal("nn.functional.multi_margin_loss", case(A(1, 2), classes([-1])), RuntimeError, "out of range"),
    Refusal("nn.functional.multi_margin_loss", case(A(2, 2), classes([0])), RuntimeError, r"expected 2 but got \[1\]"),
    Refusal("nn.functional.multi_margin_loss", case(A(1, 2), A(1, dtype="int32")), RuntimeError, "int32"),
    Refusal("nn.functional.multi_margin_loss", case(A(1, 2), classes([0]), weight=A(3)), RuntimeError, r"\[3\]"),
    Refusal(
        "nn.functional.multi_margin_loss", case(A(1, 2), classes([0]), weight=A(1, 2)), ValueError, "one-dimensional"
    ),
    Refusal("nn.functional.multi_margin_loss", case(A(2, 0), classes([0, 0])), RuntimeError, r"\[2, 0\]"),
    Refusal("nn.functional.multilabel_margin_loss", case(A(2), classes([[1, 0]])), RuntimeError, r"\[1, 2\].*\[2\]"),
    Refusal("nn.functional.multilabel_margin_loss", case(A(2), classes([2, -1])), RuntimeError, "out of range"),
    Refusal("nn.functional.multilabel_margin_loss", case(A(2), A(2)), RuntimeError, "float32"),
]

test_values, test_gradient, test_refusal = table("loss_margin", ROWS, REFUSALS)
