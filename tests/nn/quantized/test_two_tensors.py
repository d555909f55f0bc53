"""Functions of two tensors as modules, and of codes by PyTorch's names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import trainctl
from tests.nn.quantized.observed import observed
from trainctl import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
nnq = nn.quantized
OF_TWO = [
    "f.add(X, Y)", "f.mul(X, Y)", "f.add_relu(X, Y)", "f.cat([X, Y], 1)", "f.matmul(X, Y.permute(1, 0))",
]  # fmt: skip
OF_A_NUMBER = [
    "f.add_scalar(X, 0.3)", "f.add_scalar(X, -30.0)", "f.add_scalar(X, 30.0)", "f.mul_scalar(X, 2.5)",
    "f.mul_scalar(X, -2.5)", "f.mul_scalar(X, 0.0)",
]  # fmt: skip


def operands(library):
    rng = np.random.default_rng(0)
    x, y = (library.from_numpy(rng.normal(size=(5, 8)).astype(np.float32)) for _ in range(2))
    f = (library.ao.nn.quantized if hasattr(library, "ao") and library is not trainctl else nnq).QFunctional()
    f.scale, f.zero_point = 0.07, 110
    grid = library.quantize_per_tensor
    return {"f": f, "X": grid(x, 0.05, 100, library.quint8), "Y": grid(y, 0.03, 80, library.quint8)}


@pytest.mark.parametrize("expression", [*OF_TWO, *OF_A_NUMBER])
def test_a_function_gives_what_the_float_one_does(expression):
    names = operands(trainctl)
    y = eval(expression, names)
    numbers = {"f": nnq.FloatFunctional(), "X": names["X"].dequantize(), "Y": names["Y"].dequantize()}
    wanted = eval(expression, numbers)
    low, high = ((end - y.q_zero_point()) * y.q_scale() for end in (0, 255))
    assert (y.dequantize() - wanted.clamp(low, high)).abs().max() <= y.q_scale() * 0.51
    if expression in OF_TWO:
        assert (y.q_scale(), y.q_zero_point()) == (0.07, 110)
        names |= {name: each for name, each in numbers.items() if name != "f"}
        floats = eval(expression, names)
        assert not floats.is_quantized
        assert (floats - y.dequantize()).abs().max() <= 0.071


@pytest.mark.parametrize("expression", [*OF_TWO, *OF_A_NUMBER])
def test_codes_are_pytorch_s(expression):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    ours = eval(expression, operands(trainctl))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = eval(expression, operands(torch))
    assert (ours.q_scale(), ours.q_zero_point()) == (theirs.q_scale(), theirs.q_zero_point())
    assert np.abs(ours.int_repr().numpy().astype(int) - theirs.int_repr().numpy().astype(int)).max() <= 1


def test_an_observed_function_becomes_a_quantized_one():
    seen = []
    function = observed(nnq.FloatFunctional(), 0.5, 3)
    made = nnq.QFunctional.from_float(function)
    assert (made.scale, made.zero_point) == (0.5, 3)
    function.activation_post_process.register_forward_hook(lambda _, __, y: seen.append(y))
    function.add(trainctl.ones(2), trainctl.ones(2))
    function.add_scalar(trainctl.ones(2), 1.0)
    assert len(seen) == 1
    assert nnq.FXFloatFunctional().mul(trainctl.ones(2), trainctl.ones(2) * 3).tolist() == [3.0, 3.0]
    other = nnq.QFunctional()
    other.load_state_dict(made.state_dict())
    assert other.scale == 0.5
    with pytest.raises(TypeError, match="takes a FloatFunctional, got Linear"):
        nnq.QFunctional.from_float(nn.Linear(2, 3))


def test_wrong_uses_say_so():
    names = operands(trainctl)
    with pytest.raises(RuntimeError, match="put a QuantStub in front of the other one"):
        names["f"].add(names["X"], names["Y"].dequantize())
    for function in (nnq.QFunctional(), nnq.FloatFunctional(), nnq.FXFloatFunctional()):
        with pytest.raises(RuntimeError, match="call one of its methods"):
            function(names["X"])


# -- functions --------------------------------------------------------------------------------------------

FUNCTIONS = [
    "F.avg_pool2d(X, 2)", "F.avg_pool3d(X.unsqueeze(0), 2)", "F.adaptive_avg_pool2d(X, 2)", "F.max_pool2d(X, 3, 2, 1)",
    "F.adaptive_avg_pool3d(X.unsqueeze(0), 2)", "F.max_pool1d(X[0], 2)", "F.interpolate(X, scale_factor=2)",
    "F.upsample_nearest(X, 4)", "F.upsample_bilinear(X, 4)", "F.upsample(X, 4)", "F.celu(X, 0.06, 90, 1.2)",
    "F.elu(X, 0.06, 90, 1.2)", "F.hardswish(X, 0.06, 90)", "F.leaky_relu(X, 0.2, False, 0.06, 90)", "F.leaky_relu(X, 0.2)",
    "F.hardtanh(X)", "F.threshold(X, 0.12, 0.0)", "F.hardsigmoid(X)", "F.clamp(X, -0.5, 0.5)",
    "F.linear(X, M, B)", "F.linear(X, M, B, 0.3, 90)", "F.conv2d(X, K, None, 2, 1, 1, 2, scale=0.2, zero_point=90)",
"F.conv1d(X[:, :, 0], K[..., 0], B6, scale=0.2, zero_point=90, groups=2)",
]  # fmt: skip


def images(library, functional):
    rng = np.random.default_rng(0)
    x, m, k, b = (
        library.from_numpy(rng.normal(size=shape).astype(np.float32))
        for shape in ((3, 4, 8, 8), (6, 8), (6, 2, 3, 3), (6,))
    )
    grid = library.quantize_per_tensor
    return {
        "F": functional, "X": grid(x, 0.05, 100, library.quint8), "M": grid(m, 0.02, 0, library.qint8),
        "K": grid(k, 0.02, 0, library.qint8), "B": b, "B6": b,
    }  # fmt: skip


@pytest.mark.parametrize("expression", FUNCTIONS)
def test_functions_give_pytorch_s_codes(expression):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    torch.backends.quantized.engine = "fbgemm"
    ours = eval(expression, images(trainctl, nnq.functional))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = eval(expression, images(torch, torch.ao.nn.quantized.functional))
    assert (ours.q_scale(), ours.q_zero_point()) == (theirs.q_scale(), theirs.q_zero_point())
    assert np.abs(ours.int_repr().numpy().astype(int) - theirs.int_repr().numpy().astype(int)).max() <= 1


@pytest.mark.parametrize("expression", [each for each in FUNCTIONS if "linear" not in each and "conv" not in each])
def test_functions_want_quantized_tensors(expression):
    names = images(trainctl, nnq.functional)
    name = expression.partition("(")[0].removeprefix("F.").removesuffix("_nearest").removesuffix("_bilinear")
    name = "interpolate" if name == "upsample" else name
    with pytest.raises(ValueError, match=f"Input to 'quantized.{name}' must be quantized"):
        eval(expression, {**names, "X": names["X"].dequantize()})


def test_in_place_is_on_the_input_s_own_grid():
    x = images(trainctl, nnq.functional)["X"]
    assert nnq.functional.leaky_relu(x, 0.2, inplace=True) is x
    with pytest.raises(ValueError, match="inplace writes into the input"):
        nnq.functional.leaky_relu(x, 0.2, True, 0.1, 3)
    with pytest.raises(ValueError, match="'value' must be specified"):
        nnq.functional.threshold(x, 0.1, None)
