"""Activations with a smooth curve against PyTorch, against differences, and twice differentiated."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
FORMS = [*unary_cases(-4, 4, ints=False), case(A(3, dtype="float16"))]
FAR = case(A(7, values=[-100.0, -30.0, -0.0, 0.0, 20.0, 30.0, 100.0]))
OPTIONS = {
    "elu": [{"alpha": 2.0}, {"alpha": -0.5}], "celu": [{"alpha": 2.0}, {"alpha": -0.7}], "selu": [], "gelu": [{"approximate": "tanh"}], "silu": [], "mish": [],
    "softplus": [{"beta": 2.0}, {"threshold": 1.0}, {"beta": -1.0, "threshold": 0.5}], "logsigmoid": [], "softsign": [], "tanhshrink": [],
}  # fmt: skip
IN_PLACE = ("elu", "celu", "selu")


def in_place(name):
    return lambda lib, x: getattr(lib.nn.functional, name)(x.clone(), inplace=True)


ROWS = [
    *(Row(f"nn.functional.{name}", [*FORMS, *(case(A(3, 4, low=-4, high=4), **each) for each in options)]) for name, options in OPTIONS.items()),
    *(Row(f"far.{name}", [FAR], gradcheck=False, call=lambda lib, x, name=name: getattr(lib.nn.functional, name)(x)) for name in OPTIONS),
    *(Row(f"inplace.{name}", [case(A(2, 3)), case(A())], call=in_place(name)) for name in (*IN_PLACE, "silu", "mish")),
    *(Row(f"nn.functional.{name}_", [case(A(2, 3, grad=False)), case(A(0, grad=False))]) for name in IN_PLACE),
    *(Row(name, [case(A(3))]) for name in ("celu", "selu")),
    *(Row(f"whole.{name}", [case(A(3, dtype="int64")), case(A(3, dtype="complex64"))], call=lambda lib, x, name=name: getattr(lib.nn.functional, name)(x)) for name in ("softsign", "tanhshrink")),
    Row("complex.silu", [case(A(3, dtype="complex64", grad=False))], call=lambda lib, x: lib.nn.functional.silu(x)),
]  # fmt: skip

REFUSALS = [
    *(Refusal(f"nn.functional.{name}", case(A(2, dtype="int64")), NotImplementedError, f"{name}.*int64") for name in OPTIONS if name not in ("softsign", "tanhshrink")),
    Refusal("nn.functional.celu", case(A(2), 0.0), RuntimeError, "alpha cannot be 0"),
    Refusal("nn.functional.elu", case(A(2), 1j), RuntimeError, "1j"),
    Refusal("nn.functional.gelu", case(A(2), approximate="erf"), RuntimeError, "none or tanh, got erf"),
    Refusal("nn.functional.elu", case(3.0), TypeError, "must be Tensor, not float"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("activation_smooth", ROWS, REFUSALS)


@pytest.mark.parametrize(("name", "options"), [(name, each) for name, more in OPTIONS.items() for each in ({}, *more)])
def test_the_gradient_has_a_gradient(name, options):
    x = trainctl.tensor([-2.1, -0.4, 0.3, 2.2], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda each: getattr(trainctl.nn.functional, name)(each, **options), (x,))


def test_nothing_is_lost_far_out():
    x = trainctl.tensor([-80.0, -20.0], requires_grad=True)
    y = trainctl.nn.functional.softplus(x)
    y.sum().backward()
    want = trainctl.exp(x.detach())
    assert trainctl.allclose(y, want, rtol=1e-6, atol=0)
    assert trainctl.allclose(x.grad, want, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["elu", "celu", "selu"])
def test_the_second_derivative_at_0_is_that_of_the_upper_side(name):
    x = trainctl.zeros(1, requires_grad=True)
    (slope,) = trainctl.autograd.grad(getattr(trainctl.nn.functional, name)(x).sum(), x, create_graph=True)
    assert trainctl.autograd.grad(slope.sum(), x)[0].item() == 0
