"""The JSON Schema agrees with the loader: what the one takes the other takes, and what it refuses too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from tests.config.test_broken_configs import CONFIG
from trainctl.config import config_from_yaml, json_schema, load_config
from trainctl.config.components import arguments
from trainctl.config.docstrings import argument_texts, summary
from trainctl.config.json_schema import config_schema
from trainctl.config.reader import read
from trainctl.config.schema import Config
from trainctl.config.templates import FOLDER
from trainctl.errors import ConfigError
from trainctl.registry import TABLES, Entry

REPO = Path(__file__).parents[2]
CONFIGS = sorted([*(REPO / "configs").rglob("*.yaml"), *FOLDER.glob("*.yaml")])
SCHEMA = config_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def plain(text: str) -> object:
    tree, problems = read(text, "a.yaml")
    assert problems == []
    return tree.plain()


def valid(text: str) -> bool:
    return VALIDATOR.is_valid(plain(text))


def test_it_is_a_schema_of_its_draft():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"].startswith("urn:trainctl:config:")
    assert json.loads(json.dumps(SCHEMA, allow_nan=False)) == SCHEMA


def test_every_reference_leads_to_a_definition():
    assert set(references(SCHEMA)) <= {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for each in value.values() for found in references(each)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_config_of_ours_is_valid(path):
    assert list(VALIDATOR.iter_errors(plain(path.read_text()))) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_so_is_what_it_resolves_to(path):
    resolved = load_config(path, environ={}).to_yaml()
    assert list(VALIDATOR.iter_errors(plain(resolved))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: demo", "nmae: demo"),
        ("name: demo", "name: a/b"),
        ("name: demo", "name: 7"),
        ("seed: 0", "seed: -1"),
        ("seed: 0", "seed: '3'"),
        ("seed: 0", "seed: true"),
        ("seed: 0", "seed:"),
        ("seed: 0", "device: gpu"),
        ("seed: 0", "threads: many"),
        ("{MNIST: {root: datasets/mnist}}", "{MNSIT: {root: d}}"),
        ("{MNIST: {root: datasets/mnist}}", "MNIST"),
        ("{MNIST: {root: datasets/mnist}}", "{MNIST: }"),
        ("{root: datasets/mnist}", "{root: 3}"),
        ("{root: datasets/mnist}", "{root: d, train: true}"),
        ("{val: 0.1}", "{val: 1}"),
        ("{val: 0.1}", "0.1"),
        ("batch_size: 64", "batch_size: 0"),
        ("batch_size: 64", "shuffle: yes"),
        ("- ReLU", "- relu"),
        ("- ReLU", "- Linear"),
        ("- ReLU", "- 3"),
        ("- ReLU", "- {}"),
        ("- ReLU", "- [ReLU]"),
        ("- ReLU", "- {ReLU: {inplce: true}}"),
        ("- ReLU", "- {ReLU: [true]}"),
        ("- ReLU", "- {ReLU: , Linear: }"),
        ("- ReLU", "- SGD"),
        ("- ReLU", "- Conv2d: {kernel_size: [3, a], out_channels: 2}"),
        ("{out_features: 128}", "{out_feature: 128}"),
        ("{out_features: 128}", "{out_features: '128'}"),
        ("{out_features: 128}", "{bias: true}"),
        ("loss: CrossEntropyLoss", "loss: CrossEntropy"),
        ("loss: CrossEntropyLoss\n", ""),
        ("loss: CrossEntropyLoss", "loss: {CrossEntropyLoss: {reduction: avg}}"),
        ("{lr: 0.01}", "{lr: fast}"),
        ("{lr: 0.01}", "{learning_rate: 0.01}"),
        ("{SGD: {lr: 0.01}}", "{SGD: {lr: 0.01}, Adam: {}}"),
        ("{SGD: {lr: 0.01}}", "{Adam: {betas: [0.9]}}"),
        ("{SGD: {lr: 0.01}}", "[{SGD: {lr: 0.01}}, {Adma: {params: '*'}}]"),
        ("{SGD: {lr: 0.01}}", "[]"),
        ("{SGD: {lr: 0.01}}", "{SGD: {param_groups: [{lr: 0.01}]}}"),
        ("{SGD: {lr: 0.01}}", "{SGD: {param_groups: [{params: '*', lr: fast}]}}"),
        ("seed: 0", "init_from: 3"),
        ("seed: 0", "init_from: {strict: false}"),
        ("seed: 0", "freeze: ['']"),
        ("  epochs: 10", "  epochs: 10\n  early_stopping: {patience: 0}"),
        ("  epochs: 10", "  epochs: 10\n  ema: {decay: 1}"),
        ("  epochs: 10", "  epochs: 10\n  clip_grad_norm: 0"),
        ("  epochs: 10", "  epochs: 10\nquantization: {bits: 6}"),
        ("  epochs: 10", "  epochs: 10\nquantization: {start: 2}"),
        ("  epochs: 10", "  epochs: 10\nquantization: {observer: MinMax}"),
        ("  epochs: 10", "  epochs: 10\nquantization: {observer: {MinMaxObserver: {dtype: int8}}}"),
        ("metrics: [accuracy]", "metrics: accuracy"),
        ("metrics: [accuracy]", "metrics: [acuracy]"),
        ("metrics: [accuracy]", "scheduler: StepLR"),
        ("metrics: [accuracy]", "scheduler: {StepLR: {step_size: 0}}"),
        ("metrics: [accuracy]", "scheduler: {OneCycleLR: {max_lr: 0.1, interval: batch}}"),
        ("metrics: [accuracy]", "scheduler: {SequentialLR: {schedulers: [ReduceLROnPlateau], milestones: []}}"),
        ("  epochs: 10", "  epoch: 10"),
        ("  epochs: 10", "  epochs: 0"),
        ("train:\n  epochs: 10\n", "train: 10\n"),
        ("train:\n  epochs: 10\n", ""),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(old, new):
    assert CONFIG.count(old) == 1
    broken = CONFIG.replace(old, new)
    with pytest.raises(ConfigError):
        config_from_yaml(broken, "demo.yaml")
    assert not valid(broken)
    assert valid(CONFIG)


@pytest.mark.parametrize("text", ["", "3", "[]", "a: 1", "extends: []", "extends: 3", "extends: base"])
def test_what_is_no_config(text):
    tree, _ = read(text, "a.yaml")
    assert not VALIDATOR.is_valid(tree.plain() if tree else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train: {checkpoint_every: 5}",
        "optimizer: {SGD: {momentum: 0.5}}",
        "scheduler: {StepLR: {gamma: 0.5}}",
        "data: {split: {val: 0.2}}\nname: a",
    ],
)
@pytest.mark.parametrize("extends", ["base.yaml", "[a.yaml, b.yml]", "{file: a.yaml, without: [scheduler]}"])
def test_a_file_that_extends_others_may_leave_out_the_rest(text, extends):
    assert valid(f"extends: {extends}\n{text}\n")
    assert not text or not valid(text)


@pytest.mark.parametrize(
    "text",
    ["train: {epoch: 5}", "optimizer: {SGD: {lr: x}}", "model: [Linear]", "model: [Linear: {bias: true}]", "sed: 1"],
)
def test_but_what_it_says_has_to_be_right(text):
    assert not valid(f"extends: base.yaml\n{text}\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{SGD: {lr: 0.01}}", "[{Muon: {params: '*.weight'}}, AdamW]"),
        ("{SGD: {lr: 0.01}}", "{SGD: {lr: 0.1, param_groups: [{params: ['*.bias', '1.*'], lr: 0.2}]}}"),
        ("seed: 0", "init_from: runs/a"),
        ("seed: 0", "init_from: {path: runs/a, strict: false}"),
        ("seed: 0", "freeze: ['1.*']"),
        ("  epochs: 10", "  epochs: 10\n  early_stopping: {patience: 3}\n  ema: {}\n  accumulate: 2"),
        ("  epochs: 10", "  epochs: 10\nquantization: {bits: 4, exclude: ['1'], start_epoch: 3}"),
        ("  epochs: 10", "  epochs: 10\nquantization: {observer: {HistogramObserver: {bins: 64, method: mse}}}"),
    ],
)
def test_what_the_loader_takes_the_schema_takes(old, new):
    written = CONFIG.replace(old, new)
    config_from_yaml(written, "demo.yaml")
    assert valid(written)
    assert valid(config_from_yaml(written, "demo.yaml").to_yaml())


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in TABLES for name in TABLES[kind]])
def test_each_class_has_a_definition_and_a_place_in_its_union(kind, name):
    definition = SCHEMA["$defs"][f"{kind}.{name}"]
    assert definition["description"]
    more = {"params", "param_groups"} if kind == "optimizer" else set()
    assert (
        definition["properties"].keys() == {each.alias for each in arguments(kind, name).model_fields.values()} | more
    )
    *alone, called = SCHEMA["$defs"][kind]["anyOf"]
    assert name in called["properties"]
    required = any(field.is_required() for field in arguments(kind, name).model_fields.values())
    assert (name in {each["const"] for each in alone}) == (not required)


class Doubled:
    """Twice as much.

    Args:
        factor: how often
            it is doubled, in :func:`doubled`.
        label: ``free``.
    """

    def __init__(self, factor: int, label: str = "a") -> None: ...


def test_a_class_that_others_add_is_in_it(monkeypatch):
    monkeypatch.setitem(TABLES["layer"], "Doubled", Entry(f"{__name__}:Doubled"))
    monkeypatch.setattr(json_schema, "resolve", lambda kind, name: Doubled)
    monkeypatch.setattr("trainctl.config.components.resolve", lambda kind, name: Doubled)
    monkeypatch.setattr(json_schema, "TABLES", {"layer": {"Doubled": TABLES["layer"]["Doubled"]}})
    definitions = config_schema()["$defs"]
    assert definitions["layer.Doubled"] == {
        "type": "object",
        "description": "Twice as much.",
        "additionalProperties": False,
        "properties": {
            "factor": {"description": "how often it is doubled, in `doubled`.", "type": "integer"},
            "label": {"description": "`free`.", "type": "string", "default": "a"},
        },
    }
    assert definitions["layer"]["anyOf"][-1]["properties"]["Doubled"]["required"] == ["factor"]


def test_every_key_of_a_section_is_explained():
    for name in ("Config", "DataConfig", "SplitConfig", "TrainConfig"):
        for key, each in SCHEMA["$defs"][name]["properties"].items():
            assert each.get("description"), f"{name}.{key}"


def test_descriptions_are_those_of_the_docstrings():
    assert summary(Config) == "A run: what to train on what, and how."
    assert argument_texts(Doubled) == {"factor": "how often it is doubled, in `doubled`.", "label": "`free`."}
    assert argument_texts(BaseModel) is not None
    assert (summary(type("Bare", (), {})), argument_texts(type("Bare", (), {}))) == ("", {})
