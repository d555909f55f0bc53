"""Dense layers and convolutions on codes: against the float layer of the same weights, and against PyTorch's."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import trainctl
from trainctl import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")

GRID = (0.03, 120)
CONVOLUTIONS = [
    (dims, options)
    for dims in (1, 2, 3)
    for options in (
        {},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "groups": 2, "padding": 2, "bias": False},
        {"padding": "same", "dilation": 2},
        {"padding": "valid"},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 1, "padding_mode": "replicate"},
        {"padding": "same", "padding_mode": "circular"},
    )
]
IDS = [f"{dims}-{'-'.join(map(str, options.values()))}" for dims, options in CONVOLUTIONS]


def coded(*shape: int, seed: int = 0) -> trainctl.Tensor:
    """Return a quantized tensor of normal numbers."""
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return trainctl.quantize_per_tensor(trainctl.from_numpy(x), *GRID, trainctl.quint8)


def weights_of(layer: nn.Module, per_channel: bool = True) -> trainctl.Tensor:
    """Return a float layer's weights as int8, in steps of the largest over 127."""
    weight = layer.weight.detach()
    if not per_channel:
        return trainctl.quantize_per_tensor(weight, weight.abs().max().item() / 127, 0, trainctl.qint8)
    scales = weight.abs().reshape(len(weight), -1).amax(1) / 127
    return trainctl.quantize_per_channel(weight, scales, trainctl.zeros(len(weight)).int(), 0, trainctl.qint8)


def pair(name: str, *sizes: int, per_channel: bool = True, **options) -> tuple[nn.Module, nn.Module]:
    """Return a float layer and the quantized layer of the same weights, which it is given, too."""
    trainctl.manual_seed(1)
    layer = getattr(nn, name)(*sizes, **options)
    quantized = getattr(nn.quantized, name)._empty_like(layer)
    weight = weights_of(layer, per_channel)
    quantized.set_weight_bias(weight, layer.bias)
    layer.weight.data = weight.dequantize()
    return layer, quantized


@pytest.mark.parametrize(("dims", "options"), CONVOLUTIONS, ids=IDS)
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_convolution_s_sums_are_those_of_the_float_layer(dims, options, per_channel):
    layer, quantized = pair(f"Conv{dims}d", 4, 6, 3, per_channel=per_channel, **options)
    quantized.scale = None
    x = coded(2, 4, *(7,) * dims)
    assert (quantized(x) - layer(x.dequantize())).abs().max() < 3e-4  # the bias is rounded to steps of the sums
    assert quantized(x[0]).equal(quantized(x)[0])


@pytest.mark.parametrize("name", ["Linear", "LinearReLU"])
def test_a_dense_layer_s_sums_are_those_of_the_float_layer(name):
    layer, quantized = pair("Linear", 20, 30)
    wanted = layer(coded(5, 2, 20).dequantize())
    if name == "LinearReLU":
        same = nn.quantized.LinearReLU(20, 30)
        same.load_state_dict(quantized.state_dict())
        quantized, wanted = same, wanted.relu()
    quantized.scale = None
    assert (quantized(coded(5, 2, 20)) - wanted).abs().max() < 3e-4


def test_float_numbers_go_in_and_out_on_the_same_grids_as_codes():
    _, quantized = pair("Linear", 20, 30)
    quantized.scale, quantized.zero_point = 0.1, 100
    x = coded(5, 20)
    quantized.input_scale, quantized.input_zero_point = GRID
    assert quantized(x).int_repr().unique().numel() > 20
    assert quantized(x.dequantize()).equal(quantized(x).dequantize())
    assert quantized(x).q_scale() == 0.1
    assert quantized(x).q_zero_point() == 100


@pytest.mark.parametrize("shape", [(0, 20), (20,), (1, 1, 20)])
def test_inputs_of_few_elements(shape):
    _, quantized = pair("Linear", 20, 30)
    assert quantized(coded(*shape)).shape == (*shape[:-1], 30)


def test_a_float_input_of_an_unknown_grid_says_what_to_do():
    with pytest.raises(NotImplementedError, match="Put a QuantStub"):
        nn.quantized.Linear(2, 3)(trainctl.ones(1, 2))
    with pytest.raises(TypeError, match="must be Tensor"):
        nn.quantized.Linear(2, 3)([1.0, 2.0])


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError, match=r"20 features in its last dim, got \[5, 19\]"):
        pair("Linear", 20, 30)[1](coded(5, 19))
    with pytest.raises(RuntimeError, match=r"4 channels, but got input of size: \[2, 3, 7, 7\]"):
        pair("Conv2d", 4, 6, 3)[1](coded(2, 3, 7, 7))


def test_weights_that_do_not_fit_are_refused():
    _, quantized = pair("Linear", 20, 30)
    with pytest.raises(ValueError, match=r"must have the shape \[30, 20\], got \[20, 30\]"):
        quantized.set_weight_bias(trainctl.quantize_per_tensor(trainctl.ones(20, 30), 1.0, 0, trainctl.qint8), None)
    with pytest.raises(ValueError, match=r"a quantized tensor of qint8, got trainctl.float32"):
        quantized.set_weight_bias(trainctl.ones(30, 20), None)
    wrong_axis = trainctl.quantize_per_channel(
        trainctl.ones(30, 20), trainctl.ones(20), trainctl.zeros(20).int(), 1, trainctl.qint8
    )
    with pytest.raises(ValueError, match="one for each channel of dim 0"):
        quantized.set_weight_bias(wrong_axis, None)


