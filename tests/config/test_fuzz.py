"""No text, base, override or variable gives anything but a config or a ConfigError that points into the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trainctl.config import LoadedConfig, config_from_yaml, load_config
from trainctl.config.json_schema import config_schema
from trainctl.errors import ConfigError, Problem

CONFIG = Path(__file__).parents[2] / "configs" / "mlp.yaml"
MLP = CONFIG.read_text()

# Pieces of YAML and of configs, so that random texts come near to being right.
PIECES = """\
\n|\n  |\n    |  |- |: |, |[|]|{|}|&a |*a|<<: |'|"|#|? |!!int |!x |%|---\n|...\n|>|\t|\\|\0|\x85|\u2028|é|😀|\ufeff|\
1e-3|0x1f|.nan|.inf|-1|007|1_000|true|no|null|~|2026-01-01|99999999999999999999|name|seed|data|dataset|MNIST|root|split|\
val|model|Linear|ReLU|Conv2d|out_features|loss|MSELoss|optimizer|SGD|lr|metrics|accuracy|train|epochs"""
VALIDATOR = Draft202012Validator(config_schema())
KEYS = "model data train optimizer SGD 0 1 -1 9 Linear Flatten lr split val epochs name x"
SOUP = st.lists(st.sampled_from(PIECES.split("|")), max_size=40).map("".join)
PATHS = st.lists(st.sampled_from(KEYS.split()), max_size=4).map(".".join)


@st.composite
def edited_configs(draw: st.DrawFn) -> str:
    """configs/mlp.yaml with a few stretches of it replaced."""
    text = MLP
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.one_of(SOUP, st.text(max_size=5))) + text[stop:]
    return text


def problems_of(load: Callable[[], LoadedConfig]) -> Sequence[Problem]:
    """The problems of a config; where there are none, it must survive being written and read."""
    try:
        loaded = load()
    except ConfigError as error:
        return error.problems
    again = config_from_yaml(loaded.to_yaml(), "again.yaml")
    assert again.config == loaded.config
    assert again.to_yaml() == loaded.to_yaml()
    assert [each[:2] for each in again.describe()] == [each[:2] for each in loaded.describe()]
    return []


def lines_of(text: str) -> list[str]:
    for line_break in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(line_break, "\n")
    return text.split("\n")


@settings(max_examples=400)
@given(st.one_of(st.text(), SOUP, edited_configs(), st.text(st.characters(codec=None))))
def test_any_text(text):
    lines = lines_of(text)
    for problem in problems_of(lambda: config_from_yaml(text, "f.yaml")):
        assert problem.message
        assert problem.file == "f.yaml"
        if problem.line is not None:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.text is None or lines[problem.line - 1].startswith(problem.text)


@given(PATHS, st.one_of(SOUP, st.text(), st.text(st.characters(codec=None))))
def test_any_override_and_variable(path, value):
    variable = "TRAINCTL__" + path.replace(".", "__").upper()
    for sets, environ in (([f"{path}={value}"], {}), ([value], {}), ([], {variable: value})):
        for problem in problems_of(lambda: load_config(CONFIG, sets, environ=environ)):  # noqa: B023  called at once
            assert problem.message


@given(st.binary())
def test_any_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "f.yaml"
    path.write_bytes(data)
    for problem in problems_of(lambda: load_config(path, environ={})):
        assert problem.file == str(path)


BASES = [
    "a.yaml",
    "b.yaml",
    "sub/c.yml",
    "../a.yaml",
    "./b.yaml",
    "gone.yaml",
    "sub",
    "a",
    "http://x/a.yaml",
    "link.yaml",
]
ENTRIES = st.one_of(
    st.sampled_from(BASES),
    st.builds(
        lambda file, paths: {"file": file, "without": paths},
        st.sampled_from(BASES),
        st.lists(PATHS, max_size=3) | PATHS,
    ),
    st.sampled_from([None, 3, "", [], {}]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KEYS.split()) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=3),
    max_leaves=8,
)
FILES = st.fixed_dictionaries(
    {},
    optional={"extends": ENTRIES | st.lists(ENTRIES, max_size=3)}
    | dict.fromkeys(("seed", "data", "model", "optimizer", "train", "name", "x"), VALUES),
)


@settings(max_examples=100)
@given(st.tuples(FILES, FILES, FILES))
def test_any_files_that_extend_each_other(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("extends")
    (folder / "sub").mkdir()
    (folder / "link.yaml").symlink_to(CONFIG)
    texts = {}
    for name, content in zip(("a.yaml", "b.yaml", "sub/c.yml"), files, strict=True):
        whole = {**yaml.safe_load(MLP), **content} if name == "sub/c.yml" else content
        texts[str(folder / name)] = yaml.safe_dump(whole, allow_unicode=True)
        (folder / name).write_text(texts[str(folder / name)], encoding="utf-8")
    for problem in problems_of(lambda: load_config(folder / "a.yaml", environ={})):
        assert problem.message
        assert problem.file in texts
        assert 1 <= problem.line <= len(lines_of(texts[problem.file]))


@settings(max_examples=100)
@given(FILES.map(lambda content: {**yaml.safe_load(MLP), **content}))
def test_what_the_json_schema_refuses_the_loader_refuses(tmp_path_factory, content):
    """Not the other way round: a schema cannot say that a metric is measured once, or that 2.0 is no integer."""
    path = tmp_path_factory.mktemp("schema") / "a.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if key != "extends"}))
    refused = bool(problems_of(lambda: load_config(path, environ={})))
    assert refused or VALIDATOR.is_valid(yaml.safe_load(path.read_text()))


NAMES = st.lists(st.sampled_from(KEYS.upper().split()) | st.text(max_size=4), max_size=4).map("__".join)


@given(
    st.dictionaries(NAMES, st.one_of(SOUP, VALUES.map(yaml.safe_dump)), max_size=4), st.sampled_from(["", "trainctl__"])
)
def test_any_variables_together(variables, prefix):
    environ = {f"{prefix or 'TRAINCTL__'}{name}": value for name, value in variables.items()}
    for problem in problems_of(lambda: load_config(CONFIG, environ=environ)):
        assert problem.message
        assert problem.file in environ or problem.line
