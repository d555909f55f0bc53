"""Dense layers."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


def fixed(lib, inputs, outputs, bias=True, dtype=None):
    """Return a layer whose weights count from 1."""
    layer = lib.nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
    with lib.no_grad():
        layer.weight.copy_(lib.arange(1, inputs * outputs + 1).reshape(outputs, inputs))
        if bias:
            layer.bias.copy_(lib.arange(1, outputs + 1) * 100)
    return layer


@scripts.gives([[103.0, 207.0], [106.0, 214.0]])
def a_product_and_a_sum(lib):
    return fixed(lib, 2, 2)(lib.tensor([[1.0, 1.0], [2.0, 2.0]])).detach()


@scripts.gives([[3.0, 7.0]])
def without_bias(lib):
    layer = fixed(lib, 2, 2, bias=False)
    assert layer.bias is None
    return layer(lib.ones(1, 2))


@scripts.gives([[2], [4, 2], [3, 4, 2], [0, 2], [2, 0, 2]])
def any_leading_dims(lib):
    layer = fixed(lib, 3, 2)
    return [layer(lib.ones(*shape, 3)).shape for shape in ((), (4,), (3, 4), (0,), (2, 0))]


@scripts.gives(([[4.0, 6.0]], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0]))
def gradients(lib):
    layer, x = fixed(lib, 2, 2), lib.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    return x.grad, layer.weight.grad, layer.bias.grad


@scripts.gives((["weight", "bias"], [[3, 2], [3]], "lib.float64", 2, 3))
def facts(lib):
    layer = lib.nn.Linear(2, 3, dtype=lib.float64, device="cpu")
    return (
        list(layer.state_dict()),
        [p.shape for p in layer.parameters()],
        layer.weight.dtype,
        layer.in_features,
        layer.out_features,
    )


@scripts.gives(
    ["Linear(in_features=2, out_features=3, bias=True)", "Linear(in_features=2, out_features=3, bias=False)"]
)
def texts(lib):
    return [repr(lib.nn.Linear(2, 3)), repr(lib.nn.Linear(2, 3, bias=False))]


@scripts.raises(RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \(4x5 and 3x2\)")
def an_input_of_another_width(lib):
    fixed(lib, 3, 2)(lib.ones(4, 5))


@scripts.raises(RuntimeError, "dtype|type")
def an_input_of_another_dtype(lib):
    fixed(lib, 3, 2)(lib.ones(4, 3, dtype=lib.float64))


@scripts.agrees(rtol=1e-9, atol=1e-12)
def bilinear_values_gradients_state_and_text(lib):
    layers = [filled(lib.nn.Bilinear(2, 3, 4, bias=bias), lib) for bias in (True, False)]
    return [
        outcome(layer, [drawn(lib, *lead, 2), drawn(lib, *lead, 3, seed=2)])
        for layer in layers
        for lead in ((5,), (), (2, 5))
    ]


@scripts.gives([["weight", "bias"], [[4, 2, 3], [4]], ["weight"]])
def bilinear_facts(lib):
    layer = lib.nn.Bilinear(2, 3, 4)
    return [
        list(layer.state_dict()),
        [each.shape for each in layer.parameters()],
        list(lib.nn.Bilinear(2, 3, 4, bias=False).state_dict()),
    ]


@scripts.raises(ValueError, "in1_features must be > 0")
def bilinear_of_nothing(lib):
    lib.nn.Bilinear(0, 3, 4)


@scripts.raises(RuntimeError, "input2 size does not match weight size: got 2 but expected 3")
def bilinear_inputs_of_another_width(lib):
    lib.nn.Bilinear(2, 3, 4)(lib.ones(5, 2), lib.ones(5, 2))


test_script = scripts.test()


@pytest.mark.parametrize("inputs", [1, 4, 100, 784])
def test_initial_weights_are_uniform_within_pytorch_s_bounds(inputs):
    trainctl.manual_seed(0)
    layer = nn.Linear(inputs, 2000)
    bound = inputs**-0.5
    for values in (layer.weight.detach().numpy().ravel(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.99 * bound
        assert np.std(values) == pytest.approx(bound / 3**0.5, rel=0.05)
        assert np.mean(values) == pytest.approx(0, abs=0.06 * bound)


def test_layers_of_size_zero_can_be_made():
    assert nn.Linear(0, 3)(trainctl.ones(2, 0)).detach().abs().sum().item() == 0
    assert nn.Linear(3, 0)(trainctl.ones(2, 3)).shape == (2, 0)


def test_a_seed_decides_the_initial_weights():
    def made():
        trainctl.manual_seed(3)
        return nn.Linear(3, 2).weight

    assert trainctl.equal(made(), made())


def test_bilinear_initial_weights_are_uniform_within_pytorch_s_bounds():
    trainctl.manual_seed(0)
    layer = nn.Bilinear(25, 20, 30)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert 0.9 * 0.2 < np.abs(values).max() <= 0.2
    assert np.std(layer.weight.detach().numpy()) == pytest.approx(0.2 / 3**0.5, rel=0.05)
