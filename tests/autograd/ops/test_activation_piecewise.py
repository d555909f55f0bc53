"""Activations made of straight pieces against PyTorch, against differences, and at their corners."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases
from trainctl.autograd.gradcheck import gradgradcheck

INF = float("inf")
FORMS = [*unary_cases(-4, 4, ints=False), case(A(3, dtype="float16"))]
CORNERS = case(A(13, values=[-INF, -6, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 6, 20, INF]))
INTS = A(4, dtype="int64", low=-9, high=9)
OPTIONS = {
    "leaky_relu": [{"negative_slope": 0.2}, {"negative_slope": -1.0}], "hardtanh": [{"min_val": -2.0, "max_val": 0.5}], "relu6": [], "hardswish": [],
    "hardsigmoid": [], "hardshrink": [{"lambd": 1.0}, {"lambd": 0.0}], "softshrink": [{"lambd": 1.0}, {"lambd": 0.0}], "rrelu": [{"lower": 0.1, "upper": 0.5}],
    "threshold": [],
}  # fmt: skip
POSITIONAL = {"threshold": (0.3, -1.5)}


def functional(name, **options):
    return lambda lib, x: getattr(lib.nn.functional, name)(x, *POSITIONAL.get(name, ()), **options)


def in_place(name):
    return lambda lib, x: getattr(lib.nn.functional, name)(x.clone(), *POSITIONAL.get(name, ()), inplace=True)


ROWS = [
    *(Row(f"forms.{name}", FORMS, call=functional(name)) for name in OPTIONS),
    *(Row(f"options.{name}.{i}", [case(A(3, 4, low=-4, high=4))], call=functional(name, **each)) for name, more in OPTIONS.items() for i, each in enumerate(more)),
    *(Row(f"corners.{name}", [CORNERS], gradcheck=False, call=functional(name)) for name in OPTIONS if name != "hardswish"),
    Row("corners.hardswish", [case(A(7, values=[-6, -3, -1, 0, 1, 3, 6]))], gradcheck=False, call=functional("hardswish")),
    *(Row(f"inplace.{name}", [case(A(2, 3)), case(A())], call=in_place(name)) for name in OPTIONS if name not in ("hardshrink", "softshrink")),
    *(Row(f"nn.functional.{name}_", [case(A(2, 3, grad=False))]) for name in ("leaky_relu", "hardtanh", "rrelu", "relu")),
    *(Row(name, [case(A(3), 0.5)]) for name in ("hardshrink", "Tensor.hardshrink")),
    Row("threshold", [case(A(3), 0.5, 2), case(INTS, 0.5, 1.7), case(A(3, dtype="uint8", low=0, high=9), 3, 7)], gradcheck=False),
    Row("threshold_", [case(A(3, grad=False), 0.5, 2)]),
    Row("whole.relu6", [case(INTS), case(A(3, dtype="uint8", low=0, high=99))], call=functional("relu6")),
    Row("whole.hardtanh", [case(INTS)], call=functional("hardtanh", min_val=-2.5, max_val=3.5)),
    Row("nn.functional.prelu", [
        case(A(3, 4), A(4)), case(A(2, 3, 4), A(3)), case(A(2, 3, 4, 5), A(3)), case(A(3, 4), A(1)), case(A(3, 4), A()), case(A(), A(1)), case(A(), A()), case(A(5), A(1)),
        case(A(0, 3), A(3)), case(A(2, 3, layout="T"), A(3, layout="step")), case(A(2, 3, dtype="float16"), A(3, dtype="float16")),
    ]),
    Row("Tensor.prelu", [case(A(3), A(1)), case(A(2, values=[INF, -1]), A(1))], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    *(Refusal(f"nn.functional.{name}", case(A(2, dtype="int64")), NotImplementedError, f"{name}.*int64") for name in ("leaky_relu", "hardswish", "hardsigmoid", "hardshrink", "softshrink")),
    Refusal("nn.functional.hardtanh", case(A(2), 1.0, -1.0), ValueError, "1.0 and -1.0"),
    Refusal("nn.functional.hardtanh", case(A(2, dtype="bool")), RuntimeError, "hardtanh.*bool"),
    Refusal("nn.functional.hardtanh", case(A(2, dtype="uint8")), RuntimeError, "unsigned type with negative limits"),
    Refusal("nn.functional.relu6", case(A(2, dtype="complex64")), NotImplementedError, "relu6.*complex64"),
    Refusal("threshold", case(A(2, dtype="bool"), 0, 1), NotImplementedError, "threshold.*bool"),
    Refusal("threshold", case(A(2, dtype="uint8"), 1, 300), RuntimeError, "uint8 without overflow: 300"),
    Refusal("nn.functional.softshrink", case(A(2), -1.0), RuntimeError, "found -1.0"),
    Refusal("nn.functional.rrelu", case(A(2), 0.5, 0.2), RuntimeError, "0.5 and 0.2"),
    Refusal("nn.functional.prelu", case(A(2, 3), A(2)), RuntimeError, r"\(2\).*\(3\)"),
    Refusal("nn.functional.prelu", case(A(2, 3), A(1, 3)), RuntimeError, r"\[1, 3\]"),
    Refusal("nn.functional.prelu", case(A(2), A(1, dtype="float64")), RuntimeError, "float32 and float64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("activation_piecewise", ROWS, REFUSALS)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_the_gradient_has_a_gradient(name):
    x = trainctl.tensor([-2.1, -0.4, 0.35, 2.2], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda each: functional(name)(trainctl, each), (x,))


def test_random_shares_are_within_their_bounds_and_follow_the_seed():
    F, x = trainctl.nn.functional, trainctl.full((200,), -1.0)
    trainctl.manual_seed(3)
    first = F.rrelu(x, 0.1, 0.3, training=True)
    trainctl.manual_seed(3)
    assert trainctl.equal(first, F.rrelu(x, 0.1, 0.3, training=True))
    assert -0.3 <= first.min() < -0.28
    assert -0.12 < first.max() <= -0.1


def test_the_gradient_of_random_shares_is_the_shares():
    x = trainctl.tensor([-1.0, 2.0], requires_grad=True)
    y = trainctl.rrelu(x, training=True)
    y.sum().backward()
    assert trainctl.allclose(x.grad, y / x)
