"""What a layer takes, as rows: with the weight's rows they make the layer's output."""

import numpy
import pytest

import trainctl
from trainctl import nn
from trainctl.nn import chain_attention
from trainctl.nn.quantized.weight_only import as_rows, float_weight
from trainctl.quantization import layer_inputs

CONVOLUTIONS = {
    "1-d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=False), (2, 2, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, (3, 2), padding=(2, 0), dilation=(2, 1), groups=2, bias=False), (2, 4, 6, 5)),
    "depthwise": (lambda: nn.Conv2d(3, 6, 3, groups=3, padding="same", bias=False), (1, 3, 4, 4)),
    "reflected": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False), (1, 2, 4, 5)),
    "3-d": (lambda: nn.Conv3d(2, 3, 2, bias=False), (1, 2, 3, 3, 4)),
    "without a batch": (lambda: nn.Conv2d(2, 3, 3, bias=False), (2, 5, 5)),
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False),
        (2, 4, 3, 4),
    ),
    "transposed, cut": (lambda: nn.ConvTranspose1d(2, 3, 2, padding=3, dilation=2, bias=False), (1, 2, 9)),
    "transposed, 3-d": (lambda: nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1), bias=False), (1, 2, 2, 2, 2)),
}


@pytest.mark.parametrize("elements", [1, 1 << 22])
@pytest.mark.parametrize(("make", "shape"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_rows_of_a_convolution_make_its_output(make, shape, elements, monkeypatch):
    monkeypatch.setattr(layer_inputs, "_ELEMENTS", elements)
    trainctl.manual_seed(0)
    layer, x = make(), trainctl.randn(*shape)
    output = layer(x).detach().numpy()
    output = output if output.ndim == layer.dims + 2 else output[None]
    weight = as_rows(layer, float_weight(layer, "weight")).reshape(layer.groups, layer.out_channels // layer.groups, -1)
    parts = [each for _, _, each in layer_inputs.rows(layer, ((x,), {}))]
    assert len(parts) == (len(output) if elements == 1 else 1)
    made = numpy.concatenate([numpy.concatenate(list(each @ weight.swapaxes(1, 2)), 1) for each in parts])
    numpy.testing.assert_allclose(made, numpy.moveaxis(output, 1, -1).reshape(made.shape), atol=1e-5)


def test_rows_of_a_linear_layer_by_place_or_name():
    layer, x = nn.Linear(3, 2), trainctl.randn(4, 5, 3)
    for arguments in (((x,), {}), ((), {"input": x})):
        [(name, first, made)] = layer_inputs.rows(layer, arguments)
        assert (name, first) == ("weight", 0)
        numpy.testing.assert_array_equal(made, x.numpy().reshape(1, 20, 3))


def test_rows_of_attention_are_query_key_and_value():
    query, key, value = trainctl.randn(2, 1, 4), trainctl.randn(3, 1, 4), trainctl.randn(3, 1, 4)
    for arguments in (((query, key, value), {}), ((query,), {"key": key, "value": value})):
        made = list(layer_inputs.rows(nn.MultiheadAttention(4, 2), arguments))
        assert [each[:2] for each in made] == [("in_proj_weight", 0), ("in_proj_weight", 4), ("in_proj_weight", 8)]
        assert [each[2].shape for each in made] == [(1, 2, 4), (1, 3, 4), (1, 3, 4)]
    apart = layer_inputs.rows(nn.MultiheadAttention(4, 2, kdim=4, vdim=3), ((query, key, value), {}))
    assert [each[0] for each in apart] == ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    alone = layer_inputs.rows(chain_attention.MultiheadAttention(4, 2), ((trainctl.randn(1, 5, 4),), {}))
    assert [each[1:][1].shape for each in alone] == [(1, 5, 4)] * 3


def test_rows_of_a_recurrent_layer_are_the_first_layer_s():
    x = trainctl.randn(5, 2, 3)
    names = [name for name, _, _ in layer_inputs.rows(nn.LSTM(3, 4, 2, bidirectional=True), ((x,), {}))]
    assert names == ["weight_ih_l0", "weight_ih_l0_reverse"]
    packed = nn.utils.rnn.pack_padded_sequence(x, trainctl.tensor([5, 3]))
    [(_, _, made)] = layer_inputs.rows(nn.GRU(3, 4), ((packed,), {}))
    assert made.shape == (1, 8, 3)
    assert [name for name, _, _ in layer_inputs.rows(nn.LSTMCell(3, 4), ((x[0],), {}))] == ["weight_ih"]
    assert not list(layer_inputs.rows(nn.Embedding(3, 4), ((trainctl.tensor([1]),), {})))


def test_layers_in_the_order_in_which_data_reaches_them():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.never, self.first = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x, twice=False):
            return self.last(self.first(x))

    net = Net().train()
    layers = dict(net.named_children())
    x = trainctl.ones(1, 2)
    for inputs in (x, (x,), [x, True], {"x": x}):
        with layer_inputs.evaluating(net):
            assert layer_inputs.call_order(net, layers, inputs) == ["first", "last", "never"]
            assert not trainctl.is_grad_enabled()
            assert not net.last.training
    assert net.last.training
    assert len(layer_inputs.calls_of(net, net.last, x)) == 1
    assert not net.last._forward_pre_hooks


def test_data_is_several_batches():
    with pytest.raises(ValueError, match="at least one batch"):
        layer_inputs.batches([])
    with pytest.raises(TypeError, match=r"pass \[batch\]"):
        layer_inputs.batches(trainctl.ones(3))
    assert len(layer_inputs.batches(iter([trainctl.ones(3)]))) == 1
