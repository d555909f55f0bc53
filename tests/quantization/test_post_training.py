from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.errors import CheckpointError, DivergedError
from trainctl.nn.chain import LSTM
from trainctl.nn.structure import Residual
from trainctl.quantization.post_training import PostTraining, Quantized, quantize_model, rebuild
from trainctl.storage.quantization_record import Grid, QuantizedLayer, Settings


def quantized(model: Any, *batches: Any, **settings: Any) -> Quantized:
    return quantize_model(model, batches, Settings(**settings))


def schemes(found: Quantized) -> dict[str, str]:
    return {each.name: each.scheme for each in found.layers}


def near(found: Quantized, model: Any, x: Any, decibels: float = 25) -> None:
    expected, got = model.eval()(x).detach().numpy(), found.model(x).detach().numpy()
    noise = np.square(got - expected).sum() / np.square(expected).sum()
    assert 10 * np.log10(1 / noise) > decibels


def test_the_model_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).train()
    before = copy.deepcopy(model.state_dict())
    quantized(model, trainctl.randn(4, 1, 4, 4))
    assert model.training
    assert [type(each).__name__ for each in model] == ["Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]
    assert all((before[name] == each).all() for name, each in model.state_dict().items())


def test_norm_and_relu_become_part_of_the_layer_before_them():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    x = trainctl.randn(32, 1, 4, 4)
    for _ in range(5):
        model(x)  # running statistics
    found = quantized(model, x)
    first, last = found.layers
    assert (first.norm, first.relu, first.has_bias) == ("1", "2", True)
    assert first.output_grid == last.input_grid
    assert last.output_grid is None
    assert found.float_layers == []
    near(found, model, x)


def test_what_several_read_has_no_grid_of_one():
    model = nn.Sequential(nn.Linear(3, 3), Residual([nn.Linear(3, 3)]), nn.Linear(3, 2))
    found = quantized(model, trainctl.randn(8, 3))
    assert [each.output_grid for each in found.layers] == [None, None, None]


def test_a_layer_with_two_names_is_one_layer():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    x = trainctl.randn(16, 4)
    found = quantized(model, x)
    assert schemes(found) == {"0": "static"}
    assert found.model[0] is found.model[2]
    near(found, model, x)


class Borrowing(nn.Module):
    """Uses a layer's weights without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.unused, self.own = nn.Linear(4, 3), nn.Linear(4, 3), nn.Parameter(trainctl.ones(3))

    def forward(self, x: Any) -> Any:
        return nn.functional.linear(x, self.linear.weight, self.linear.bias) * self.own


def test_weights_that_others_read_stay_weights():
    model = nn.Sequential(Borrowing())
    x = trainctl.randn(16, 4)
    found = quantized(model, x)
    assert schemes(found) == {"0.linear": "weights", "0.unused": "weights"}
    assert [(each.name, each.reason) for each in found.float_layers] == [("0", "there is no quantized Borrowing")]
    near(found, model, x)


class Scaled(nn.Linear):
    """A layer of a user's own."""

    def forward(self, input: Any) -> Any:
        return 2 * super().forward(input)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Scaled(5, 4), (16, 5)),
        (nn.ConvTranspose2d(2, 3, 3), (8, 2, 5, 5)),
        (LSTM(5, 6), (8, 4, 5)),
        (nn.Conv2d(2, 4, 3, padding="same", padding_mode="reflect"), (8, 2, 6, 6)),
        (nn.Conv1d(4, 8, 3, groups=4, bias=False), (8, 4, 9)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (8, 4, 8)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
@pytest.mark.parametrize("bits", [8, 4])
def test_layers_of_every_kind(layer: Any, shape: tuple[int, ...], bits: int):
    trainctl.manual_seed(0)
    x, model = trainctl.randn(*shape), nn.Sequential(layer)
    found = quantized(model, x, bits=bits)
    assert found.layers
    near(found, model, x, 25 if bits == 8 else 8)
    other = copy.deepcopy(model)
    rebuild(other, found.layers)
    other.load_state_dict(found.model.state_dict())
    assert (other.eval()(x) == found.model(x)).all()


class TwoWays(nn.Module):
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.both = nn.Linear(3, 4), nn.Embedding(7, 4), nn.Bilinear(4, 4, 2)

    def forward(self, x: Any, index: Any) -> dict[str, Any]:
        one, other = self.a(x), self.b(index)
        return {"sum": one + other, "product": self.both(one, other)}


def test_several_inputs_and_outputs():
    batch = {"x": trainctl.randn(16, 3), "index": trainctl.randint(0, 7, (16,))}
    model = TwoWays()
    found = quantized(model, batch)
    assert schemes(found) == {"a": "static", "b": "weights", "both": "weights"}
    expected, got = model(**batch), found.model(**batch)
    for name in expected:
        assert (expected[name] - got[name]).abs().max().item() < 0.1


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("a", "a"), ("Linear", "a"), ("?", "a b"), ("b*", "b both"), ("Bilinear", "both"), ("*", "a b both")],
)
def test_exclude_by_name_or_class(pattern: str, left: str):
    batch = {"x": trainctl.randn(16, 3), "index": trainctl.randint(0, 7, (16,))}
    found = PostTraining(TwoWays(), [batch], Settings(exclude=[pattern]))
    assert [each.name for each in found.choices if each.scheme is None] == left.split()
    assert {each.reason for each in found.choices if each.scheme is None} == {f"--exclude {pattern}"}


