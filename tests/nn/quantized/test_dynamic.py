"""Dense layers whose inputs are brought to a grid when they are seen."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import trainctl
from tests.nn.quantized.observed import observed
from trainctl import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
nnqd = nn.quantized.dynamic


def pair(per_row=False, bias=True):
    trainctl.manual_seed(0)
    layer = nn.Linear(12, 7, bias)
    return layer, nnqd.Linear.from_float(layer, per_row=per_row), trainctl.randn(5, 3, 12)


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_quantized_layer_gives_what_the_float_one_does(per_row, bias):
    layer, quantized, x = pair(per_row, bias)
    assert (quantized(x) - layer(x)).abs().max() < 0.05
    for shape in ((12,), (0, 12), (1, 1, 12)):
        assert quantized(trainctl.ones(*shape)).shape == (*shape[:-1], 7)
    assert (quantized(trainctl.zeros(2, 12)) - (layer.bias if bias else 0)).abs().max() < 1e-6
    assert quantized(x.double()).dtype is trainctl.float64
    other = nnqd.Linear(12, 7, bias, per_row=per_row)
    other.load_state_dict(quantized.state_dict())
    for same in (other, copy.deepcopy(quantized)):
        assert trainctl.equal(same(x), quantized(x))
    assert set(quantized.state_dict()) == {"weight_codes", "weight_scale", "weight_zero_point", *["bias_float"] * bias}


def test_rows_are_of_no_account_to_each_other():
    _, rows, x = pair(per_row=True)
    assert trainctl.equal(rows(x)[:2], rows(x[:2]))
    x[0, 0, 0] = 1e6
    x[0, 1, 0] = float("nan")
    assert trainctl.equal(rows(x)[1:], rows(x[1:]))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_grid_spans_what_is_not_finite(number):
    _, quantized, x = pair()
    x[0, 0, 0] = number
    with pytest.raises(RuntimeError, match="expected neither NaN nor infinity"):
        quantized(x)


def test_what_is_below_0_becomes_0():
    layer, _, x = pair()
    for per_row in (False, True):
        quantized = nnqd.LinearReLU.from_float(layer, per_row=per_row)
        assert (quantized(x) - layer(x).relu()).abs().max() < 0.05
        assert quantized(x).min() == 0


def test_wrong_inputs_and_weights_say_so():
    _, quantized, x = pair()
    with pytest.raises(NotImplementedError, match=r"it takes float numbers; dequantize\(\) it"):
        quantized(trainctl.quantize_per_tensor(x, 0.1, 0, trainctl.quint8))
    with pytest.raises(RuntimeError, match=r"expected a floating-point input, got trainctl.int64"):
        quantized(x.long())
    with pytest.raises(RuntimeError, match="expected an input of 12 features"):
        quantized(x[..., :3])
    with pytest.raises(RuntimeError, match="weights are qint8"):
        nnqd.Linear(2, 3, dtype=trainctl.float16)
    with pytest.raises(TypeError, match="takes a Linear"):
        nnqd.Linear.from_float(nn.Flatten())


def test_weights_are_observed_as_the_qconfig_says():
    layer, quantized, _ = pair()
    assert quantized.weight().qscheme() is trainctl.per_tensor_affine
    assert nnqd.Linear.from_float(observed(layer)).weight().qscheme() is trainctl.per_channel_affine
    assert repr(quantized) == (
        "DynamicQuantizedLinear(in_features=12, out_features=7, dtype=trainctl.qint8, qscheme=trainctl.per_tensor_affine)"
    )


@pytest.mark.parametrize("bias", [False, True])
def test_numbers_are_pytorch_s(bias):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    torch.backends.quantized.engine = "fbgemm"
    layer, quantized, x = pair(bias=bias)
    theirs = torch.nn.Linear(12, 7, bias)
    theirs.load_state_dict({key: torch.from_numpy(each.numpy()) for key, each in layer.state_dict().items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(theirs), {torch.nn.Linear})[0]
        wanted = theirs(torch.from_numpy(x.numpy())).numpy()
        codes = theirs.weight().int_repr().numpy()
    assert np.array_equal(quantized.weight_codes.numpy(), codes)
    assert quantized.weight_scale.item() == np.float32(theirs.weight().q_scale())
    assert np.abs(quantized(x).numpy() - wanted).max() < 1e-5
