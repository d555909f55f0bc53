"""Transposed convolutions on codes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import trainctl
from trainctl import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
OPTIONS = [
    {}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2, "dilation": 2, "stride": 3}, {"padding": 2, "bias": False},
]  # fmt: skip


def pair(dims, options, per_channel=False):
    """Return a float layer and the quantized layer of the same weights, which it is given, too; and an input."""
    trainctl.manual_seed(0)
    layer = getattr(nn, f"ConvTranspose{dims}d")(4, 6, 3, **options)
    quantized = getattr(nn.quantized, f"ConvTranspose{dims}d")._empty_like(layer)
    weight = layer.weight.detach()
    if per_channel:
        scales = weight.abs().amax((0, *range(2, weight.ndim))) / 127
        weight = trainctl.quantize_per_channel(weight, scales, trainctl.zeros(len(scales)).int(), 1, trainctl.qint8)
    else:
        weight = trainctl.quantize_per_tensor(weight, 0.003, 0, trainctl.qint8)
    quantized.set_weight_bias(weight, layer.bias)
    layer.weight.data = weight.dequantize()
    x = trainctl.quantize_per_tensor(trainctl.randn(2, 4, *(5,) * dims), 0.05, 100, trainctl.quint8)
    return layer, quantized, x


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("per_channel", [False, True])
def test_sums_are_those_of_the_float_layer(dims, options, per_channel):
    layer, quantized, x = pair(dims, options, per_channel)
    quantized.scale = None
    assert (quantized(x) - layer(x.dequantize())).abs().max() < 3e-4
    assert quantized(x[0]).equal(quantized(x)[0])
    quantized.input_scale, quantized.input_zero_point = 0.05, 100
    assert quantized(x.dequantize()).equal(quantized(x))


def test_the_output_s_size_can_be_asked_for():
    layer, quantized, x = pair(2, {"stride": 2})
    for size in ((12, 11), (11, 12)):
        assert quantized(x, output_size=size).shape == layer(x.dequantize(), output_size=size).shape
    with pytest.raises(ValueError, match="valid sizes range from"):
        quantized(x, output_size=(13, 13))


def test_wrong_options_and_inputs_say_so():
    with pytest.raises(ValueError, match='Only "zeros" padding mode is supported'):
        nn.quantized.ConvTranspose2d(4, 6, 3, padding_mode="reflect")
    with pytest.raises(RuntimeError, match="output padding must be smaller than either stride or dilation"):
        pair(2, {"stride": 2})[1].__class__(4, 6, 3, output_padding=1)(pair(2, {})[2])
    with pytest.raises(RuntimeError, match="of 4 channels, but got input of size"):
        pair(2, {})[1](pair(1, {})[2])
    assert repr(pair(2, {"stride": 2, "output_padding": 1, "groups": 2})[1]) == (
        "QuantizedConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), scale=1.0, zero_point=0, "
        "output_padding=(1, 1), groups=2)"
    )


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_codes_are_pytorch_s_within_a_step(dims, options):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    torch.backends.quantized.engine = "fbgemm"
    _, quantized, x = pair(dims, options)
    quantized.scale, quantized.zero_point = 0.02, 100
    bias = None if quantized.bias() is None else torch.from_numpy(quantized.bias().numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(torch.ao.nn.quantized, f"ConvTranspose{dims}d")(4, 6, 3, **options)
        codes = torch.from_numpy(quantized.weight_codes.numpy())
        theirs.set_weight_bias(torch._make_per_tensor_quantized_tensor(codes, quantized.weight_scale.item(), 0), bias)
        theirs.scale, theirs.zero_point = 0.02, 100
        given = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x.int_repr().numpy()), 0.05, 100)
        wanted = theirs(given).int_repr().numpy().astype(int)
    steps = np.abs(quantized(x).int_repr().numpy().astype(int) - wanted)
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.02