def test_a_scale_for_all_has_one_number():
    found = quantized(nn.Sequential(nn.Linear(3, 4)), trainctl.randn(8, 3), per_channel=False)
    assert found.model[0].weight_scale.shape == ()


def test_weights_of_zeros_and_constant_inputs():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    with trainctl.no_grad():
        model[0].weight.zero_()
        model[0].bias.fill_(0.5)
    x = trainctl.zeros(4, 3)
    found = quantized(model, x)
    assert trainctl.allclose(found.model(x), model(x), atol=1e-2)


def test_what_is_not_finite_is_told_of():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    with pytest.raises(DivergedError, match=r"layer 0 \(Linear\) is given NaN or infinity"):
        quantized(model, trainctl.full((4, 3), float("nan")))
    with trainctl.no_grad():
        model[1].bias[0] = float("inf")
    with pytest.raises(DivergedError, match=r"1\.bias: NaN or infinity"):
        quantized(model, trainctl.randn(4, 3))


def test_float64_models_stay_in_float():
    found = PostTraining(nn.Sequential(nn.Linear(3, 2)).double(), [trainctl.randn(4, 3).double()], Settings())
    assert found.names == []
    assert found.choices[0].reason == "its weights are float64"


def test_the_layer_that_hurts_most_comes_first():
    trainctl.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    with trainctl.no_grad():
        model[0].bias[0] = -100.0  # so that the first feature is never on,
        model[2].weight[0, 0] = 300.0  # and this has no effect but on the scale of all
    found = PostTraining(model, [trainctl.randn(64, 8)], Settings(per_channel=False))
    assert found.most_sensitive()[0] == "2"
    assert min(found.noise, key=lambda name: found.noise[name] or np.inf) == "2"


def test_biases_are_corrected():
    trainctl.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 4))
    x = trainctl.randn(256, 16)
    shifts = [
        (quantized(model, x, bias_correction=each, per_channel=False).model(x) - model(x)).mean(0).abs().max().item()
        for each in (False, True)
    ]
    assert shifts[1] < shifts[0] / 10


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "7"},
        {"name": "1"},
        {"kind": "Conv2d"},
        {"relu": "0"},
        {"norm": "1"},
        {"scheme": "dynamic", "kind": "ReLU", "input_grid": None},
    ],
)
def test_a_record_of_another_model_is_refused(changes: dict[str, Any]):
    grid = Grid(scale=0.1, zero_point=3)
    fields = {"name": "0", "kind": "Linear", "scheme": "static", "bits": 8, "per_channel": True, "input_grid": grid}
    fields |= changes
    with pytest.raises(CheckpointError, match="its record has"):
        rebuild(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), [QuantizedLayer(**fields)])


@pytest.mark.parametrize(
    ("scheme", "grids"), [("static", {}), ("dynamic", {"input_grid"}), ("weights", {"output_grid"})]
)
def test_a_layer_has_the_grids_of_its_scheme(scheme: Any, grids: set[str]):
    given = dict.fromkeys(grids, Grid(scale=0.1, zero_point=3))
    with pytest.raises(ValueError, match=f"layer 0: {scheme}, with"):
        QuantizedLayer(name="0", kind="Linear", scheme=scheme, bits=8, per_channel=True, **given)
