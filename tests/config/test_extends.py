"""``extends``: what wins, where each value says it is from, and every way in which it goes wrong."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import yaml

from trainctl.config import config_from_yaml, load_config
from trainctl.config.extends import MAX_FILES, merged
from trainctl.config.files import MAX_BYTES
from trainctl.config.reader import MAX_VALUES
from trainctl.config.tree import Place, node_of
from trainctl.errors import ConfigError

BASE = """\
name: base
data:
  dataset: {MNIST: {root: d}}
  split: {val: 0.1}
model: [Flatten, Linear: {out_features: 10}]
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.1, momentum: 0.9}}
scheduler: {StepLR: {step_size: 3}}
metrics: [accuracy]
train: {epochs: 2}
"""


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load(text: str, *sets: str, environ=None, name: str = "a.yaml"):
    return load_config(write(name, text), sets, environ=environ or {})


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [
        f"{each.file}:{each.line}:{each.column} {each.message}" + (f" | {each.hint}" if each.hint else "")
        for each in caught.value.problems
    ]


# -- what wins ----------------------------------------------------------------------------------------


def test_a_file_says_only_what_is_different():
    loaded = load("extends: base.yaml\nseed: 3\ntrain: {checkpoint_every: 5}\ndata: {split: {val: 0.2}}\n")
    config = loaded.config
    assert (config.seed, config.train.epochs, config.train.checkpoint_every) == (3, 2, 5)
    assert (config.data.split.val, config.data.dataset.args["root"]) == (0.2, "d")
    assert {path: loaded.origin(path) for path in (("seed",), ("train", "epochs"), ("data", "split", "val"))} == {
        ("seed",): "a.yaml:2",
        ("train", "epochs"): "base.yaml:10",
        ("data", "split", "val"): "a.yaml:4",
    }
    assert loaded.locate(("optimizer", "SGD", "lr")).file == "base.yaml"
    assert "extends" not in loaded.to_yaml()
    assert config_from_yaml(loaded.to_yaml(), "resolved.yaml").config == config


@pytest.mark.parametrize(
    ("own", "key", "value"),
    [
        ("optimizer: {SGD: {lr: 0.2}}", "optimizer", {"SGD": {"lr": 0.2, "momentum": 0.9}}),
        ("optimizer: {Adam: {lr: 0.2}}", "optimizer", {"Adam": {"lr": 0.2}}),
        ("optimizer: SGD", "optimizer", {"SGD": {"lr": 0.001, "momentum": 0.0}}),
        ("scheduler: null", "scheduler", None),
        ("scheduler: {StepLR: {gamma: 0.5}}", "scheduler", {"StepLR": {"step_size": 3, "gamma": 0.5}}),
        ("loss: {CrossEntropyLoss: {reduction: sum}}", "loss", {"CrossEntropyLoss": {"reduction": "sum"}}),
        ("model: [Flatten]", "model", [{"Flatten": {}}]),
        ("metrics: []", "metrics", []),
    ],
)
def test_mappings_merge_and_all_else_replaces(own, key, value):
    def trimmed(resolved, wanted):
        if isinstance(wanted, dict):
            return {each: trimmed(resolved[each], wanted[each]) for each in wanted} if wanted else {}
        return [trimmed(*pair) for pair in zip(resolved, wanted, strict=True)] if isinstance(wanted, list) else resolved

    component = getattr(load(f"extends: base.yaml\n{own}\n").config, key)
    plain = [each.plain() for each in component] if isinstance(component, tuple) else component and component.plain()
    assert trimmed(plain, value) == value
    assert value is None or isinstance(value, list) or plain.keys() == value.keys()


def test_of_several_bases_the_later_wins():
    write("fast.yaml", "train: {epochs: 1}\nseed: 1")
    write("seven.yaml", "seed: 7")
    config = load("extends: [base.yaml, fast.yaml, seven.yaml]\nname: both\n").config
    assert (config.name, config.train.epochs, config.seed) == ("both", 1, 7)


def test_a_chain_is_followed_from_each_file_s_own_folder():
    write("sub/middle.yml", "extends: ../base.yaml\nseed: 5\n")
    loaded = load("extends: sub/middle.yml\ntrain: {epochs: 9}\n")
    assert (loaded.config.seed, loaded.config.train.epochs, loaded.origin(("name",))) == (5, 9, "base.yaml:1")


def test_two_files_may_extend_the_same_one():
    for name in ("left", "right"):
        write(f"{name}.yaml", f"extends: base.yaml\ndata: {{batch_size: {len(name)}}}\n")
    assert load("extends: [left.yaml, right.yaml]\n").config.data.batch_size == 5


def test_an_absolute_path_and_one_from_another_folder(base):
    assert load(f"extends: {base}\n", name="far/away/a.yaml").config.name == "base"
    assert load("extends: ../../base.yaml\n", name="far/away/a.yaml").config.name == "base"


def test_parts_of_a_base_can_be_left_out():
    text = "extends: {file: base.yaml, without: [scheduler, optimizer.SGD.momentum, model.0, name]}\n"
    config = load(text).config
    assert (config.scheduler, config.optimizer.args["momentum"], config.name) == (None, 0.0, "a")
    assert [layer.name for layer in config.model] == ["Linear"]
    assert load("extends: {file: base.yaml, without: scheduler}\n").config.scheduler is None


def test_a_file_without_a_base_s_name_has_the_base_s():
    assert load("extends: base.yaml\n").config.name == "base"
    write("base.yaml", BASE.replace("name: base\n", ""))
    assert load("extends: base.yaml\n").config.name == "a"


def test_variables_sets_and_flags_are_over_every_file():
    loaded = load("extends: base.yaml\nseed: 1\n", "train.epochs=8", environ={"TRAINCTL__OPTIMIZER__SGD__LR": "0.5"})
    assert (loaded.config.train.epochs, loaded.config.optimizer.args["lr"]) == (8, 0.5)
    assert loaded.config.optimizer.args["momentum"] == 0.9


def test_a_class_s_own_mappings_merge_too():
    place = Place("x")
    assert merged(node_of({"a": {"b": 1, "c": 2}}, place), node_of({"a": {"c": 3}}, place), dict).plain() == {
        "a": {"b": 1, "c": 3}
    }


# -- mistakes -----------------------------------------------------------------------------------------

FORMS = "a file, or `{file: base.yaml, without: [a.b]}`, or a list of these"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("bsae.yaml", "1:10 extends: bsae.yaml: no such file | did you mean base.yaml?"),
        ("no/base.yaml", "1:10 extends: no/base.yaml: no such file | there is no directory no either"),
        ("base", "1:10 extends: expected a .yaml or .yml file, got 'base' | did you mean base.yaml?"),
        ("/etc/passwd", "1:10 extends: expected a .yaml or .yml file, got '/etc/passwd'"),
        ("''", "1:10 extends: expected a .yaml or .yml file, got ''"),
        ("folder.yaml", "1:10 extends: folder.yaml: a directory; expected a YAML file"),
        ("pipe.yaml", "1:10 extends: pipe.yaml: not a file"),
        ("empty.yaml", "1:10 extends: empty.yaml: expected a mapping, got nothing (null)"),
        ("list.yaml", "1:10 extends: list.yaml: expected a mapping, got [1] (a list)"),
        ("a.yaml", "1:10 extends: a circle: a.yaml -> a.yaml | remove one of them"),
        ("./x/../a.yaml", "1:10 extends: a circle: a.yaml -> a.yaml | remove one of them"),
        ("loop.yaml", "1:10 extends: loop.yaml: cannot be read: Too many levels of symbolic links"),
        ("out.yaml", "1:10 extends: out.yaml: a symbolic link that leads to {above}/out.yaml | name the file itself"),
        ("link/b.yaml", "1:10 extends: link/b.yaml: a symbolic link that leads to /etc/b.yaml | name the file itself"),
        ("secret.yaml", "1:10 extends: secret.yaml: a symbolic link that leads to {here}/key | name the file itself"),
        ("https://a.b/c.yaml", "1:10 extends: a URL; nothing is fetched from a network | download it, and name the file"),
        ("file:///etc/a.yaml", "1:10 extends: a URL; nothing is fetched from a network | download it, and name the file"),
        ("3", f"1:10 extends: expected {FORMS}, got 3 (an integer)"),
        ("null", f"1:10 extends: expected {FORMS}, got nothing (null)"),
        ("[]", f"1:10 extends: expected {FORMS}, got [] (a list)"),
        ("[[base.yaml]]", f"1:11 extends: expected {FORMS}, got ['base.yaml'] (a list)"),
        (
            "{without: [seed]}",
            "1:10 extends: missing key 'file' | for example `{file: base.yaml, without: [scheduler]}`",
        ),
        (
            "{file: 3}",
            "1:17 extends: file: expected a string, got 3 (an integer) | "
            "for example `{file: base.yaml, without: [scheduler]}`",
        ),
        ("{file: base.yaml, witout: [seed]}", "1:28 extends: witout: unknown key | did you mean 'without'?"),
        ("{file: base.yaml, without: [3]}", "1:38 extends: without: expected keys such as optimizer.SGD, got 3 (an integer)"),
        (
            "{file: base.yaml, without: optimizer.sgd}",
            "1:37 extends: without: base.yaml has no 'optimizer.sgd' | did you mean 'SGD'?",
        ),
        ("{file: base.yaml, without: model.9}", "1:37 extends: without: base.yaml has no 'model.9'"),
        ("{file: base.yaml, without: name.x}", "1:37 extends: without: base.yaml has no 'name.x'"),
    ],
)  # fmt: skip
def test_a_mistake_in_extends(value, problem, tmp_path):
    for name in ("folder.yaml", "x"):
        Path(name).mkdir()
    os.mkfifo("pipe.yaml")
    write("empty.yaml", "# nothing\n")
    write("list.yaml", "[1]")
    write("key", BASE)
    for name, target in (
        ("loop.yaml", "loop.yaml"),
        ("out.yaml", "../out.yaml"),
        ("link", "/etc"),
        ("secret.yaml", "key"),
    ):
        Path(name).symlink_to(target)
    expected = problem.replace("{above}", str(tmp_path.parent)).replace("{here}", str(tmp_path))
    assert problems_of(f"extends: {value}\n") == [f"a.yaml:{expected}"]


def test_a_link_within_the_folder_is_followed():
    Path("same.yaml").symlink_to("base.yaml")
    assert load("extends: same.yaml\n").config.name == "base"


def test_a_circle_names_every_file_on_it():
    write("b.yaml", "extends: c.yaml\n")
    write("c.yaml", "seed: 1\nextends: b.yaml\n")
    assert problems_of("extends: b.yaml\n") == [
        "c.yaml:2:10 extends: a circle: b.yaml -> c.yaml -> b.yaml | remove one of them"
    ]


def test_mistakes_stand_where_they_were_written_whatever_the_file():
    write("b.yaml", "extends: base.yaml\nsede: 3\noptimizer: {SGD: {lr: fast}}\n")
    assert problems_of("extends: b.yaml\ntrain: {epochs: 0, epochs: 1}\nmodle: []\n") == [
        "a.yaml:2:17 train.epochs: expected an integer >= 1, got 0 (an integer)",
        "a.yaml:2:20 duplicate key 'epochs', first on line 2 | keep one of them",
        "a.yaml:3:1 modle: unknown key | did you mean 'model'?",
        "b.yaml:2:1 sede: unknown key | did you mean 'seed'?",
        "b.yaml:3:23 optimizer.SGD.lr: expected a number, got 'fast' (a string)",
    ]


def test_a_mistake_that_a_later_file_mends_is_none():
    write("b.yaml", "extends: base.yaml\nseed: x\n")
    assert load("extends: b.yaml\nseed: 4\n").config.seed == 4


def test_every_file_s_broken_yaml_is_reported_at_once():
    write("b.yaml", "seed: [1\n")
    write("c.yaml", "x: 1\nseed: @\n")
    assert [each.split(" ")[0] for each in problems_of("seed: 1\nseed: 2\nextends: [b.yaml, c.yaml, d.yaml]\n")] == [
        "a.yaml:2:1",
        "a.yaml:3:27",
        "b.yaml:1:7",
        "c.yaml:2:7",
    ]


def test_too_many_files():
    for number in range(MAX_FILES + 1):
        write(f"{number}.yaml", f"extends: {number + 1}.yaml\n")
    assert problems_of("extends: 0.yaml\n") == [f"{MAX_FILES - 1}.yaml:1:10 extends: over {MAX_FILES} files together"]


def test_too_much_together():
    for name in "bc":
        write(f"{name}.yaml", "#" * (MAX_BYTES * 2 // 3) + "\nseed: 1\n")
    assert problems_of("extends: [b.yaml, c.yaml]\n") == [
        f"a.yaml:1:19 extends: c.yaml: over {MAX_BYTES} bytes together"
    ]
    for name in "def":
        anchors = f"a{name}: &a [" + "0, " * 99 + f"0]\nb{name}: &b [" + "*a, " * 59 + "*a]\n"
        write(f"{name}.yaml", f"{anchors}{name}: [*b, *b]\n")  # within the limit by itself
    assert problems_of("extends: [d.yaml, e.yaml, f.yaml]\n") == [
        f"a.yaml:1:10 extends: over {MAX_VALUES} values together"
    ]


@pytest.mark.parametrize("text", ["extend: base.yaml", "Extends: base.yaml", "extnds: base.yaml"])
def test_a_misspelt_extends(text):
    assert any(each.endswith("unknown key | did you mean 'extends'?") for each in problems_of(text))


def test_extends_below_the_top_is_an_unknown_key():
    text = BASE.replace("train: {", "train: {extends: base.yaml, ")
    assert problems_of(text)[0].startswith("a.yaml:10:9 train.extends: unknown key")


@pytest.mark.parametrize(("sets", "environ"), [(["extends=base.yaml"], {}), ([], {"TRAINCTL__EXTENDS": "base.yaml"})])
def test_only_a_file_extends(sets, environ):
    with pytest.raises(ConfigError, match="a config file alone") as caught:
        load_config("base.yaml", sets, environ=environ)
    assert len(caught.value.problems) == 1


def test_a_resolved_config_reads_no_other_file(monkeypatch):
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("a file was opened"))
    with pytest.raises(ConfigError) as caught:
        config_from_yaml(BASE + "extends: base.yaml\n", "checkpoint.json")
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (
        11,
        "extends: a resolved config stands alone and reads no other file",
    )


def test_no_socket_is_opened(monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a socket was opened"))
    for value in ("http://localhost/a.yaml", "ftp://localhost/a.yaml", "//localhost/a.yaml", "s3:a.yaml"):
        assert len(problems_of(f"extends: {value}\n")) == 1


# -- models, losses and blocks ------------------------------------------------------------------------


GRAPH = """\
extends: base.yaml
model:
  stem: {from: input, layers: [Flatten, {Linear: {out_features: 8}}]}
  head: {from: stem, layers: [{Linear: {out_features: 10}}]}
