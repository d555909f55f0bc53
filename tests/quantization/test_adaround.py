"""Rounding that is learnt from data."""

import itertools

import numpy
import pytest

import trainctl
from trainctl import nn
from trainctl.backend.weight_groups import quantize_groups
from trainctl.quantization import output_error
from trainctl.quantization.adaround import Settings, adaround
from trainctl.quantization.groups import ROWS_OF_8_BITS, GroupFormat, quantize_weights

QUICK = Settings(iterations=150, lr=0.1)


def tensor(*shape, seed=0):
    """Rows whose columns go together, as activations do: there errors of weights can cancel."""
    random = numpy.random.default_rng(seed)
    values = random.normal(size=shape) @ random.normal(size=(shape[-1], shape[-1]))
    return trainctl.from_numpy(values.astype(numpy.float32))


def cnn():
    trainctl.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 4),
    )


def output_errors(model, rounded, data):
    """The error of each layer's output, by the paper's own words: float outputs against those of the rounded model."""

    def outputs(net):
        seen = {}
        hooks = [
            each.register_forward_hook(lambda module, args, output, path=path: seen.setdefault(path, []).append(output))
            for path, each in net.named_modules()
            if hasattr(each, "weight")
        ]
        with trainctl.no_grad():
            for batch in data:
                net(batch)
        for hook in hooks:
            hook.remove()
        return {path: numpy.concatenate([each.numpy() for each in found]) for path, found in seen.items()}

    expected, got = outputs(model), outputs(rounded)
    return {path: float(((got[path] - expected[path]) ** 2).sum(1).mean()) for path in expected}


@pytest.mark.parametrize("form", [GroupFormat(4, 8), GroupFormat(3, None, symmetric=True), ROWS_OF_8_BITS])
@pytest.mark.parametrize("summed", [512, 0], ids=["sums", "rows"])
def test_layers_put_out_less_error_than_with_the_nearest_codes(form, summed, monkeypatch):
    monkeypatch.setattr(output_error, "_SUMMED", summed)
    model, data = cnn(), [tensor(24, 2, 5, 5), tensor(24, 2, 5, 5, seed=1)]
    found = adaround(model, data, form, settings=QUICK)
    assert [each.layer for each in found.report] == ["0", "2", "5"]
    assert all(each.error < each.nearest_error < each.signal and 0 < each.moved < 0.5 for each in found.report)
    assert all(each.db > each.nearest_db for each in found.report)
    errors = output_errors(model, quantize_weights(model, form, given=found.codes), data)
    nearest = output_errors(model, quantize_weights(model, form), data)
    assert errors["0"] < nearest["0"]
    assert errors["5"] < nearest["5"]


def test_the_reported_error_is_that_of_the_outputs():
    model, data = cnn(), [tensor(24, 2, 5, 5)]
    found = adaround(model, data, GroupFormat(4), settings=QUICK)
    rounded = quantize_weights(model, given=found.codes)
    with trainctl.no_grad():
        expected, got = model(data[0]).numpy(), rounded(data[0]).numpy()
    numpy.testing.assert_allclose(found.report[-1].error, ((got - expected) ** 2).sum(1).mean(), rtol=1e-3)
    bias = model[5].bias.detach().numpy()
    numpy.testing.assert_allclose(found.report[-1].signal, ((expected - bias) ** 2).sum(1).mean(), rtol=1e-3)


def test_on_a_few_weights_it_is_near_the_best_of_all_roundings():
    better, best_of_all, nearest_of_all = 0.0, 0.0, 0.0
    for seed in range(20):
        trainctl.manual_seed(seed)
        layer, x = nn.Linear(6, 1, bias=False), tensor(64, 6, seed=seed)
        form = GroupFormat(3, None)
        [line] = adaround(layer, [x], form, settings=QUICK).report
        weight = layer.weight.detach().numpy()
        grid = quantize_groups(weight, form)
        exact = weight / grid.scale.astype(numpy.float32) + grid.zero_point
        ways = numpy.array(list(itertools.product((0, 1), repeat=6)))
        codes = numpy.clip(numpy.floor(exact) + ways, 0, 7)
        off = ((codes - grid.zero_point) * grid.scale.astype(numpy.float32) - weight) @ x.numpy().T
        best_of_all += (off**2).mean(1).min()
        better += line.error
        nearest_of_all += line.nearest_error
    assert best_of_all <= better * (1 + 1e-5)
    assert better - best_of_all < 0.5 * (nearest_of_all - best_of_all)


