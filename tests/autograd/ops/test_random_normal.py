"""Normal numbers of given means and deviations: their moments, dtypes, gradients and that a seed decides them."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

N = 200_000


def seeded() -> trainctl.Generator:
    return trainctl.Generator().manual_seed(0)


def kind_of(lib, *args, **kwargs):
    """Return zeros of the shape and dtype of the draw: what it has in common with PyTorch's."""
    return lib.normal(*args, **kwargs).detach() * 0


STILL = A(2, 3, low=0, high=0)  # a deviation of 0: then a draw is its mean

ROWS = [
    Row("normal", [case(A(2, 3), STILL), case(A(3), STILL), case(A(2, 3), 0.0), case(A(2, 3), std=0), case(mean=1.5, std=STILL), case(2.0, 0.0, (2, 3)), case(2, 0, size=(3,), dtype="dtype:float64"), case(A(2, dtype="float64"), A(2, low=0, high=0)), case(A(0, 3), 0.0), case(A(), 0.0), case(A(2, 3, layout="T"), 0.0)], gradcheck=False),
    Row("normal of a kind", [case(A(2, 3)), case(A(2, 3), A(3, low=0, dtype="int64")), case(A(2), A(2, low=0, dtype="float64", grad=False)), case(A(2, dtype="float16", grad=False), 1.0), case(A(2, dtype="complex64", grad=False), 1.0), case(0.0, 1.0, (2, 0)), case(0.0, A(3, low=0))], gradcheck=False, call=kind_of),
]  # fmt: skip

REFUSALS = [
    Refusal("normal", case(0.0, 1.0), TypeError, "or a size"),
    Refusal("normal", case(A(2), -1.0), RuntimeError, "std >= 0.0, but found std -1"),
    Refusal("normal", case(A(2), A(values=[1.0, -1.0])), RuntimeError, "all elements of std >= 0.0, got -1"),
    Refusal("normal", case(0.0, -1.0, (2,)), RuntimeError, "found std -1"),
    Refusal("normal", case(A(2, dtype="int64"), 1.0), NotImplementedError, "int64"),
    Refusal("normal", case(0.0, A(2, low=0, dtype="int64")), NotImplementedError, "int64"),
    Refusal("normal", case(A(2), A(2, dtype="complex64")), RuntimeError, "non-complex"),
    Refusal("normal", case(A(2, dtype="complex64"), 1.0), RuntimeError, "automatic differentiation"),
    Refusal("normal", case(A(2), A(3, low=0)), RuntimeError, r"\[2\] and \[3\]"),
]

test_values, test_gradient, test_refusal = table("random_normal", ROWS, REFUSALS)


@pytest.mark.parametrize("kind", [trainctl.float32, trainctl.float64, trainctl.bfloat16])
def test_each_element_has_its_mean_and_deviation(kind):
    mean, std = trainctl.tensor([[-3.0], [5.0]], dtype=kind), trainctl.tensor([[0.5], [2.0]], dtype=kind)
    drawn = trainctl.normal(mean.expand(2, N), std, generator=seeded())
    assert drawn.dtype is kind
    values = drawn.double().numpy()
    assert values.mean(1) == pytest.approx([-3, 5], abs=5 * 2 / N**0.5)
    assert values.std(1) == pytest.approx([0.5, 2], rel=5 / N**0.5)


def test_a_seed_decides():
    draws = [trainctl.normal(trainctl.zeros(3), 1.0, generator=seeded()).numpy() for _ in range(2)]
    assert np.array_equal(*draws)
