"""The config's ``quantization``: what it takes, and where its mistakes are reported."""

from __future__ import annotations

import pytest

from tests.config.test_broken_configs import CONFIG
from trainctl.build import check
from trainctl.config import LoadedConfig, config_from_yaml
from trainctl.errors import ConfigError


def load(section: str, config: str = CONFIG) -> LoadedConfig:
    return config_from_yaml(f"{config}quantization: {section}\n", "demo.yaml")


def refused(section: str, config: str = CONFIG) -> list[str]:
    """The problems, each with its column and its hint."""
    with pytest.raises(ConfigError) as caught:
        check(load(section, config))
    return [f"{each.line}:{each.column} {each.message} | {each.hint}" for each in caught.value.problems]


def test_there_is_none_unless_it_is_asked_for():
    assert config_from_yaml(CONFIG, "demo.yaml").config.quantization is None
    assert load("null").config.quantization is None


def test_its_defaults():
    asked = load("{}").config.quantization
    assert (asked.bits, asked.start_epoch, asked.per_channel, asked.group_size, asked.exclude) == (8, 1, True, 32, ())
    assert (asked.freeze_observers_epoch, asked.freeze_bn_epoch, asked.learned_step_size) == (None, None, False)
    assert asked.observer.plain() == {"MovingAverageMinMaxObserver": {"averaging_constant": 0.01}}


@pytest.mark.parametrize(
    "section",
    [
        "{}",
        "{bits: 4, group_size: 16, start_epoch: 2, freeze_bn_epoch: 2}",
        "{observer: MinMaxObserver, freeze_observers_epoch: 3, exclude: ['1', '3']}",
        "{observer: {MovingAverageMinMaxObserver: {averaging_constant: 0.1}}, per_channel: false}",
        "{learned_step_size: true}",
    ],
)
def test_what_is_written_is_what_is_read(section):
    loaded = load(section)
    again = config_from_yaml(loaded.to_yaml(), "config.resolved.yaml")
    assert again.config == loaded.config
    assert {each.path[0] for each in loaded.describe()} >= {"quantization"}


def test_each_value_says_where_it_is_from():
    loaded = load("{bits: 4}")
    assert loaded.origin(("quantization", "bits")) == "demo.yaml:17"
    assert loaded.origin(("quantization", "start_epoch")) == "default"


TABLE = {
    "{bit: 4}": ["17:16 quantization.bit: unknown key | did you mean 'bits'?"],
    "{bits: 5}": ["17:22 quantization.bits: expected 8 or 4, got 5 (an integer) | None"],
    "{start_epoch: 0}": [
        "17:29 quantization.start_epoch: expected an epoch: an integer >= 1, got 0 (an integer) | None"
    ],
    "{start_epoch: 11}": ["17:29 quantization.start_epoch: epoch 11 never comes: train.epochs is 10 | 10 at most"],
    "{start_epoch: 3, freeze_observers_epoch: 3}": [
        "17:56 quantization.freeze_observers_epoch: epoch 3 is not after start_epoch 3 | "
        "an epoch after start_epoch (3), so that there are ranges to keep; null: never"
    ],
    "{start_epoch: 3, freeze_bn_epoch: 2}": [
        "17:49 quantization.freeze_bn_epoch: epoch 2 is before start_epoch 3 | 3 or later; null: never"
    ],
    "{bits: 4, observer: MinMaxObserver}": [
        "17:35 quantization.observer: with `bits: 4` inputs are not rounded, and nothing observes them | leave it out"
    ],
    "{bits: 4, per_channel: false}": [
        "17:38 quantization.per_channel: with `bits: 4` weights have a scale for each group of an output channel | "
        "leave it out"
    ],
    "{group_size: 16}": [
        "17:28 quantization.group_size: weights of 8 bits are in no groups | leave it out, or set `bits: 4`"
    ],
    "{observer: MinMax}": ["17:26 quantization.observer: unknown observer 'MinMax' | did you mean 'MinMaxObserver'?"],
    "{observer: {MinMaxObserver: {dtype: int8}}}": [
        "17:44 quantization.observer.MinMaxObserver.dtype: MinMaxObserver has no such argument | "
        "MinMaxObserver takes no arguments"
    ],
    "{observer: {PercentileObserver: {percentile: 10}}}": [
        "17:60 quantization.observer: PercentileObserver: percentile must be above 50 and not above 100, got 10.0"
    ],
    "{observer: {MovingAverageMinMaxObserver: {averaging_constant: 0}}}": [
        "17:77 quantization.observer.MovingAverageMinMaxObserver.averaging_constant: expected a number > 0 and <= 1, got 0"
    ],
    "{exclude: ['7']}": ["17:26 quantization.exclude.0: '7' fits no layer | the names are '1', '3'"],
    "{exclude: ['1', '3']}": [
        "17:1 quantization: nothing would be rounded: every layer with weights is excluded | leave it out, or exclude less"
    ],
    "8": ["17:15 quantization: expected a mapping with 'bits'"],
}


@pytest.mark.parametrize(("section", "problems"), TABLE.items(), ids=TABLE)
def test_where_and_how_a_mistake_is_reported(section, problems):
    found = refused(section)
    assert len(found) == len(problems)
    assert all(one.startswith(other) for one, other in zip(found, problems, strict=True)), found


def test_all_mistakes_at_once():
    found = refused("{start_epoch: 20, freeze_bn_epoch: 3, bits: 4, per_channel: false}")
    assert [each.split(" ")[1] for each in found] == [
        "quantization.start_epoch:", "quantization.freeze_bn_epoch:", "quantization.per_channel:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "section", "message"),
    [
        ("{SGD: {lr: 0.01}}", "Adam", "{learned_step_size: true}", "Adam changes every number"),
        ("{SGD: {lr: 0.01}}", "[{SGD: {lr: 0.01}}]", "{learned_step_size: true}", "with several optimizers"),
        ("seed: 0", "devices: [cuda:0, cuda:1]", "{}", "several GPUs"),
    ],
)
def test_what_it_does_not_go_with(old, new, section, message):
    assert CONFIG.count(old) == 1
    assert any(message in each for each in refused(section, CONFIG.replace(old, new)))