"""


@pytest.mark.parametrize(
    ("before", "after", "both"),
    [
        ("model: {a: {from: input}}", "model: {a: {dim: 2}}", {"a": {"from": "input", "dim": 2}}),
        ("model: {a: {from: input}}", "model: {b: {from: a}}", {"a": {"from": "input"}, "b": {"from": "a"}}),
        ("model: {a: {from: x}}", "model: {outputs: [a]}", {"a": {"from": "x"}, "outputs": ["a"]}),
        ("model: {a: {from: x}, b: {from: a}}", "model: {Net: {dim: 2}}", {"Net": {"dim": 2}}),
        ("model: {a: {from: x}}", "model: {Linear: {out_features: 2}}", {"Linear": {"out_features": 2}}),
        ("model: {Net: {n: 1}}", "model: {Other: {m: 1}}", {"Other": {"m": 1}}),
        ("model: {Net: {n: 1}}", "model: {Net: {m: 1}}", {"Net": {"n": 1, "m": 1}}),
        ("loss: {a: MSELoss}", "loss: {b: MSELoss}", {"a": "MSELoss", "b": "MSELoss"}),
        ("loss: {a: MSELoss}", "loss: {weights: {a: 2}}", {"a": "MSELoss", "weights": {"a": 2}}),
        ("loss: {a: MSELoss, weights: {a: 1}}", "loss: {weights: {b: 2}}", {"a": "MSELoss", "weights": {"a": 1, "b": 2}}),
        ("loss: {a: MSELoss, b: MSELoss}", "loss: MSELoss", "MSELoss"),
        ("loss: {a: MSELoss, b: MSELoss}", "loss: {HuberLoss: {delta: 2}}", {"HuberLoss": {"delta": 2}}),
        ("loss: {a: {HuberLoss: {delta: 2}}}", "loss: {a: {MSELoss: {}}}", {"a": {"MSELoss": {}}}),
        ("loss: {Mine: {x: 1}}", "loss: {Mine: {y: 2}}", {"Mine": {"x": 1, "y": 2}}),
        ("blocks: {b: {layers: [ReLU]}}", "blocks: {b: {layers: [GELU]}, c: {layers: [ReLU]}}",
         {"b": {"layers": ["GELU"]}, "c": {"layers": ["ReLU"]}}),
    ],
)  # fmt: skip
def test_names_of_the_users_merge_and_classes_replace(before, after, both):
    trees = [node_of(yaml.safe_load(text), Place("x.yaml")) for text in (before, after)]
    (found,) = merged(*trees).plain().values()
    assert found == both


def test_overrides_and_variables_reach_into_a_graph():
    write("graph.yaml", GRAPH)
    environ = {"TRAINCTL__MODEL__STEM__LAYERS__1__LINEAR__OUT_FEATURES": "4"}
    loaded = load("extends: graph.yaml\n", "model.head.layers.0.Linear.bias=false", environ=environ)
    stem, head = (node.layers[-1].args for node in loaded.config.model.nodes.values())
    assert (stem["out_features"], head["bias"]) == (4, False)


def test_and_into_nested_layers_and_blocks():
    text = (
        "extends: base.yaml\nblocks: {b: {layers: [{Dropout: {p: 0.5}}]}}\n"
        "model: [Flatten, Residual: {layers: [Linear: {out_features: 784}, b: ]}, Linear: {out_features: 10}]\n"
    )
    environ = {"TRAINCTL__MODEL__1__RESIDUAL__LAYERS__0__LINEAR__BIAS": "false"}
    loaded = load(text, "blocks.b.layers.0.Dropout.p=0.25", environ=environ)
    assert loaded.config.blocks["b"].layers[0].args["p"] == 0.25
    assert loaded.config.model[1].args["layers"][0].args["bias"] is False
