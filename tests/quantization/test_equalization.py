"""Cross-layer equalization: the function stays, ranges agree."""

import copy
import itertools

import numpy
import pytest

import trainctl
from trainctl import nn
from trainctl.quantization.channels import by_input, by_output, response, weight_of
from trainctl.quantization.equalization import absorb_biases, cross_layer_equalization, equalize, equalize_layers
from trainctl.quantization.links import Link, find_links


def uneven(model, seed=0):
    """Give channels of the layers very different sizes."""
    random = numpy.random.default_rng(seed)
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.modules.conv._Conv)):
            factor = 10 ** random.uniform(-2, 2, size=layer.weight.shape[:1])
            layer.weight.data.mul_(
                trainctl.from_numpy(factor.astype(numpy.float32)).reshape(-1, *[1] * (layer.weight.ndim - 1))
            )
    return model


def cnn():
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6, padding=1), nn.LeakyReLU(0.1),
        nn.MaxPool2d(2), nn.Conv2d(6, 4, 1), nn.PReLU(4), nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Dropout(),
        nn.Linear(16, 5), nn.Identity(), nn.Linear(5, 3),
    )  # fmt: skip


MODELS = {
    "MLP": (lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 5, bias=False), nn.Linear(5, 2)), (4, 3)),
    "CNN": (cnn, (2, 2, 6, 6)),
    "Conv1d": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, groups=2), nn.ReLU(), nn.Conv1d(4, 6, 3, groups=2)), (2, 2, 8)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.ReLU(), nn.ConvTranspose2d(6, 3, 2, groups=3)),
        (2, 4, 3, 3),
    ),
    "one channel": (lambda: nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)), (3, 1)),
}


def draw(shape, seed=0):
    return trainctl.from_numpy(numpy.random.default_rng(seed).normal(size=shape).astype(numpy.float32))


@pytest.mark.parametrize(("make", "shape"), MODELS.values(), ids=MODELS)
def test_the_function_stays_and_ranges_agree(make, shape):
    trainctl.manual_seed(0)
    model, x = uneven(make()).eval(), draw(shape)
    found = equalize_layers(model, x)
    weighted = [path for path, each in model.named_modules() if getattr(each, "weight", None) is not None]
    weighted = [path for path in weighted if not isinstance(model.get_submodule(path), nn.PReLU)]
    assert [(each.first, each.second) for each in found.links] == list(itertools.pairwise(weighted))
    assert found.broken == {weighted[-1]: "no single layer takes its output"}
    with trainctl.no_grad():
        expected = model(x).numpy()
        numpy.testing.assert_allclose(found.model(x).numpy(), expected, rtol=1e-4, atol=1e-5 * abs(expected).max())
    for link in found.links:
        first, second = found.model.get_submodule(link.first), found.model.get_submodule(link.second)
        before = abs(by_output(first, weight_of(first))).max(1)
        after = abs(by_input(second, weight_of(second))).reshape(len(before), -1).max(1)
        numpy.testing.assert_allclose(before, after, rtol=1e-3)


def test_with_a_norm_folded_the_next_layer_is_found():
    trainctl.manual_seed(0)
    conv, norm = nn.Conv2d(1, 3, 3).eval(), nn.BatchNorm2d(3).eval()
    norm.running_var.copy_(trainctl.tensor([1e-4, 1.0, 1e4]))
    model = nn.Sequential(conv, norm, nn.ReLU(), nn.Conv2d(3, 2, 3))
    x = draw((2, 1, 7, 7))
    assert equalize_layers(model, x).broken["0"] == "BatchNorm2d (1) does not scale with its input"
    folded = nn.Sequential(nn.utils.fusion.fuse_conv_bn_eval(conv, norm), nn.ReLU(), model[3])
    found = equalize_layers(folded, x)
    assert [each.first for each in found.links] == ["0"]
    numpy.testing.assert_allclose(found.model(x).detach().numpy(), model(x).detach().numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("between", [nn.ReLU6(), nn.Tanh(), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.MaxPool1d(1)])
def test_what_does_not_scale_breaks_a_pair_and_is_named(between):
    model = nn.Sequential(nn.Linear(3, 4), between, nn.Linear(4, 2))
    found = find_links(model.eval(), draw((2, 3)))
    assert not found.links
    assert found.broken["0"] == f"{type(between).__name__} (1) does not scale with its input"


def test_an_output_that_goes_elsewhere_breaks_a_pair():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.act, self.second = nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)

        def forward(self, x):
            hidden = self.act(self.first(x))
            return self.second(hidden) + hidden

    found = find_links(Net(), draw((2, 3)))
    assert not found.links
    assert found.broken["first"] == "no single layer takes the output of act"


