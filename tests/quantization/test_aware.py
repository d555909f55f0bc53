"""Models that round while they learn, and the quantized ones that they become."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.optim import SGD
from trainctl.quantization.aware import (
    Part,
    Rounding,
    freeze_norms,
    is_aware,
    learned_steps,
    make_aware,
    measuring,
    observe,
    plan_of,
    round_numbers,
)
from trainctl.quantization.aware_conversion import AwareTrained, convert_aware
from trainctl.quantization.fake_quantize import FakeQuantizeBase
from trainctl.quantization.post_training import rebuild


class Block(nn.Module):
    """A residual block; its second norm begins at 0, as is usual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Any) -> Any:
        return self.relu(self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x))))) + x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(12, 3)
        self.rnn = nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x: Any) -> Any:
        return self.head(self.rnn(self.embed(x))[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 3)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(self.embed(x)).mean(1))


def numbers(*shape: int) -> Any:
    return trainctl.tensor(np.random.default_rng(1).normal(size=shape).astype(np.float32))


def words() -> Any:
    return trainctl.tensor(np.random.default_rng(2).integers(0, 11, (6, 7)))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, groups=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


def residual() -> nn.Module:
    return nn.Sequential(Block(4), Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def upward() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(2, 6, 2, stride=2, groups=2), nn.ReLU(), nn.Conv2d(6, 3, 3))


MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "mlp": (mlp, numbers(9, 10)),
    "cnn": (cnn, numbers(9, 2, 8, 8)),
    "residual": (residual, numbers(5, 4, 6, 6)),
    "upward": (upward, numbers(4, 2, 5, 5)),
    "lstm": (Recurrent, words()),
    "transformer": (Attention, words()),
}
ROUNDINGS = {
    "8": Rounding(), "8-per-tensor": Rounding(per_channel=False), "8-learned": Rounding(learned=True),
    "4": Rounding(4), "4-in-groups-of-5": Rounding(4, group_size=5), "4-learned": Rounding(4, learned=True),
}  # fmt: skip


def made(name: str) -> tuple[nn.Module, Any]:
    trainctl.manual_seed(0)
    make, x = MODELS[name]
    return make(), x


def aware(name: str, rounding: Rounding) -> tuple[nn.Module, list[Part], Any]:
    model, x = made(name)
    plan = plan_of(model, x, rounding)
    make_aware(model, plan, rounding)
    with measuring(model), trainctl.no_grad():
        model(x)
    return model, plan, x


def train(model: nn.Module, x: Any, steps: int = 4) -> None:
    model.train()
    optimizer = SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    observe(model, False)
    model.eval()


@pytest.mark.parametrize("rounding", ROUNDINGS.values(), ids=ROUNDINGS)
@pytest.mark.parametrize("name", MODELS)
def test_parameters_stay_the_same_objects_and_keep_learning(name, rounding):
    model, x = made(name)
    before = {id(each) for each in model.parameters()}
    stream = trainctl.get_rng_state()
    plan = plan_of(model, x, rounding)
    make_aware(model, plan, rounding)
    assert (trainctl.get_rng_state() == stream).all()
    steps = {id(each) for each in learned_steps(model)}
    assert {id(each) for each in model.parameters()} == before | steps
    assert bool(steps) is rounding.learned
    assert is_aware(model)
    train(model, x, 1)
    assert all(each.grad is not None and np.isfinite(each.grad.numpy()).all() for each in model.parameters())


