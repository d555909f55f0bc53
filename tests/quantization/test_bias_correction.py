"""Biases corrected from data."""

import copy

import numpy
import pytest

import trainctl
from trainctl import nn
from trainctl.nn.quantized import linear as quantized_linear
from trainctl.quantization.bias_correction import bias_correction
from trainctl.quantization.groups import GroupFormat, quantize_weights

COARSE = GroupFormat(2, None)


def net():
    trainctl.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def images(seed=0, count=16):
    random = numpy.random.default_rng(seed)
    return trainctl.from_numpy(random.uniform(size=(count, 2, 5, 5)).astype(numpy.float32))


def mean_after(model, layers, x, dims):
    with trainctl.no_grad():
        return model[:layers](x).mean(dims).numpy()


def test_each_layer_s_means_are_the_float_model_s():
    model, data = net(), [images(), images(1)]
    quantized = quantize_weights(model, COARSE)
    before = mean_after(quantized, 6, trainctl.cat(data), 0)
    taken = bias_correction(model, quantized, data)
    assert list(taken) == ["0", "5"]
    for layers, dims in ((1, (0, 2, 3)), (6, 0)):
        means = [mean_after(each, layers, trainctl.cat(data), dims) for each in (quantized, model)]
        numpy.testing.assert_allclose(*means, atol=1e-5)
    assert abs(before - mean_after(model, 6, trainctl.cat(data), 0)).max() > 1e-3


def test_a_correction_is_the_mean_error_with_the_layers_before_it_corrected():
    model, x = net(), images()
    quantized = quantize_weights(model, COARSE)
    by_hand = copy.deepcopy(quantized)
    errors = {}
    for place, dims in ((0, (0, 2, 3)), (5, 0)):
        errors[str(place)] = mean_after(by_hand, place + 1, x, dims) - mean_after(model, place + 1, x, dims)
        by_hand[place].bias.data.sub_(trainctl.from_numpy(errors[str(place)]))
    taken = bias_correction(model, quantized, [x])
    for path, error in errors.items():
        numpy.testing.assert_allclose(taken[path], error, atol=1e-5)


def test_batches_of_images_and_labels_and_how_many():
    model = net()
    results = []
    for data, count in (
        ([(images(), trainctl.zeros(16)), (images(1), trainctl.zeros(16))], 1),
        ([[images()]], None),
        (iter([images(), images(1), images(2)]), 1),
        ([{"input": images()}], None),
    ):
        quantized = quantize_weights(model, COARSE)
        bias_correction(model, quantized, data, neval_batches=count)
        results.append(quantized[5].bias.detach().numpy())
    for each in results[1:]:
        numpy.testing.assert_array_equal(each, results[0])


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Linear(6, 3), (2, 4, 6)),
        (nn.Linear(6, 3), (6,)),
        (nn.Conv1d(2, 3, 2), (4, 2, 5)),
        (nn.Conv1d(2, 3, 2), (2, 5)),
        (nn.ConvTranspose2d(2, 4, 2, groups=2), (3, 2, 3, 3)),
        (nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
    ],
)
def test_channels_are_where_the_layer_has_them(layer, x):
    x = trainctl.from_numpy(numpy.random.default_rng(0).uniform(size=x).astype(numpy.float32))
    quantized = quantize_weights(layer, COARSE)
    taken = bias_correction(layer, quantized, [x])
    assert taken[""].shape == layer.bias.shape
    again = bias_correction(layer, quantized, [x])
    numpy.testing.assert_allclose(again[""], 0, atol=1e-6)


def test_an_unchanged_model_keeps_its_biases():
    model = net()
    same = copy.deepcopy(model)
    assert all((each == 0).all() for each in bias_correction(model, same, [images()]).values())
    assert trainctl.equal(same[5].bias, model[5].bias)


def test_types_choose_and_modes_stay():
    model = net().train()
    quantized = quantize_weights(model, COARSE)
    assert list(bias_correction(model, quantized, [images()], {nn.Linear})) == ["5"]
    assert model.training
    assert quantized[5].training


def test_a_layer_that_no_data_reaches_is_passed_over():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.used(x)

    model = Net()
    assert list(bias_correction(model, quantize_weights(model), [trainctl.ones(1, 2)])) == ["used"]


def test_what_is_not_finite_is_refused_with_the_layer_s_name():
    model, x = net(), images()
    x[0, 0, 0, 0] = numpy.nan
    with pytest.raises(ValueError, match="0: what it puts out on the data is not finite"):
        bias_correction(model, quantize_weights(model), [x])
    with pytest.raises(ValueError, match="at least one batch"):
        bias_correction(model, quantize_weights(model), [images()], neval_batches=0)


def test_layers_of_integers_are_corrected_too():
    layer = nn.Linear(4, 3)
    codes = trainctl.quantize_per_tensor(layer.weight.detach(), 0.3, 0, trainctl.qint8)
    quantized = quantized_linear.Linear(4, 3)
    quantized.set_weight_bias(codes, layer.bias)
    quantized.scale, quantized.zero_point = 0.01, 128
    quantized.input_scale, quantized.input_zero_point = 1 / 255, 0
    x = trainctl.from_numpy(numpy.random.default_rng(0).uniform(size=(50, 4)).astype(numpy.float32))
    bias_correction(nn.Sequential(layer), nn.Sequential(quantized), [x])
    numpy.testing.assert_allclose(quantized(x).mean(0).numpy(), layer(x).mean(0).detach().numpy(), atol=2e-3)