@pytest.mark.parametrize(
    ("model", "shape", "why"),
    [
        (
            nn.Sequential(nn.Conv1d(2, 4, 3), nn.Linear(6, 2)),
            (1, 2, 8),
            "Linear (1) takes another dim than the outputs",
        ),
        (nn.Sequential(nn.Conv1d(2, 6, 3), nn.Flatten(0), nn.Linear(36, 2)), (1, 2, 8), "Flatten (1) does not keep"),
        (nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.Linear(8, 2)), (1, 2, 3), "Flatten (1) does not scale"),
    ],
)
def test_channels_that_end_up_in_another_dim_break_a_pair(model, shape, why):
    assert find_links(model, draw(shape)).broken["0"].startswith(why)


def test_dead_channels_and_far_ones_stay_finite():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model[0].weight.data[0] = 0
    model[2].weight.data[:, 1] = 0
    model[0].weight.data[2] *= 1e-30
    x = draw((5, 3))
    found = equalize_layers(model, x)
    assert found.scales["0"][:2].tolist() == [1, 1]
    assert found.scales["0"][2] == pytest.approx(1e-3)
    numpy.testing.assert_allclose(found.model(x).detach().numpy(), model(x).detach().numpy(), atol=1e-5)


def test_a_weight_that_is_no_number_is_refused_with_the_layer_s_name():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model[2].weight.data[0, 0] = numpy.nan
    for run in (lambda: equalize_layers(model, draw((1, 3))), lambda: equalize(model, [["0", "2"]])):
        with pytest.raises(ValueError, match="2: a weight is not finite"):
            run()


def test_given_pairs_alone_and_in_place():
    model = uneven(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)))
    before = copy.deepcopy(model)
    found = equalize_layers(model, None, [Link("0", "1")], inplace=True)
    assert found.model is model
    assert trainctl.equal(model[2].weight, before[2].weight)
    assert not trainctl.equal(model[0].weight, before[0].weight)


def test_what_is_always_put_out_goes_to_the_next_bias():
    model = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Conv2d(4, 6, 2, groups=2))
    model[0].bias.data.copy_(trainctl.tensor([50.0, 0.0, -50.0, 20.0]))
    x = draw((6, 2, 5, 5))
    found = absorb_biases(model, [x[:3], x[3:]], [Link("0", "2", ("1",))])
    with trainctl.no_grad():
        lowest = numpy.maximum(model[0](x).amin((0, 2, 3)).numpy(), 0)
        numpy.testing.assert_allclose((model[0].bias - found[0].bias).numpy(), lowest, rtol=1e-5)
        numpy.testing.assert_allclose(found(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-3)
    assert (lowest > 0).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    "second", [nn.Conv2d(2, 1, 3, padding=1), nn.ConvTranspose2d(2, 1, 3), nn.Conv2d(2, 1, 3, bias=False)]
)
def test_a_layer_that_cannot_take_a_constant_is_left_alone(second):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), second)
    model[0].bias.data.fill_(50.0)
    found = absorb_biases(model, [draw((2, 1, 4, 4))], [Link("0", "2", ("1",))])
    assert trainctl.equal(found[0].bias, model[0].bias)


