"""Models with weights in few bits."""

import copy
import pickle

import numpy
import pytest

import trainctl
from trainctl import nn
from trainctl.nn import chain, chain_attention
from trainctl.nn.quantized import weight_only
from trainctl.quantization.groups import (
    ROWS_OF_8_BITS,
    GroupFormat,
    formats,
    make_room,
    quantize_weights,
    weight_layers,
)


class Twice(nn.Linear):
    def forward(self, input):
        return super().forward(input) * 2


LAYERS = {
    "Linear": (lambda: nn.Linear(33, 5), (2, 33)),
    "one input": (lambda: nn.Linear(1, 4), (2, 1)),
    "one output": (lambda: nn.Linear(40, 1, bias=False), (2, 40)),
    "subclass": (lambda: Twice(6, 2), (2, 6)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, groups=2), (2, 4, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, padding=1, padding_mode="reflect"), (2, 4, 5, 5)),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 3), (1, 2, 4, 4, 4)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3), (2, 4, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 5)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 3, 2), (1, 2, 3, 3, 3)),
    "RNN": (lambda: nn.RNN(3, 4), (5, 2, 3)),
    "LSTM": (lambda: nn.LSTM(3, 8, 2, bidirectional=True, proj_size=5), (5, 2, 3)),
    "GRU": (lambda: nn.GRU(3, 4, bias=False), (5, 2, 3)),
    "LSTM in a chain": (lambda: chain.LSTM(3, 4, output="last"), (2, 5, 3)),
    "GRUCell": (lambda: nn.GRUCell(3, 4), (2, 3)),
    "attention in a chain": (lambda: chain_attention.MultiheadAttention(8, 2, causal=True), (2, 5, 8)),
    "Transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16), (2, 5, 8)),
}
FORMS = {"4 bits": None, "8 bits a row": ROWS_OF_8_BITS, "3 bits, symmetric": GroupFormat(3, 5, symmetric=True)}


def first(output):
    return output[0] if isinstance(output, tuple) else output


def run(model, shape):
    numbers = numpy.random.default_rng(1).normal(size=shape).astype(numpy.float32)
    with trainctl.no_grad():
        return first(model.eval()(trainctl.from_numpy(numbers))).numpy()


def weights_of(model):
    return {
        f"{path}.{name}": (each, name)
        for path, each in model.named_modules()
        for name in weight_only.weight_names(each)
    }


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_a_layer_computes_with_what_its_codes_stand_for(make, shape, form):
    trainctl.manual_seed(0)
    model = nn.Sequential(make())
    found = quantize_weights(model, form)
    expected = copy.deepcopy(model)
    for layer, name in weights_of(expected).values():
        rows = weight_only.as_rows(layer, weight_only.float_weight(layer, name))
        values = weight_only.quantize_groups(rows, form or GroupFormat()).dequantize()
        getattr(layer, name).data.copy_(
            trainctl.from_numpy(weight_only.from_rows(layer, values, tuple(getattr(layer, name).shape)))
        )
    numpy.testing.assert_array_equal(run(found, shape), run(expected, shape))
    assert not any("weight" in name and "norm" not in name for name, _ in found.named_parameters())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_it_is_loaded_again_into_room_that_was_made(make, shape, form):
    trainctl.manual_seed(0)
    model = nn.Sequential(make())
    found = quantize_weights(model, form)
    again = make_room(nn.Sequential(make()), formats(found))
    again.load_state_dict(found.state_dict())
    assert formats(again) == formats(found)
    numpy.testing.assert_array_equal(run(again, shape), run(found, shape))
    for assigned in (copy.deepcopy(found), make_room(nn.Sequential(make()), formats(found))):
        assigned.load_state_dict(found.state_dict(), assign=True)
        numpy.testing.assert_array_equal(run(assigned, shape), run(found, shape))