@pytest.mark.parametrize("name", ["Linear", "Conv2d"])
def test_a_state_dict_is_the_whole_layer(name):
    sizes = (4, 6, 3) if name == "Conv2d" else (7, 6)
    _, quantized = pair(name, *sizes)
    quantized.scale, quantized.zero_point = 0.1, 100
    quantized.input_scale, quantized.input_zero_point = GRID
    x = coded(2, 4, 7, 7)
    other = getattr(nn.quantized, name)(*sizes)
    assert str(other.load_state_dict(quantized.state_dict())) == "<All keys matched successfully>"
    for same in (other, copy.deepcopy(quantized), quantized.half(), quantized.eval()):
        assert same(x).int_repr().equal(quantized(x).int_repr())
        assert (same.scale, same.zero_point, same.input_scale, same.input_zero_point) == (0.1, 100, *GRID)
        assert same.weight_scale.dtype is trainctl.float32


def test_a_state_dict_that_lacks_something_or_has_more_changes_nothing():
    _, quantized = pair("Linear", 7, 6)
    state = quantized.state_dict()
    del state["scale"]
    state |= {"more": trainctl.ones(1), "weight_scale": trainctl.ones(5)}
    before = copy.deepcopy(quantized.state_dict())
    with pytest.raises(RuntimeError) as caught:
        quantized.load_state_dict(state)
    assert 'Missing key(s) in state_dict: "scale"' in str(caught.value)
    assert 'Unexpected key(s) in state_dict: "more"' in str(caught.value)
    assert "size mismatch for weight_scale" in str(caught.value)
    assert all(before[key].equal(each) for key, each in quantized.state_dict().items())


def test_weights_that_are_changed_in_place_count():
    _, quantized = pair("Linear", 7, 6)
    quantized.scale = None
    x = coded(2, 7)
    before = quantized(x)
    quantized.bias_float += 1.0
    assert ((quantized(x) - before) - 1).abs().max() < 1e-3
    quantized.weight_codes.zero_()
    assert (quantized(x) - quantized.bias()).abs().max() < 1e-3


def test_printing():
    linear, conv = nn.quantized.Linear(2, 3), nn.quantized.ConvReLU2d(4, 6, 3, padding=1, bias=False)
    assert repr(linear) == (
        "QuantizedLinear(in_features=2, out_features=3, scale=1.0, zero_point=0, qscheme=trainctl.per_tensor_affine)"
    )
    assert repr(conv) == (
        "QuantizedConvReLU2d(4, 6, kernel_size=(3, 3), stride=(1, 1), scale=1.0, zero_point=0, padding=(1, 1), bias=False)"
    )


# -- against PyTorch --------------------------------------------------------------------------------------


def theirs(name: str, ours: nn.Module, *sizes: int, **options):
    """Return PyTorch's layer with the weights and the output grid of ours."""
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    torch.backends.quantized.engine = "fbgemm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about what will go some day
        layer = getattr(torch.ao.nn.quantized, name)(*sizes, **options)
        codes = torch.from_numpy(ours.weight_codes.numpy())
        scales, zero_points = (torch.from_numpy(each.numpy()) for each in (ours.weight_scale, ours.weight_zero_point))
        if scales.ndim:
            weight = torch._make_per_channel_quantized_tensor(codes, scales.double(), zero_points.long(), 0)
        else:
            weight = torch._make_per_tensor_quantized_tensor(codes, scales.item(), zero_points.item())
        layer.set_weight_bias(weight, None if ours.bias() is None else torch.from_numpy(ours.bias().numpy()))
    layer.scale, layer.zero_point = ours.scale, ours.zero_point
    return layer


def differences(ours: nn.Module, theirs, x: trainctl.Tensor) -> np.ndarray:
    """Return by how many steps the codes of two layers differ."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x.int_repr().numpy()), *GRID)
        wanted = theirs(given).int_repr().numpy().astype(int)
    return np.abs(ours(x).int_repr().numpy().astype(int) - wanted)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(
    ("name", "sizes", "options", "shape"),
    [
        ("Linear", (20, 30), {}, (500, 20)),
        ("Conv1d", (4, 6, 3), {"padding": 1, "padding_mode": "reflect"}, (16, 4, 50)),
        ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}, (16, 4, 17, 17)),
        ("Conv3d", (4, 6, 3), {"padding": 1}, (3, 4, 9, 9, 9)),
    ],
)
def test_codes_are_pytorch_s_within_a_step(name, sizes, options, shape, per_channel):
    _, quantized = pair(name, *sizes, per_channel=per_channel, **options)
    quantized.scale, quantized.zero_point = 0.02, 100
    steps = differences(quantized, theirs(name, quantized, *sizes, **options), coded(*shape))
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.01  # PyTorch adds a float bias to the sums; here it is rounded to int32 as in ONNX
