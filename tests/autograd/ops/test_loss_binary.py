"""Losses of yes-or-no targets against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

EACH = ("none", "mean", "sum")


def p(*shape, **options):
    return A(*shape, low=0.1, high=0.9, **options)


SIGNS = A(4, values=[1, -1, 1, -1], grad=False)
ROWS = [
    Row("nn.functional.binary_cross_entropy", [*(case(p(3, 4), p(3, 4), reduction=each) for each in EACH), case(p(), p()), case(p(0), p(0)), case(p(3, 4), p(3, 4), p(4, grad=False))]),
    Row("sure.binary_cross_entropy", [case(A(4, values=[0, 1, 0, 1]), A(4, values=[0, 1, 1, 0], grad=False))], gradcheck=False, call=lambda lib, x, t: lib.nn.functional.binary_cross_entropy(x, t, reduction="none")),
    Row("nn.functional.binary_cross_entropy_with_logits", [
        *(case(A(3, 4), p(3, 4), reduction=each) for each in EACH), case(A(), p()), case(A(0), p(0)), case(A(3, 4), p(3, 4), p(4, grad=False)), case(A(3, 4), p(3, 4), pos_weight=p(4, grad=False)),
        case(A(3, 4), p(3, 4), p(3, 1, grad=False), pos_weight=p(1, grad=False)), case(A(4, low=-99, high=99), p(4)),
    ]),
    Row("nn.functional.soft_margin_loss", [*(case(A(4), SIGNS, reduction=each) for each in EACH), case(A(2, 3), A(3, grad=False))]),
    Row("nn.functional.multilabel_soft_margin_loss", [*(case(A(3, 4), p(3, 4), reduction=each) for each in EACH), case(A(4), p(4)), case(A(3, 4), p(3, 4), p(4)), case(A(2, 3, 4), p(2, 3, 4), reduction="none")]),
]  # fmt: skip

REFUSALS = [
    *(Refusal(f"nn.functional.{name}", case(p(2), p(2), reduction="average"), ValueError, "average") for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss", "multilabel_soft_margin_loss")),
    Refusal("nn.functional.binary_cross_entropy", case(p(2), p(2, 1)), ValueError, "Target size"),
    Refusal("nn.functional.binary_cross_entropy", case(A(2, values=[0.5, 1.5]), p(2)), RuntimeError, "input should be between 0 and 1"),
    Refusal("nn.functional.binary_cross_entropy", case(p(2), A(2, values=[0.5, -1])), RuntimeError, "target should be between 0 and 1"),
    Refusal("nn.functional.binary_cross_entropy", case(p(2), p(2, dtype="float64")), RuntimeError, "float64.*expected float32"),
    Refusal("nn.functional.binary_cross_entropy", case(p(2), p(2), p(3)), RuntimeError, "3"),
    Refusal("nn.functional.binary_cross_entropy_with_logits", case(A(2), p(1)), ValueError, "same as input size"),
    Refusal("nn.functional.binary_cross_entropy_with_logits", case(A(2), p(2), p(3, 2)), RuntimeError, r"\[2\].*\[3, 2\]"),
    Refusal("nn.functional.soft_margin_loss", case(A(2), A(3)), RuntimeError, "2"),
    Refusal("nn.functional.multilabel_soft_margin_loss", case(A(), A()), IndexError, "index|dimension"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("loss_binary", ROWS, REFUSALS)
