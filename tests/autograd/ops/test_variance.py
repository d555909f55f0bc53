"""Variances and standard deviations, alone and with their means, against PyTorch and against differences."""

from __future__ import annotations

import functools

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INTS = A(3, 4, dtype="int64", low=-5, high=6)
NAMES = ("var", "std", "var_mean", "std_mean")
CASES = [
    case(A(3, 4)), case(A(2, 3, 4), dim=0), case(A(2, 3, 4), dim=-1), case(A(2, 3, 4), dim=1, keepdim=True), case(A(2, 3), axis=1, keepdims=True), case(A(2, 0), dim=0),
    case(A(3, 4, layout="T"), dim=0), case(A(3, 4, layout="step"), dim=1), case(A(2, 3, dtype="float64"), dim=1), case(A(2, 5, dtype="float16"), dim=1),
    case(A(2, 3, 4), dim=(0, 2)), case(A(2, 3, 4), dim=[-1, 0], keepdim=True), case(A(2, 3, 4), (1,)), case(A(2, 3), False),
    case(A(2, 3), unbiased=False), case(A(3, 4), 1, False), case(A(3, 4), 1, False, True), case(A(3, 4), (0, 1), True, True), case(A(3, 4), dim=0, correction=0),
    case(A(3, 4), correction=2), case(A(3, 4), 1, correction=0.5), case(A(3, 4), dim=None, keepdim=True, correction=1), case(A(3, 4), [0], correction=1, keepdim=True),
    case(A(2, 3, dtype="complex64"), 1), case(A(2, 3, dtype="complex64")),
]  # fmt: skip
# As many elements as the correction or fewer, and equal elements: there is a gradient, but not one that differences would show.
FREE = [
    case(A(1)), case(A()), case(A(1), 0), case(A(), 0), case(A(3), 0, correction=5), case(A(3, 4), 0, correction=3), case(A(3, 4), correction=12), case(A(3, 4), (0, 1), correction=13),
    case(A(2, 3, values=[[1, 1, 1], [1, 2, 3]]), 1), case(A(2, 3, values=[[1, 1, 1], [1, 2, 3]]), 1, correction=4), case(A(1), unbiased=False), case(A(2, 0), dim=1), case(A(0)),
    case(A(2, dtype="complex64"), correction=2),
]  # fmt: skip

ROWS = [
    *(Row(name, CASES, rtol=2e-5) for name in NAMES),
    *(Row(f"{name}, nothing free", FREE, gradcheck=False, call=lambda t, x, *a, name=name, **k: getattr(t, name)(x, *a, **k)) for name in NAMES),
    # PyTorch's gradient is infinite there: it takes the number of elements for 1.
    *(Row(f"{name} over ()", [case(A(2, 3, 4), dim=())], grad=False, call=lambda t, x, name=name, **k: getattr(t, name)(x, **k)) for name in NAMES),
    *(Row(f"Tensor.{name}", [case(A(3, 4), 1), case(A(3, 4), False)]) for name in NAMES[:2]),
]  # fmt: skip

REFUSALS = [
    *(Refusal(name, case(INTS), RuntimeError, "floating point and complex.*int64") for name in NAMES),
    *(Refusal(name, case(A(2, 3), 2), IndexError, "got 2") for name in NAMES),
]

test_values, test_gradient, test_refusal = table("variance", ROWS, REFUSALS)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.var(), lambda x: x.var(1, correction=0), lambda x: x.std(0), lambda x: x.std(),
        lambda x: trainctl.std_mean(x, 0)[0], lambda x: trainctl.var_mean(x)[1],
    ],
)  # fmt: skip
def test_gradients_of_gradients(function):
    x = trainctl.tensor([[0.5, -1.0, 2.0], [1.5, 0.2, -0.7]], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: function(x) ** 3, x)


@pytest.mark.parametrize("name", NAMES)
def test_no_degrees_of_freedom_are_warned_of(name):
    x = trainctl.ones(3, 2)
    call = getattr(x, name, None) or functools.partial(getattr(trainctl, name), x)
    says = rf"^{name}\(\): degrees of freedom is <= 0.*shape \[3, 2\] over dims \[0\] leaves -1"
    with pytest.warns(UserWarning, match=says) as caught:
        call(0, correction=4)
    assert caught[0].filename == __file__
