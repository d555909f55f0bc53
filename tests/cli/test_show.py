from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trainctl.cli.main import main
from trainctl.cli.show import annotated
from trainctl.config import config_from_yaml, load_config


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


@pytest.mark.parametrize("text", ["name: tiny", "val: 0.2", "p: 0.3", "accuracy"])
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
