from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.tiny import load, write_config
from trainctl.cli.main import main
from trainctl.cli.show import annotated
from trainctl.config import config_from_yaml, load_config
from trainctl.jobs import run_training


def shown(capfd, *words: str) -> str:
    assert main(["show", *words]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out


def test_it_prints_the_resolved_config_as_yaml(workspace, capfd):
    out = shown(capfd, "tiny.yaml", "train.epochs=7")
    loaded = load_config("tiny.yaml", ["train.epochs=7"])
    assert config_from_yaml(out, "shown").config == loaded.config
    assert yaml.safe_load(out) == yaml.safe_load(loaded.to_yaml())


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        ("device: auto", "default"),
        ("seed: 4", "--seed"),
        ("threads: 1", "--threads"),
        ("epochs: 2", "--epochs"),
        ("batch_size: 8", "--set"),
        ("eval_batch_size: 5", "TRAINCTL__DATA__EVAL_BATCH_SIZE"),
        ("lr: 0.5", "--set"),
    ],
)
def test_every_value_says_where_it_came_from(key, origin, workspace, monkeypatch, capfd):
    monkeypatch.setenv("TRAINCTL__DATA__EVAL_BATCH_SIZE", "5")
    sets = ["data.batch_size=8", "-s", "optimizer.Adam.lr=0.5"]
    out = shown(capfd, "tiny.yaml", *sets, "--seed", "4", "--threads", "1", "--epochs", "2")
    assert re.search(rf"^ *{key} +# {origin}$", out, re.MULTILINE), out


@pytest.mark.parametrize("text", ["name: tiny", "val: 0.2", "p: 0.3", "epochs: 3"])
def test_what_is_in_the_file_is_shown_with_its_line(text, workspace, capfd):
    out = shown(capfd, "tiny.yaml")
    line = int(re.search(rf"{text} +# tiny\.yaml:(\d+)$", out, re.MULTILINE)[1])
    assert text in (workspace / "tiny.yaml").read_text().splitlines()[line - 1]


@pytest.mark.parametrize("name", ["a\nb.yaml", "a b#.yaml", "\x1b[2J.yaml", "größe.yaml", "\udcff.yaml"])
def test_no_file_name_breaks_the_yaml(name, workspace, capfd):
    (workspace / "tiny.yaml").rename(workspace / name)
    out = shown(capfd, name)
    assert config_from_yaml(out, "shown").config == load_config(name).config
    assert "\x1b" not in out


def test_every_line_with_a_value_has_an_origin(workspace, capfd):
    for line in shown(capfd, "tiny.yaml").splitlines():
        assert line.endswith(":") != (" # " in line)


@pytest.mark.parametrize(
    "name", ["'yes'", "'1e-3'", "'007'", "a name with spaces and more than that up to sixty characters"]
)
def test_words_that_need_quotes_keep_them(name, workspace, capfd):
    out = shown(capfd, "tiny.yaml", f"name={name}")
    assert config_from_yaml(out, "shown").config.name == name.strip("'")


# -- a run's config -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run, of the config that only its run directory has."""
    folder = tmp_path_factory.mktemp("trained")
    loaded = load(write_config(folder), "train.epochs=1", "seed=5")
    run_training(loaded, output_dir=folder / "runs" / "tiny")
    return folder


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("runs/tiny", "runs/tiny/config.resolved.yaml:2"),
        ("runs/tiny/best", "runs/tiny/checkpoints/step-00000005:2"),
        ("runs/tiny/latest", "runs/tiny/checkpoints/step-00000005:2"),
        ("runs/tiny/checkpoints/last", "runs/tiny/checkpoints/step-00000005:2"),
        ("runs/tiny/checkpoints/step-00000005/model.safetensors", "runs/tiny/checkpoints/step-00000005:2"),
        ("runs/tiny/checkpoints", "runs/tiny/checkpoints/step-00000005:2"),
    ],
)
def test_a_run_or_checkpoint_shows_what_it_was_made_with(path, origin, trained, monkeypatch, capfd):
    monkeypatch.chdir(trained)
    monkeypatch.setenv("TRAINCTL__SEED", "9")
    out = shown(capfd, path)
    assert re.search(rf"^seed: 5 +# {origin}$", out, re.MULTILINE), out
    assert config_from_yaml(out, "shown").config.train.epochs == 1


@pytest.mark.parametrize("more", [["seed=3"], ["-s", "seed=3"], ["--epochs", "3"], ["--seed", "0"]])
def test_a_run_cannot_be_shown_with_changes(more, trained, monkeypatch, capfd):
    monkeypatch.chdir(trained)
    assert main(["show", "runs/tiny", *more]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: runs/tiny: a run is shown as it was, without changes",
        "hint: trainctl show runs/tiny/config.resolved.yaml KEY=VALUE",
    ]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("runs", 2, "runs: a directory; expected a YAML file"),
        ("runs/tinny", 2, "runs/tinny: no such file"),
        ("runs/other/best", 2, "runs/other/best: no such file"),
        ("checkpoint.json", 4, "checkpoint.json: no such run or checkpoint"),
    ],
)
def test_what_is_neither_a_config_nor_a_run(path, code, message, trained, monkeypatch, capfd):
    monkeypatch.chdir(trained)
    assert main(["show", path]) == code
    assert capfd.readouterr().err.startswith(f"error: {message}\n")


# -- JSON ---------------------------------------------------------------------------------------------


def test_json_has_the_values_and_their_origins(workspace, capfd):
    result = json.loads(shown(capfd, "tiny.yaml", "train.epochs=7", "--json", "-"))
    assert result["schema_version"] == 1
    assert result["config"] == yaml.safe_load(load_config("tiny.yaml", ["train.epochs=7"]).to_yaml())
    assert result["origins"]["train.epochs"] == "--set"
    assert result["origins"]["model.1.Linear.bias"] == "default"
    assert result["origins"]["seed"] == "tiny.yaml:3"


def test_json_in_a_file_leaves_stdout_empty(workspace, capfd):
    assert shown(capfd, "tiny.yaml", "--json", "out/shown.json") == ""
    assert json.loads((workspace / "out" / "shown.json").read_text())["config"]["name"] == "tiny"


@settings(max_examples=50)
@given(
    root=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\n\r\t\x85\u2028 #:'\""),
        min_size=1,
    )
)
def test_any_text_is_shown_as_the_resolved_config_has_it(root):
    text = """
data: {dataset: {MNIST: {root: x}}}
model: [Flatten]
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 1e-3}}
train: {epochs: 1}
"""
    loaded = config_from_yaml(text, "some.yaml")
    dataset = loaded.config.data.dataset
    changed = dataset.__class__(dataset.name, {**dataset.args, "root": root})
    data = loaded.config.data.model_copy(update={"dataset": changed})
    loaded = type(loaded)(loaded.config.model_copy(update={"data": data}), loaded.file, loaded.tree)
    read_back = config_from_yaml(annotated(loaded), "shown").config
    assert read_back == config_from_yaml(loaded.to_yaml(), "resolved").config