@pytest.mark.parametrize("layer", [nn.Linear(4, 3), nn.Conv1d(4, 6, 2, groups=2), nn.Conv2d(4, 8, 3, groups=4)])
def test_the_response_to_constants(layer):
    constants = numpy.random.default_rng(0).normal(size=4)
    x = trainctl.from_numpy(constants.astype(numpy.float32)).reshape(1, 4, *[1] * (layer.weight.ndim - 2))
    x = x.expand(1, 4, *layer.weight.shape[2:])
    expected = (layer(x).flatten() - layer.bias).detach().numpy()
    numpy.testing.assert_allclose(response(layer, constants), expected, atol=1e-5)


# -- PyTorch's words ---------------------------------------------------------------------------------------


def test_pairs_by_name_or_module_give_the_same():
    model = uneven(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    by_name = equalize(model, [["0", "2"], ["2", "4"]], inplace=False)
    by_module = equalize(model, [[model[0], model[2], model[4]]], inplace=False)
    for first, second in zip(by_name.parameters(), by_module.parameters(), strict=True):
        assert trainctl.equal(first, second)
    assert not trainctl.equal(by_name[0].weight, model[0].weight)


def test_an_equal_channel_is_left_alone():
    first, second = nn.Linear(1, 2), nn.Linear(2, 1)
    before = first.weight.clone()
    cross_layer_equalization(first, second)
    assert trainctl.equal(first.weight, before)


def test_a_threshold_that_is_never_reached_ends_all_the_same():
    model = uneven(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 3)))
    equalize(model, [["0", "1", "2"]], threshold=-1.0)
    assert all(bool(each.isfinite().all()) for each in model.parameters())


@pytest.mark.parametrize(
    ("pairs", "error", "what"),
    [
        ([["0"]], ValueError, "at least two"),
        ([["0", 2]], TypeError, "Module or a string, got int"),
        ([["0", "9"]], ValueError, "no module '9'"),
        ([["0", "1"]], ValueError, "not supported: ReLU"),
        ([["2", "0"]], TypeError, "2 and 3"),
        ([[nn.Linear(1, 1), "0"]], ValueError, "not in the model"),
    ],
)
def test_what_are_no_pairs_is_refused(pairs, error, what):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(error, match=what):
        equalize(model, pairs)


@pytest.mark.parametrize("chain", [[["0", "2"]], [["0", "2"], ["2", "4"]], [["0", "2", "4"]]])
def test_it_is_what_pytorch_makes(chain):
    torch = pytest.importorskip("torch")
    from torch.ao.quantization import _equalize

    random = numpy.random.default_rng(0)
    for ours, theirs in (
        (nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), torch.nn),
        (nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Conv1d(4, 5, 2), nn.ReLU(), nn.Conv1d(5, 2, 1)), torch.nn),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 2), nn.ReLU(), nn.Conv2d(5, 2, 1)), torch.nn),
    ):
        other = theirs.Sequential(*[_same(theirs, each) for each in ours])
        for name, parameter in ours.named_parameters():
            values = (random.normal(size=parameter.shape) * 10 ** random.uniform(-1, 1)).astype(numpy.float32)
            parameter.data.copy_(trainctl.from_numpy(values))
            other.get_parameter(name).data.copy_(torch.from_numpy(values))
        equalize(ours, copy.deepcopy(chain))
        _equalize.equalize(other, copy.deepcopy(chain))
        for name, parameter in ours.named_parameters():
            expected = other.get_parameter(name).detach().numpy()
            numpy.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=2e-6, atol=1e-6)


def _same(nn_of_torch, layer):
    made = getattr(nn_of_torch, type(layer).__name__)
    if isinstance(layer, nn.Linear):
        return made(layer.in_features, layer.out_features)
    return made() if isinstance(layer, nn.ReLU) else made(layer.in_channels, layer.out_channels, layer.kernel_size)