@pytest.mark.parametrize("make", [lambda: nn.Embedding(7, 33, padding_idx=2), lambda: nn.EmbeddingBag(7, 33)])
def test_tables_have_scales_for_each_index(make):
    table = make()
    found = quantize_weights(table)
    index = trainctl.tensor([[0, 2], [6, 3]])
    expected = weight_only.quantize_groups(table.weight.detach().numpy(), GroupFormat()).dequantize()
    looked_up = expected[[[0, 2], [6, 3]]]
    if isinstance(table, nn.EmbeddingBag):
        looked_up = looked_up.mean(1)
    numpy.testing.assert_allclose(found(index).numpy(), looked_up, rtol=1e-6)
    assert found.weight_scale.shape == (7, 2)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_rows_of_a_transposed_convolution_are_its_outputs(groups):
    layer = nn.ConvTranspose2d(4, 6, 3, groups=groups)
    weight = layer.weight.detach().numpy()
    rows = weight_only.as_rows(layer, weight)
    for output in range(6):
        group, place = divmod(output, 6 // groups)
        inputs = slice(group * 4 // groups, (group + 1) * 4 // groups)
        numpy.testing.assert_array_equal(rows[output], weight[inputs, place].ravel())
    numpy.testing.assert_array_equal(weight_only.from_rows(layer, rows, weight.shape), weight)


def test_a_file_at_4_bits_is_a_seventh_of_the_float_one():
    model = nn.Sequential(nn.Conv2d(32, 64, 3), nn.Flatten(), nn.Linear(3136, 128))
    taken = [sum(each.nbytes for each in net.state_dict().values()) for net in (model, quantize_weights(model))]
    assert 0.14 < taken[1] / taken[0] < 0.15


def test_the_float_model_stays_as_it_was_unless_it_is_to_be_changed():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = {name: each.clone() for name, each in model.state_dict().items()}
    quantize_weights(model)
    assert all(trainctl.equal(each, before[name]) for name, each in model.state_dict().items())
    assert quantize_weights(model, inplace=True) is model
    assert list(formats(model)) == ["0", "1"]


def test_chosen_layers_alone_are_quantized():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    assert list(weight_layers(model)) == ["0", "1"]
    assert list(formats(quantize_weights(model, layers=["1"]))) == ["1"]
    assert not formats(quantize_weights(model, layers=[]))
    with pytest.raises(KeyError, match=r"no layer '7' .* there are 0, 1"):
        quantize_weights(model, layers=["7"])


def test_twice_is_once():
    once = quantize_weights(nn.Sequential(nn.Linear(3, 4)))
    twice = quantize_weights(once, GroupFormat(2))
    assert formats(twice) == formats(once)


def test_a_layer_in_two_places_stays_one():
    layer = nn.Linear(3, 3)
    found = quantize_weights(nn.Sequential(layer, nn.ReLU(), layer))
    assert found[0] is found[2]


def test_a_model_without_such_layers_is_left_alone():
    assert not formats(quantize_weights(nn.Sequential(nn.ReLU())))
    assert not formats(quantize_weights(nn.Sequential()))


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf])
def test_the_layer_with_a_weight_that_is_no_number_is_named(bad):
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(3, 4)))
    model[1][0].weight.data[2, 1] = bad
    with pytest.raises(ValueError, match=r"1\.0: .*not finite"):
        quantize_weights(model)


def test_a_lazy_layer_is_named():
    with pytest.raises(ValueError, match="0: weight is not initialized yet"):
        quantize_weights(nn.Sequential(nn.LazyLinear(3)))


def test_a_state_of_another_size_changes_nothing():
    found = quantize_weights(nn.Sequential(nn.Linear(8, 4)))
    before = found[0].weight.clone()
    state = dict(found.state_dict(), **{"0.weight_codes": trainctl.zeros(3, dtype=trainctl.uint8)})
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.weight_codes"):
        found.load_state_dict(state)
    assert trainctl.equal(found[0].weight, before)


def test_conversions_leave_the_scales_their_precision():
    found = quantize_weights(nn.Linear(8, 4)).double()
    assert (found.weight.dtype, found.weight_scale.dtype) == (trainctl.float64, trainctl.float16)
    assert found(trainctl.ones(1, 8, dtype=trainctl.float64)).dtype == trainctl.float64


def test_it_can_be_copied_and_pickled_and_printed():
    found = quantize_weights(nn.Sequential(nn.Linear(8, 4), nn.LSTM(4, 2)))
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert trainctl.equal(again[0].weight, found[0].weight)
    assert repr(found[0]) == "WeightOnlyLinear(in_features=8, out_features=4, bias=True, bits=4, group_size=32)"


def test_a_layer_of_its_own_class_is_not_made_by_hand():
    with pytest.raises(TypeError, match="from_float"):
        weight_only.WeightOnlyLinear(3, 4)


def test_a_compiled_plan_agrees():
    found = quantize_weights(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))).eval()
    x = trainctl.ones(2, 8)
    with trainctl.no_grad():
        expected = found(x)
        compiled = trainctl.compile(found)
        assert all(trainctl.allclose(compiled(x), expected) for _ in range(4))
