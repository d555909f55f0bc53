"""Groups of parameters by pattern, several optimizers, frozen parameters: what is made, and what is refused where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.train import tiny
from trainctl import optim
from trainctl.build import build, check
from trainctl.config import config_from_yaml, load_config
from trainctl.errors import ConfigError
from trainctl.optim.mixed import MixedOptimizer
from trainctl.registry import TABLES, resolve


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


def groups_of(config: Path, *overrides: str) -> list[tuple[list[str], float]]:
    experiment = build(tiny.load(config, *overrides))
    names = {id(parameter): name for name, parameter in experiment.model.named_parameters()}
    return [([names[id(each)] for each in group["params"]], group["lr"]) for group in experiment.optimizer.param_groups]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["optimizer={SGD: {lr: 1}}"], [(["1.weight", "1.bias", "4.weight", "4.bias"], 1)]),
        (
            ["optimizer={SGD: {lr: 1, param_groups: [{params: '*.bias', lr: 2}, {params: [4.weight], lr: 3}]}}"],
            [(["1.weight"], 1), (["1.bias", "4.bias"], 2), (["4.weight"], 3)],
        ),
        (
            ["optimizer={SGD: {lr: 1, param_groups: [{params: '1.*'}, {params: '4.*', lr: 3}]}}"],
            [(["1.weight", "1.bias"], 1), (["4.weight", "4.bias"], 3)],
        ),
        (["optimizer={SGD: {lr: 1}}", "freeze=['1.*', '*.bias']"], [(["4.weight"], 1)]),
        (
            ["optimizer=[{AdamW: {lr: 1}}, {Muon: {params: '*.weight', lr: 2}}]"],
            [(["1.bias", "4.bias"], 1), (["1.weight", "4.weight"], 2)],
        ),
        (
            ["optimizer=[{SGD: {params: '1.*', lr: 1, param_groups: [{params: '*.bias', lr: 2}]}}, {Adam: {lr: 3}}]"],
            [(["1.weight"], 1), (["1.bias"], 2), (["4.weight", "4.bias"], 3)],
        ),
    ],
)
def test_every_parameter_is_in_the_group_that_its_name_says(config: Path, overrides: list[str], expected: Any):
    assert groups_of(config, *overrides) == expected


def test_a_resolved_config_reads_back_as_the_same(config: Path):
    text = "optimizer=[{Muon: {params: '*.weight'}}, {AdamW: {param_groups: [{params: '4.*', weight_decay: 0}]}}]"
    loaded = tiny.load(config, text, "init_from=runs/other", "freeze=['1.bias']", "train.early_stopping={patience: 3}")
    assert config_from_yaml(loaded.to_yaml(), "resolved").config == loaded.config


BROKEN = {
    "{SGD: {lr: 1, param_groups: [{params: '*.bais'}]}}": (
        50, "param_groups.0.params.0: '*.bais' fits no parameter", "did you mean '*.bias'?"),
    "{SGD: {lr: 1, param_groups: [{params: '*.bias'}, {params: 1.bias}]}}": (
        70, "param_groups.1.params: '1.bias' is taken already, by optimizer.SGD.param_groups.0", ""),
    "{SGD: {lr: 1, param_groups: [{params: '*.bias', lr: -1}]}}": (41, "Invalid learning rate: -1.0", ""),
    "{SGD: {lr: 1, param_groups: [{params: '*.bias', lrr: 1}]}}": (
        60, "param_groups.0.lrr: SGD has no such argument", "did you mean 'lr'?"),
    "{SGD: {lr: 1, param_groups: [{params: '*.bias', lr: fast}]}}": (64, "param_groups.0.lr: expected a number", ""),
    "{SGD: {lr: 1, param_groups: [{lr: 1}]}}": (41, "param_groups.0: missing key 'params'", "add `params: ...`"),
    "{SGD: {lr: 1, param_groups: [{params: []}]}}": (50, "param_groups.0.params: expected a pattern", ""),
    "{SGD: {lr: 1, param_groups: [5]}}": (41, "param_groups.0: expected a mapping with 'params'", ""),
    "{SGD: {lr: 1, param_groups: 5}}": (40, "param_groups: expected a list of groups", ""),
    "{SGD: {lr: 1, param_group: []}}": (26, "SGD has no such argument", "did you mean 'param_groups'?"),
    "{SGD: {lr: 1, params: '*'}}": (26, "SGD has no such argument", "`param_groups: ["),
    "[]": (12, "expected at least one optimizer", ""),
    "[{SGD: {}}, Adam]": (24, "Adam and another optimizer would both take", "give each but one its `params`"),
    "[{SGD: {params: '1.*'}}]": (1, "'4.weight' and 1 more would be in no optimizer", "leave `params` out"),
    "[{SGD: {params: '*'}}, Adam]": (35, "optimizer.1: nothing is left for it", ""),
    "[{SGD: {params: '1.*'}}, {Adma: {}}]": (38, "unknown optimizer 'Adma'", "did you mean 'Adamax'?"),
    "[{SGD: {params: '1.*', lr: x}}, {Adam: {lr: y}}]": (39, "optimizer.1.Adam.lr: expected a number", ""),
    "[{Muon: {params: '*.bias'}}, Adam]": (13, "Muon only supports 2D parameters", ""),
    "5": (12, "expected an optimizer, got 5", ""),
}  # fmt: skip


@pytest.mark.parametrize("written", BROKEN)
def test_what_does_not_fit_is_refused_where_it_is_written(config: Path, tmp_path: Path, written: str):
    column, message, hint = BROKEN[written]
    file = tmp_path / "broken.yaml"
    kept = [line for line in config.read_text().splitlines() if not line.startswith("optimizer")]
    file.write_text("\n".join([f"optimizer: {written}", *kept[1:]]))
    with pytest.raises(ConfigError) as caught:
        check(load_config(file, environ={}))
    text = str(caught.value)
    assert text.startswith(f"{file}:1:{column}: ")
    assert message in text
    assert hint in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["freeze=['1.wieght']"], "freeze.0: '1.wieght' fits no parameter\n    did you mean '1.weight'?"),
        (["freeze=['*']"], "freeze: nothing is left to learn"),
        (
            ["freeze=['1.*']", "optimizer={SGD: {param_groups: [{params: '1.*'}]}}"],
            "'1.*' fits frozen parameters alone",
        ),
        (
            ["optimizer=[{SGD: {params: '1.*'}}, {Adam: {param_groups: [{params: 1.bias}]}}]"],
            "param_groups.0.params.0: '1.bias' fits parameters of another optimizer alone",
        ),
        (
            ["freeze=['4.*']", "optimizer=[{SGD: {params: '*.bias'}}, {Adam: {param_groups: [{params: 4.weight}]}}]"],
            "param_groups.0.params.0: '4.weight' fits frozen parameters alone",
        ),
        (["freeze=['1']"], "did you mean '1.*'?"),
        (
            ["optimizer=[{Muon: {params: '*.weight'}}, AdamW]", "scheduler={OneCycleLR: {max_lr: 1}}"],
            "optimizer must support momentum or beta1",
        ),
    ],
)
def test_what_freezing_and_mixing_do_not_allow(config: Path, overrides: list[str], message: str):
    with pytest.raises(ConfigError) as caught:
        check(tiny.load(config, *overrides))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", [name for name in TABLES["optimizer"] if name not in ("Muon", "SparseAdam")])
def test_every_argument_in_a_config_is_an_option_of_a_group(config: Path, name: str):
    args = tiny.load(config, f"optimizer={name}").config.optimizer.args
    optimizer = resolve("optimizer", name)([build(tiny.load(config)).model[1].weight], **args)
    assert set(args) <= set(optimizer.param_groups[0])


def test_mixed_optimizers_keep_and_restore_their_states(config: Path):
    experiment = build(tiny.load(config, "optimizer=[{Muon: {params: '*.weight'}}, {Adam: {lr: 0.1}}]"))
    mixed = experiment.optimizer
    assert isinstance(mixed, MixedOptimizer)
    experiment.model(trainctl_input()).sum().backward()
    mixed.step()
    assert len(mixed.state) == 4
    state = mixed.state_dict()
    mixed.load_state_dict(state)
    mixed.param_groups[1]["lr"] = 0.5
    assert mixed.optimizers[1].param_groups[0]["lr"] == 0.5
    mixed.zero_grad()
    assert all(parameter.grad is None for parameter in experiment.model.parameters())
    with pytest.raises(ValueError, match="the state of 2 optimizers, got 0"):
        mixed.load_state_dict(optim.Adam(experiment.model.parameters()).state_dict())
    with pytest.raises(ValueError, match="more than one optimizer"):
        MixedOptimizer([mixed.optimizers[0], mixed.optimizers[0]])
    with pytest.raises(ValueError, match="at least one"):
        MixedOptimizer([])
    with pytest.raises(TypeError, match="one of the optimizers"):
        mixed.add_param_group({"params": []})


def trainctl_input() -> Any:
    from trainctl import ones

    return ones(2, 1, 28, 28)
