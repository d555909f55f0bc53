"""Files that an editor, a template or an accident made: read as YAML 1.2 says, or refused at the right place."""

from __future__ import annotations

import resource
import time

import pytest

from trainctl.config import load_config
from trainctl.errors import ConfigError

TEXT = """\
name: demo
seed: 0
data: {dataset: SmallMNIST}
model: [Flatten]
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.01}}
train:
  epochs: 10
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(data: str | bytes):
    with open("odd.yaml", "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return load_config("odd.yaml", environ={})


def problem_of(data: str | bytes):
    with pytest.raises(ConfigError) as caught:
        load(data)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        "\ufeff" + TEXT,
        TEXT.rstrip("\n"),
        "---\n" + TEXT + "...\n",
        "%YAML 1.1\n---\n" + TEXT,
        "# a comment\n\n" + TEXT + "\n\n# another\n",
        TEXT.replace("seed: 0", "seed:      0   # spaces"),
        TEXT.replace("seed: 0", '"seed": 0'),
        TEXT.replace("seed: 0", "? seed\n: 0"),
        TEXT.replace("{SGD: {lr: 0.01}}", "{SGD: &args {lr: 0.01}}"),
        TEXT.replace("model: [Flatten]", "model:\n- Flatten"),
        TEXT.replace("{lr: 0.01}", "{<<: {lr: 0.01, momentum: 0.9}, momentum: 0}"),
        TEXT.replace("{lr: 0.01}", "{<<: [{lr: 0.01}, {lr: 5}]}"),
        "{" + ", ".join(TEXT.replace("train:\n  epochs: 10", "train: {epochs: 10}").splitlines()) + "}",
        TEXT + "#" * 1_000_000,
    ],
    ids=range(16),
)
def test_the_same_config_however_it_is_written(data):
    assert load(data).to_yaml() == load(TEXT).to_yaml()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("1.e2", 100.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+1", 1.0),
        ("-0", 0.0),
        ("0x1F", 31.0),
        ("0o17", 15.0),
        ("007", 7.0),  # YAML 1.2: a decimal number, whatever its zeros
        ("010", 10.0),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("1e-400", 0.0),
        ("!!float 1", 1.0),
        ("&x 1", 1.0),
    ],
)
def test_numbers(written, value):
    loaded = load(TEXT.replace("0.01", written))
    assert loaded.config.optimizer.args["lr"] == value
    assert load(loaded.to_yaml()).config.optimizer == loaded.config.optimizer


@pytest.mark.parametrize(
    "written", ["yes", "no", "on", "off", "y", "n", "1_000", "2026-01-01", "12:30:45", "0b1", "1e"]
)
def test_words_that_are_no_numbers_or_booleans_are_strings(written):
    assert problem_of(TEXT.replace("0.01", written)).message.endswith(f"got '{written}' (a string)")


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (TEXT.replace("seed", "sede").replace("\n", "\r\n"), 2, 1, "sede: unknown key"),
        (TEXT.replace("seed", "sede").replace("\n", "\r"), 2, 1, "sede: unknown key"),
        ("\ufeff" + TEXT.replace("name", "nmae"), 1, 1, "nmae: unknown key"),
        (TEXT.replace("  epochs", "\tepochs"), 8, 1, "a tab where YAML wants spaces"),
        (TEXT.replace("seed: 0", "seed:\t0"), 2, 6, "a tab where YAML wants spaces"),
        (TEXT.encode("utf-16"), 1, 1, "not UTF-8: byte 0xff (it begins as UTF-16 does)"),
        (TEXT.encode("utf-16-be"), 1, 1, "a control character (U+0000)"),
        (TEXT.encode("utf-16-le"), 1, 2, "a control character (U+0000)"),
        (TEXT.encode("utf-32"), 1, 1, "not UTF-8: byte 0xff (it begins as UTF-16 does)"),
        (TEXT.replace("demo", "démo").encode("latin-1"), 1, 8, "not UTF-8: byte 0xe9"),
        (b"\x89PNG\r\n\x1a\n\0\0", 1, 1, "not UTF-8: byte 0x89"),
        (b"\x7fELF\x02\x01\x01\0", 1, 1, "a control character (U+007F)"),
        (b"PK\x03\x04\x14\0", 1, 3, "a control character (U+0003)"),
        (TEXT.replace("lr: 0.01", "lr: 1, momentum: 0, lr: 2"), 6, 39, "duplicate key 'lr', first on line 6"),
        (TEXT.replace("{lr: 0.01}", "{<<: {lr: 1}, <<: {lr: 2}}"), 6, 32, "duplicate key '<<', first on line 6"),
        (TEXT.replace("lr: 0.01", "<<: *x"), 6, 23, "the alias *x has no anchor &x above it"),
        (TEXT + "---\nseed: 1\n", 9, 1, "more than one document; a config is one"),
        ("---\n" + TEXT + "---\n", 10, 1, "more than one document; a config is one"),
        ("%YAML 3.0\n---\n" + TEXT, 1, 1, "not YAML: found incompatible YAML document (version 1.* is required)"),
        ("a: &a [*a]\n" + TEXT, 1, 4, "a value that holds an alias to itself"),
        (TEXT.replace("seed: 0", "seed:\u00a00"), 2, 1, "a key without its ':'"),
        (TEXT.replace("seed", "seed\u00a0"), 2, 1, "seed\u00a0: unknown key"),
        (TEXT.replace("seed", "\u200bseed"), 2, 1, "\u200bseed: unknown key"),
        (TEXT.replace("seed", "\uff53eed"), 2, 1, "\uff53eed: unknown key"),
        (TEXT + "x" * 1000 + ": 1", 9, 1, "x" * 100 + "…: unknown key"),
        (TEXT + "x" * 2000 + ": 1", 9, 1, "a key without its ':'"),
        (TEXT + "[1]: 2", 9, 1, "a key must be a string, not a list"),
        (TEXT.replace("demo", '"a\\0b"'), 1, 7, "a string with \\0 or half a surrogate pair"),
        (TEXT + "x: " + "[" * 1000, 9, 43, "over 40 levels"),
        ("[train]\nepochs = 3\n", 2, 1, "more than one document; a config is one"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(data, line, column, message):
    problem = problem_of(data)
    assert (problem.line, problem.column, problem.message) == (line, column, message)


@pytest.mark.parametrize("text", ["<!DOCTYPE html><html>", "import os\nprint(1)\n", "just words"])
def test_other_languages_are_no_mapping(text):
    assert problem_of(text).message.startswith("expected a mapping with data, model, loss, optimizer and train, got '")


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 10_000_000,
        b"name: " + b"x" * 1_000_000,
        b"x" * 1_000_000 + b": 1",
        b"- " * 500_000,
        b"[" * 1_000_000,
        b"{" * 1_000_000,
        b"a: " * 300_000,
        b"? " * 500_000,
        b'"' + b"\\" * 1_000_000,
        b"&a " * 300_000,
        b"!" * 1_000_000,
        b"#" + b"x\n#" * 300_000,
        b"\n" * 1_000_000,
        b"a: &a [" + b"x, " * 100 + b"]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b"*%c, " % (c - 1) * 100) for c in range(98, 110)),
        b"".join(b"k%d: 1\n" % number for number in range(60_000)),
    ],
    ids=["line", "value", "key", "items", "lists", "mappings", "colons", "questions", "quote", "anchors", "tags",
         "comments", "breaks", "bomb", "keys"],
)  # fmt: skip
def test_no_file_takes_long_or_much_memory(data):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert problem_of(data)
    assert time.process_time() - start < 4  # a second and less on a machine with nothing else to do
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024  # kilobytes