def test_codes_are_above_or_below_the_weight():
    model = cnn()
    found = adaround(model, [tensor(24, 2, 5, 5)], GroupFormat(4, 8), settings=QUICK)
    for path, by_name in found.codes.items():
        grouped, weight = by_name["weight"], model.get_submodule(path).weight.detach().numpy()
        nearest = quantize_groups(weight.reshape(grouped.codes.shape), GroupFormat(4, 8))
        assert abs(grouped.codes.astype(int) - nearest.codes).max() == 1
        numpy.testing.assert_array_equal(grouped.scale, nearest.scale)


def test_twice_the_same_codes_and_the_model_stays():
    model, data = cnn().train(), [tensor(24, 2, 5, 5)]
    before = {name: each.clone() for name, each in model.state_dict().items()}
    state = trainctl.get_rng_state()
    first, second = (adaround(model, data, settings=QUICK) for _ in range(2))
    for path in first.codes:
        numpy.testing.assert_array_equal(first.codes[path]["weight"].codes, second.codes[path]["weight"].codes)
    assert all(trainctl.equal(each, before[name]) for name, each in model.state_dict().items())
    assert model.training
    assert trainctl.equal(trainctl.get_rng_state(), state)


def test_without_steps_all_codes_are_the_nearest():
    model = cnn()
    found = adaround(model, [tensor(8, 2, 5, 5)], settings=Settings(iterations=0))
    assert all(each.error == each.nearest_error and each.moved == 0 for each in found.report)


def test_what_learning_does_not_better_keeps_the_nearest():
    model = nn.Linear(6, 3, bias=False)
    data = [trainctl.eye(6)]  # each weight's error stands alone: the nearest code is the best
    [line] = adaround(model, data, settings=Settings(iterations=20, lr=5.0, pressure=0.0)).report
    assert (line.error, line.moved) == (line.nearest_error, 0)


@pytest.mark.parametrize("rows", [1, 5])
def test_one_input_one_output_zero_weights_zero_data(rows):
    nothing = nn.Linear(3, 2)
    nn.init.zeros_(nothing.weight)
    cases = [(nn.Linear(1, 1), 1), (nn.Linear(40, 1), 40), (nn.Linear(1, 40), 1), (nothing, 3)]
    for model, x in [*((each, tensor(rows, size)) for each, size in cases), (nn.Linear(3, 2), trainctl.zeros(rows, 3))]:
        [line] = adaround(model, [x], settings=QUICK).report
        assert line.error <= line.nearest_error


def test_layers_without_seen_inputs_have_their_nearest_codes():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.lstm = nn.Embedding(5, 8), nn.LSTM(8, 4, 2)
            self.attention = nn.MultiheadAttention(4, 2)
            self.never = nn.Linear(4, 4)

        def forward(self, index):
            steps, _ = self.lstm(self.table(index))
            return self.attention(steps, steps, steps)[0]

    model = Net()
    found = adaround(model, [trainctl.tensor([[0, 1], [2, 3], [4, 4]])], settings=QUICK)
    assert [(each.layer, each.parameter) for each in found.report] == [
        ("lstm", "weight_ih_l0"),
        ("attention", "in_proj_weight[0:4]"),
        ("attention", "in_proj_weight[4:8]"),
        ("attention", "in_proj_weight[8:12]"),
    ]
    assert set(found.codes) == {"table", "lstm", "attention", "attention.out_proj", "never"}
    for path, name in (("table", "weight"), ("lstm", "weight_hh_l0"), ("never", "weight")):
        weight = getattr(model.get_submodule(path), name).detach().numpy()
        numpy.testing.assert_array_equal(found.codes[path][name].codes, quantize_groups(weight, GroupFormat()).codes)
    assert quantize_weights(model, given=found.codes)(trainctl.tensor([[1]])).shape == (1, 1, 4)


def test_chosen_layers_alone():
    found = adaround(cnn(), [tensor(8, 2, 5, 5)], layers=["5"], settings=QUICK)
    assert list(found.codes) == ["5"]
    with pytest.raises(KeyError, match="no layer 'x'"):
        adaround(cnn(), [tensor(8, 2, 5, 5)], layers=["x"])


def test_what_is_not_finite_is_refused_with_the_layer_s_name():
    data = tensor(8, 2, 5, 5)
    data[3, 1, 2, 2] = numpy.nan
    with pytest.raises(ValueError, match="0: what it takes on the calibration data is not finite"):
        adaround(cnn(), [data], settings=QUICK)
    model = cnn()
    model[2].weight.data[0, 0, 0, 0] = numpy.inf
    with pytest.raises(ValueError, match="2: a weight is not finite"):
        adaround(model, [tensor(8, 2, 5, 5)], settings=QUICK)


@pytest.mark.parametrize("wrong", [{"iterations": -1}, {"batch_size": 0}, {"lr": 0}, {"warm_up": 2}, {"pressure": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
