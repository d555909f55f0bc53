"""Recurrent layers with weights as codes, with and without grids that are found at run time."""

from __future__ import annotations

import copy
import warnings

import pytest

import trainctl
from tests.nn.quantized.observed import observed
from trainctl import nn
from trainctl.nn import chain
from trainctl.nn.utils.rnn import pack_sequence

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
nnq, nnqd = nn.quantized, nn.quantized.dynamic
LAYERS = [
    ("LSTM", {"num_layers": 2, "bidirectional": True}), ("LSTM", {"proj_size": 2, "batch_first": True}),
    ("GRU", {"num_layers": 2}), ("GRU", {"bias": False}), ("RNN", {"bidirectional": True}), ("RNN", {"nonlinearity": "relu"}),
]  # fmt: skip
IDS = [f"{name}-{'-'.join(options)}" for name, options in LAYERS]
CELLS = [("LSTMCell", {}), ("GRUCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("RNNCell", {"bias": False})]


def tensors(result):
    """Return all tensors of a layer's result."""
    return [result] if isinstance(result, trainctl.Tensor) else [x for each in result for x in tensors(each)]


def float_layer(name, **options):
    trainctl.manual_seed(0)
    return getattr(nn, name)(12, 7, **options)


@pytest.mark.parametrize(("name", "options"), LAYERS, ids=IDS)
@pytest.mark.parametrize("kind", [nnq, nnqd], ids=["static", "dynamic"])
def test_a_quantized_layer_gives_what_the_float_one_does(name, options, kind):
    layer = float_layer(name, **options)
    quantized = getattr(kind, name).from_float(layer)
    x = trainctl.randn(5, 9, 12)
    for ours, wanted in zip(tensors(quantized(x)), tensors(layer(x)), strict=True):
        assert ours.shape == wanted.shape
        assert (ours - wanted).abs().max() < 0.06
    packed = pack_sequence([x[0], x[1][:3]])
    wanted = layer(packed)
    assert (quantized(packed)[0].data - wanted[0].data).abs().max() < 0.06
    assert (quantized(x[0])[0] - layer(x[0])[0]).abs().max() < 0.06
    states = tuple(trainctl.randn(*each.shape) for each in tensors(layer(x)[1]))
    given = states if name == "LSTM" else states[0]
    assert (quantized(x, given)[0] - layer(x, given)[0]).abs().max() < 0.06
    assert not list(quantized.parameters())


@pytest.mark.parametrize(("name", "options"), LAYERS, ids=IDS)
@pytest.mark.parametrize("kind", [nnq, nnqd], ids=["static", "dynamic"])
def test_a_state_dict_and_a_copy_are_the_whole_layer(name, options, kind):
    quantized = getattr(kind, name).from_float(float_layer(name, **options))
    other = getattr(kind, name)(12, 7, **options)
    x = trainctl.randn(5, 9, 12)
    if kind is nnqd:  # one grid where a new layer has one for each row
        assert quantized.weight_ih_l0_scale.shape == ()
    other.load_state_dict(quantized.state_dict())
    for same in (other, copy.deepcopy(quantized)):
        assert all(map(trainctl.equal, tensors(same(x)), tensors(quantized(x))))
    state = quantized.state_dict()
    del state["weight_hh_l0_codes"]
    with pytest.raises(RuntimeError, match=r'Missing key.*"weight_hh_l0_codes"'):
        other.load_state_dict(state)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("kind", [nnq, nnqd], ids=["static", "dynamic"])
@pytest.mark.parametrize("output", ["sequence", "last"])
def test_a_layer_of_a_chain_stays_one(name, kind, output):
    layer = getattr(chain, name)(12, 7, bidirectional=True, output=output)
    quantized = getattr(kind, name).from_float(layer)
    x = trainctl.randn(5, 9, 12)
    assert quantized(x).shape == layer(x).shape
    assert (quantized(x) - layer(x)).abs().max() < 0.06
    assert repr(quantized).endswith(repr(layer).removeprefix(name))
    again = type(quantized)._empty_like(layer)
    again.load_state_dict(quantized.state_dict())
    assert trainctl.equal(again(x), quantized(x))


def test_rows_are_of_no_account_to_each_other():
    layer, x = float_layer("LSTM"), trainctl.randn(9, 5, 12)
    rows, whole = nnqd.LSTM.from_float(layer, per_row=True), nnqd.LSTM.from_float(layer)
    assert (rows(x)[0][:, :2] - rows(x[:, :2])[0]).abs().max() < 1e-6
    assert (whole(x)[0][:, :2] - whole(x[:, :2])[0]).abs().max() > 1e-6


def test_an_input_s_grid_is_what_it_is_rounded_to():
    quantized, x = nnq.LSTM.from_float(float_layer("LSTM")), trainctl.randn(9, 5, 12)
    quantized.input_scale, quantized.input_zero_point = 0.5, 100
    rounded = trainctl.quantize_per_tensor(x, 0.5, 100, trainctl.quint8)
    assert trainctl.equal(quantized(x)[0], quantized(rounded.dequantize())[0])
    assert trainctl.equal(quantized(rounded)[0], quantized(x)[0])


def test_weights_are_observed_as_the_qconfig_says():
    layer = observed(float_layer("GRU"), per_channel=False, quant_max=63)
    for kind in (nnq, nnqd):
        quantized = kind.GRU.from_float(layer)
        assert quantized.weight_ih_l0_scale.shape == ()
        assert quantized.weight("weight_ih_l0").int_repr().abs().max() == 63


def test_wrong_inputs_and_layers_say_so():
    quantized = nnq.LSTM.from_float(float_layer("LSTM"))
    with pytest.raises(ValueError, match=r"expected a float32 input, got trainctl.float64"):
        quantized(trainctl.ones(2, 3, 12, dtype=trainctl.float64))
    with pytest.raises(RuntimeError, match=r"the last of size 12, got \[2, 3, 11\]"):
        quantized(trainctl.ones(2, 3, 11))
    for other in (nn.GRU(2, 3), quantized):
        with pytest.raises(TypeError, match="takes a LSTM"):
            nnq.LSTM.from_float(other)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_a_cell_gives_what_the_float_one_does(name, options):
    layer = float_layer(name, **options)
    quantized = getattr(nnqd, name).from_float(layer)
    x = trainctl.randn(5, 12)
    for ours, wanted in zip(tensors(quantized(x)), tensors(layer(x)), strict=True):
        assert (ours - wanted).abs().max() < 0.06
    assert quantized(x[0]) is not None
    other = getattr(nnqd, name)(12, 7, **options)
    other.load_state_dict(quantized.state_dict())
    assert all(map(trainctl.equal, tensors(other(x)), tensors(quantized(x))))
    with pytest.raises(TypeError, match=f"takes a {name}"):
        getattr(nnqd, name).from_float(quantized)
    assert quantized.weight_ih.is_quantized


@pytest.mark.parametrize(("name", "options"), [each for each in LAYERS + CELLS if "proj_size" not in each[1]])
def test_what_is_found_at_run_time_is_what_pytorch_finds(name, options):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    if name == "RNN" or options.get("bias") is False:
        pytest.skip("PyTorch quantizes no RNN and nothing without a bias")
    torch.backends.quantized.engine = "fbgemm"
    layer = float_layer(name, **options)
    theirs = getattr(torch.nn, name)(12, 7, **options)
    theirs.load_state_dict({key: torch.from_numpy(each.numpy()) for key, each in layer.state_dict().items()})
    x = trainctl.randn(*((5, 12) if "Cell" in name else (9, 5, 12)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(theirs), {type(theirs)})[0]
        wanted = quantized(torch.from_numpy(x.numpy()))
    ours = getattr(nnqd, name).from_float(layer)
    flat = [wanted] if isinstance(wanted, torch.Tensor) else [wanted[0]]
    for one, other in zip(tensors(ours(x))[:1], flat, strict=True):
        assert (one - trainctl.from_numpy(other.detach().numpy())).abs().max() < 1e-6
    assert repr(ours).partition("(")[0] == repr(quantized).partition("(")[0]
