from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.config import load_config
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
        ("trainctl__seed", "5", ("seed",), 5),
        ("TRAINCTL__MODEL__1", "{Linear: {out_features: 2}}", ("model", 1, "Linear", "out_features"), 2),
        ("TRAINCTL__TRAIN", "{epochs: 4}", ("train", "epochs"), 4),
        ("TRAINCTL__NAME", "", ("name",), None),
        # Names that the file does not have are spelled as the schema has them.
        ("TRAINCTL__SCHEDULER__COSINEANNEALINGLR__T_MAX", "4", ("scheduler", "CosineAnnealingLR", "T_max"), 4),
        ("TRAINCTL__SCHEDULER__CYCLICLR__BASE_LR", "4", ("scheduler", "CyclicLR", "base_lr"), 4),
        ("TRAINCTL__DATA__SPLIT__VAL", "0.2", ("data", "split", "val"), 0.2),
        ("TRAINCTL__MODEL__2__RELU__INPLACE", "true", ("model", 2, "ReLU", "inplace"), True),
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


def test_two_variables_for_one_value_are_a_mistake():
    environ = {"TRAINCTL__SEED": "1", "TRAINCTL__Seed": "2", "trainctl__seed": "3", "TRAINCTL__NAME": "a"}
    tree, problems = run(environ=environ)
    assert problems == [
        ("TRAINCTL__Seed", "TRAINCTL__SEED sets this too"),
        ("trainctl__seed", "TRAINCTL__SEED sets this too"),
    ]
    assert (tree.child("seed").value, tree.child("name").value) == (1, "a")


def test_a_variable_goes_over_one_that_sets_what_encloses_it():
    tree, problems = run(environ={"TRAINCTL__TRAIN__EPOCHS": "9", "TRAINCTL__TRAIN": "{epochs: 4, monitor: x}"})
    assert (tree.child("train").plain(), problems) == ({"epochs": 9, "monitor": "x"}, [])


@pytest.mark.parametrize("name", ["TRAINCTL_SEED__X", "TRAINCTL_TRAIN__EPOCHS", "trainctl_train__epochs"])
def test_a_variable_with_one_underscore_too_few(name):
    assert run(environ={name: "1"})[1] == [(name, "unknown variable")]


@pytest.mark.parametrize("name", ["TRAINCTL_CACHE_DIR", "TRAINCTL_HOME", "TRAINCTL", "XTRAINCTL__SEED", "PATH__X"])
def test_other_programs_variables_are_passed_over(name):
    assert run(environ={name: "1"}) == (read(TEXT, "a.yaml")[0], [])


def test_another_class_is_set_whole():
    tree, _ = read("loss: MSELoss", "a.yaml")
    _, (problem,) = overridden(tree, ["loss.L1Loss.reduction=sum"], {}, {})
    assert (problem.message, problem.hint) == (
        "loss is 'MSELoss' (a string); nothing is below it",
        "to replace it, set the whole value: loss={L1Loss: {...}}",
    )
    _, (problem,) = overridden(tree, [], {"TRAINCTL__LOSS__L1LOSS__REDUCTION": "sum"}, {})
    assert problem.hint == "to replace it, set the whole value: loss={L1Loss: {...}}"


# -- precedence: each source over each one before it --------------------------------------------------

SOURCES = ("default", "base", "file", "variable", "set", "flag")
ORIGINS = ("default", "base.yaml:1", "a.yaml:2", "TRAINCTL__SEED", "--set", "--seed")
WHOLE = "model: [Flatten]\nloss: MSELoss\noptimizer: SGD\ntrain: {epochs: 1}\ndata: {dataset: {MNIST: {root: d}}}\n"
PAIRS = [(lower, higher) for higher in range(1, len(SOURCES)) for lower in range(higher)]


@pytest.mark.parametrize("given", [*PAIRS, tuple(range(len(SOURCES)))], ids=lambda each: "-".join(map(str, each)))
def test_each_source_is_over_those_before_it(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(("seed: 1\n" if 1 in given else "# no seed\n") + WHOLE)
    Path("a.yaml").write_text("extends: base.yaml\n" + ("seed: 2\n" if 2 in given else ""))
    loaded = load_config(
        "a.yaml",
        ["seed=4"] if 4 in given else [],
        {"seed": ("--seed", 5 if 5 in given else None)},
        {"TRAINCTL__SEED": "3"} if 3 in given else {},
    )
    assert (loaded.config.seed, loaded.origin(("seed",))) == (max(given), ORIGINS[max(given)])


def test_the_last_of_several_sets_wins(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(WHOLE)
    assert load_config(path, ["seed=1", "seed=2"], environ={}).config.seed == 2


def test_flags_win_over_sets_and_sets_over_variables():
    environ = {"TRAINCTL__SEED": "1", "TRAINCTL__NAME": "a", "TRAINCTL__DEVICE": "x"}
    tree, problems = run(
        "name=b", "device=y", environ=environ, flags={"device": ("--device", "cpu"), "seed": ("--seed", None)}
    )
    assert problems == []
    found = {key: (tree.child(key).value, tree.child(key).place.origin) for key in ("seed", "name", "device")}
    assert found == {"seed": (1, "TRAINCTL__SEED"), "name": ("b", "--set"), "device": ("cpu", "--device")}
