"""Activations along a dim against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("nn.functional.glu", [
        case(A(4)), case(A(3, 4)), case(A(4, 3), 0), case(A(2, 4, 3), dim=-2), case(A(0, 4)), case(A(4, 0)), case(A(3, 4, layout="T")), case(A(2, 6, dtype="float16")),
    ]),
    Row("nn.functional.softmin", [
        case(A(2, 3), 1), case(A(2, 3, 4), -1), case(A(), 0), case(A(3, 0), 0), case(A(3, dtype="int64"), 0, dtype="dtype:float64"), case(A(2, 3), dim=0),
        case(A(2, 3, low=-99, high=99), 1),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.glu", case(A(3)), RuntimeError, r"dimension 0 is size 3 \(input \[3\]\)"),
    Refusal("nn.functional.glu", case(A()), RuntimeError, "scalars"),
    Refusal("nn.functional.glu", case(A(4), 1), IndexError, "got 1"),
    Refusal("nn.functional.glu", case(A(4, dtype="int64")), NotImplementedError, "glu.*int64"),
    Refusal("nn.functional.softmin", case(A(2, dtype="int64"), 0), NotImplementedError, "softmax.*int64"),
    Refusal("nn.functional.gumbel_softmax", case(A(2, dtype="int64")), RuntimeError, "gumbel_softmax.*int64"),
]

test_values, test_gradient, test_refusal = table("activation_along", ROWS, REFUSALS)


def test_a_gumbel_sample_is_a_distribution_and_a_hard_one_is_one_hot():
    F, logits = trainctl.nn.functional, trainctl.randn(50, 4)
    soft = F.gumbel_softmax(logits, tau=0.7)
    hard = F.gumbel_softmax(logits, hard=True, dim=0)
    assert trainctl.allclose(soft.sum(1), trainctl.ones(50))
    assert bool((soft >= 0).all())
    assert sorted(set(hard.round().flatten().tolist())) == [0.0, 1.0]
    assert trainctl.allclose(hard.sum(0), trainctl.ones(4))


def test_gumbel_samples_follow_the_probabilities():
    trainctl.manual_seed(0)
    logits = trainctl.tensor([0.1, 0.2, 0.7]).log().expand(20000, 3)
    shares = trainctl.nn.functional.gumbel_softmax(logits, hard=True).mean(0)
    assert trainctl.allclose(shares, trainctl.tensor([0.1, 0.2, 0.7]), atol=0.015)


def test_a_hard_gumbel_sample_has_the_soft_gradient():
    logits = trainctl.zeros(3, requires_grad=True)
    (trainctl.nn.functional.gumbel_softmax(logits, hard=True) * trainctl.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert abs(logits.grad.sum().item()) < 1e-6
    assert bool((logits.grad != 0).any())
