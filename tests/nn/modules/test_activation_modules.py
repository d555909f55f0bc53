"""Activations as modules: what their functional form gives, with the constructor's options; their texts."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()

LAYERS = [
    ("CELU", {"alpha": 2.0}), ("ELU", {"alpha": 2.0, "inplace": True}), ("SELU", {"inplace": True}), ("GELU", {}), ("GELU", {"approximate": "tanh"}), ("GLU", {"dim": 1}),
    ("Hardshrink", {"lambd": 1.0}), ("Hardsigmoid", {}), ("Hardswish", {"inplace": True}), ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}), ("Hardtanh", {"min_val": -2, "inplace": True}),
    ("LeakyReLU", {"negative_slope": 0.2}), ("LeakyReLU", {"inplace": True}), ("LogSigmoid", {}), ("Mish", {}), ("PReLU", {}), ("PReLU", {"num_parameters": 4, "init": 0.1}), ("ReLU6", {}),
    ("ReLU6", {"inplace": True}), ("SiLU", {"inplace": True}), ("Softmin", {"dim": 1}), ("Softplus", {"beta": 2, "threshold": 3}), ("Softshrink", {}), ("Softsign", {}),
    ("Tanhshrink", {}), ("Threshold", {"threshold": 0.3, "value": 2.0, "inplace": True}), ("Softmax2d", {}),
]  # fmt: skip

for _name, _options in LAYERS:

    @scripts.agrees(rtol=1e-6, atol=1e-7)
    def a_layer(lib, name=_name, options=_options):
        layer = getattr(lib.nn, name)(**options).double()
        shape = (2, 4, 3, 1) if name == "Softmax2d" else (6, 4)
        x = lib.linspace(-4, 4, 24, dtype=lib.float64).reshape(shape).requires_grad_()
        y = layer(x * 1)
        (y * y).sum().backward()
        return y, x.grad, [each.grad for each in layer.parameters()], repr(layer), list(layer.state_dict())


@scripts.agrees()
def random_slopes_only_in_training(lib):
    layer = lib.nn.RReLU(0.2, 0.4)
    drawn = layer(lib.full((100,), -1.0))
    return repr(layer), bool((drawn != drawn[0]).any()), layer.eval()(lib.tensor([-1.0, 2.0]))


@scripts.raises(AssertionError, r"max_val \(-1\) must be greater than min_val \(1\)")
def limits_the_wrong_way_round(lib):
    lib.nn.Hardtanh(1, -1)


@scripts.raises(ValueError, "3D or 4D, got 2D")
def softmax_over_no_channels(lib):
    lib.nn.Softmax2d()(lib.zeros(2, 3))


test_script = scripts.test()