@pytest.mark.parametrize("rounding", ROUNDINGS.values(), ids=ROUNDINGS)
@pytest.mark.parametrize("name", MODELS)
def test_the_quantized_model_is_the_one_that_rounds(name, rounding):
    """Each layer within a step of its output's grid; the models as a whole nearly always to the last bits."""
    model, plan, x = aware(name, rounding)
    train(model, x)
    quantized = convert_aware(model, plan, rounding)
    assert {layer.name for layer in quantized.layers} == {part.name for part in plan if part.scheme}
    assert not any(isinstance(each, FakeQuantizeBase) for each in quantized.model.modules())
    with trainctl.no_grad():
        expected, found = model(x).numpy(), quantized.model(x).numpy()
    steps = [each.input_fake_quant.scale.item() for each in model.modules() if hasattr(each, "input_fake_quant")]
    np.testing.assert_allclose(found, expected, atol=max([*steps, 1e-6]))
    assert np.median(np.abs(found - expected)) < 1e-5
    assert [layer.sqnr for layer in quantized.layers] == [None] * len(quantized.layers)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_rebuilt_from_what_was_written_down(name):
    model, plan, x = aware(name, Rounding())
    train(model, x, 1)
    quantized = convert_aware(model, plan, Rounding())
    again, _ = made(name)
    rebuild(again, quantized.layers)
    again.load_state_dict(quantized.model.state_dict())
    with trainctl.no_grad():
        assert again.eval()(x).numpy().tobytes() == quantized.model(x).numpy().tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_layers_that_are_kept_are_as_they_were_before_rounding(name):
    model, plan, x = aware(name, Rounding())
    train(model, x)
    trained = AwareTrained(model, plan, Rounding(), [x])
    every = trained.convert(keep=set(trained.names), why="a reason")
    assert not every.layers
    assert {each.reason for each in every.float_layers} <= {"a reason", *(part.reason for part in plan)}
    round_numbers(model, False)
    with trainctl.no_grad():
        np.testing.assert_allclose(every.model(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)
    assert all(trained.noise[each] > 10 for each in trained.names)
    assert sorted(trained.most_sensitive()) == sorted(trained.names)


def test_weights_are_rounded_whoever_reads_them():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(11, 8)

        def forward(self, x: Any) -> Any:
            return nn.functional.linear(self.embed(x).mean(1), self.embed.weight)

    trainctl.manual_seed(0)
    model, rounding = Tied(), Rounding(4)
    plan = plan_of(model, words(), rounding)
    make_aware(model, plan, rounding)
    train(model, words())
    with trainctl.no_grad():
        expected = model(words()).numpy()
        assert len(np.unique(model.embed.weight.numpy()[0, :8])) <= 16
        np.testing.assert_array_equal(convert_aware(model, plan, rounding).model(words()).numpy(), expected)


def test_a_norm_that_follows_alone_is_part_of_the_layer_and_any_other_is_not():
    model, x = made("cnn")
    assert [(part.name, part.norm, part.relu, part.reader) for part in plan_of(model, x, Rounding())] == [
        ("0", "1", "2", "4"), ("4", None, "5", "7"), ("7", None, None, None),
    ]  # fmt: skip
    plain = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8, affine=False), nn.ReLU())
    plan = plan_of(plain, x, Rounding())
    assert [(part.name, part.norm) for part in plan if part.scheme] == [("0", None)]
    make_aware(plain, plan, Rounding())
    train(plain, x)
    with trainctl.no_grad():
        found = convert_aware(plain, plan, Rounding()).model(x).numpy()
        np.testing.assert_allclose(found, plain(x).numpy(), atol=0.02)


def test_excluded_layers_are_left_as_they_are():
    model, x = made("cnn")
    rounding = Rounding(exclude=("0", "Linear"))
    plan = plan_of(model, x, rounding)
    make_aware(model, plan, rounding)
    assert type(model[0]) is nn.Conv2d
    assert type(model[7]) is nn.Linear
    assert [part.reason for part in plan if part.name in ("0", "7")] == ["--exclude 0", "--exclude Linear"]


def test_in_evaluation_held_ranges_hold():
    model, _, x = aware("cnn", Rounding())
    train(model, x)
    before = {name: each.numpy().copy() for name, each in model.state_dict().items()}
    model(x * 100)
    for name, each in model.state_dict().items():
        np.testing.assert_array_equal(each.numpy(), before[name])


def test_frozen_norms_count_no_more():
    model, _, x = aware("cnn", Rounding())
    model.train()
    freeze_norms(model)
    before = model[0].bn.running_mean.numpy().copy()
    model(x)
    np.testing.assert_array_equal(model[0].bn.running_mean.numpy(), before)
    model.train()
    model(x)
    assert (model[0].bn.running_mean.numpy() != before).any()


def test_a_copy_rounds_by_itself():
    model, _, x = aware("lstm", Rounding())
    train(model, x, 1)
    other = copy.deepcopy(model)
    with trainctl.no_grad():
        expected = model(x).numpy()
        for each in other.parameters():
            each.zero_()
        np.testing.assert_array_equal(model(x).numpy(), expected)
        assert (other(x).numpy() == 0).all()


def test_twice_is_once():
    model, plan, _ = aware("mlp", Rounding())
    names = list(model.state_dict())
    make_aware(model, plan, Rounding())
    assert list(model.state_dict()) == names


def test_a_layer_may_be_the_whole_model():
    trainctl.manual_seed(0)
    model, x = nn.Linear(4, 2), numbers(3, 4)
    plan = plan_of(model, x, Rounding())
    make_aware(model, plan, Rounding())
    train(model, x, 1)
    with trainctl.no_grad():
        assert (
            np.abs(model(x).numpy() - nn.functional.linear(x, model._parameters["weight"], model.bias).numpy()).max()
            > 0
        )
