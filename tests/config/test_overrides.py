from __future__ import annotations

import pytest

from trainctl.config.overrides import overridden
from trainctl.config.reader import read

TEXT = """\
seed: 0
model:
  - Flatten
  - Linear: {out_features: 128}
  - ReLU:
optimizer: SGD
data: {dataset: {MNIST: {root: a=b}}}
empty: []
"""


def run(*sets: str, environ=None, flags=None):
    tree, _ = read(TEXT, "a.yaml")
    tree, problems = overridden(tree, sets, environ or {}, flags or {})
    return tree, [(each.file, each.message) for each in problems]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=3", ("seed",), 3),
        ("seed=1e-3", ("seed",), 0.001),
        ("seed=no", ("seed",), "no"),
        ("seed='3'", ("seed",), "3"),
        ("seed=", ("seed",), None),
        ("seed= # nothing", ("seed",), None),
        ("name=a=b=c", ("name",), "a=b=c"),
        ("model.1.Linear.out_features=64", ("model", 1, "Linear", "out_features"), 64),
        ("model.1.Linear.bias=false", ("model", 1, "Linear", "bias"), False),
        ("model.0.Flatten.start_dim=2", ("model", 0), {"Flatten": {"start_dim": 2}}),
        ("model.2.ReLU.inplace=true", ("model", 2), {"ReLU": {"inplace": True}}),
        ("optimizer.SGD.lr=0.1", ("optimizer",), {"SGD": {"lr": 0.1}}),
        ("optimizer={Adam: {lr: 1e-3}}", ("optimizer",), {"Adam": {"lr": 0.001}}),
        ("model=[Flatten, ReLU]", ("model",), ["Flatten", "ReLU"]),
        ("train.epochs=3", ("train",), {"epochs": 3}),
        ("a.b.c=[1, {d: 2}]", ("a",), {"b": {"c": [1, {"d": 2}]}}),
        ("data.split=&x {val: 0.1}", ("data", "split"), {"val": 0.1}),
        ("data.dataset.MNIST.root=c", ("data",), {"dataset": {"MNIST": {"root": "c"}}}),
    ],
)
def test_set(text, path, value):
    tree, problems = run(text)
    assert problems == []
    assert list(tree.walk(path))[-1].plain() == value


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        ("seed", "--set seed", "expected KEY=VALUE"),
        ("", "--set ", "expected KEY=VALUE"),
        ("=3", "--set ", "an empty key"),
        (".=3", "--set .", "an empty key"),
        ("train..epochs=3", "--set train..epochs", "an empty key"),
        ("model.3=ReLU", "--set model.3", "model has no item '3'; its indices: 0 to 2"),
        ("model.-1=ReLU", "--set model.-1", "model has no item '-1'; its indices: 0 to 2"),
        ("model.٢=ReLU", "--set model.٢", "model has no item '٢'; its indices: 0 to 2"),
        ("model.Linear.bias=true", "--set model.Linear.bias", "model has no item 'Linear'; its indices: 0 to 2"),
        (
            f"model.{'9' * 5000}=1",
            f"--set model.{'9' * 5000}",
            f"model has no item '{'9' * 5000}'; its indices: 0 to 2",
        ),
        ("empty.0=1", "--set empty.0", "empty has no item '0'; its indices: none, it is empty"),
        ("seed.x=1", "--set seed.x", "seed is 0 (an integer); nothing is below it"),
        ("model.0.Linear.x=1", "--set model.0.Linear.x", "model.0 is 'Flatten' (a string); nothing is below it"),
        ("seed=[1,", "--set seed", "a value is missing here"),
        ("seed=a: b: c", "--set seed", "a ':' that does not belong here"),
        ("seed={a: 1, a: 2}", "--set seed", "duplicate key 'a', first on line 1"),
        ("seed=!x 3", "--set seed", "the tag !x has no meaning here"),
        ("seed=1\n---\n2", "--set seed", "more than one document; a config is one"),
        ("seed=\udc80", "--set seed", "a control character (U+DC80)"),
    ],
)
def test_a_set_that_cannot_be(text, file, message):
    tree, problems = run(text)
    assert problems == [(file, message)]
    assert tree == read(TEXT, "a.yaml")[0]


def test_later_sets_win_and_mistakes_do_not_stop_them():
    tree, problems = run("seed=1", "seed.x=1", "nothing", "seed=2")
    assert tree.child("seed").value == 2
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("TRAINCTL__SEED", "5", ("seed",), 5),
        ("TRAINCTL__TRAIN__EPOCHS", "5", ("train", "epochs"), 5),
        ("TRAINCTL__MODEL__1__LINEAR__OUT_FEATURES", "5", ("model", 1, "Linear", "out_features"), 5),
        ("TRAINCTL__MODEL__0__FLATTEN__START_DIM", "2", ("model", 0, "Flatten", "start_dim"), 2),
        ("TRAINCTL__OPTIMIZER__sgd__lr", "1e-2", ("optimizer", "SGD", "lr"), 0.01),
    ],
)
def test_variables(name, text, path, value):
    tree, problems = run(environ={name: text, "TRAINCTL_HOME": "x", "PATH": "y"})
    assert problems == []
    nodes = list(tree.walk(path))
    assert len(nodes) == len(path) + 1
    assert (nodes[-1].value, nodes[-1].place.origin) == (value, name)


@pytest.mark.parametrize("name", ["TRAINCTL__", "TRAINCTL__A____B", "TRAINCTL__SEED__"])
def test_a_variable_that_names_nothing(name):
    assert run(environ={name: "1"})[1] == [(name, "an empty key")]


def test_flags_win_over_sets_and_sets_over_variables():
    environ = {"TRAINCTL__SEED": "1", "TRAINCTL__NAME": "a", "TRAINCTL__DEVICE": "x"}
    tree, problems = run(
        "name=b", "device=y", environ=environ, flags={"device": ("--device", "cpu"), "seed": ("--seed", None)}
    )
    assert problems == []
    found = {key: (tree.child(key).value, tree.child(key).place.origin) for key in ("seed", "name", "device")}
    assert found == {"seed": (1, "TRAINCTL__SEED"), "name": ("b", "--set"), "device": ("cpu", "--device")}
