from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainctl.config import Component, Config, config_from_yaml, load_config
from trainctl.config.files import MAX_BYTES
from trainctl.errors import ConfigError

MLP = Path(__file__).parents[2] / "configs" / "mlp.yaml"
SMALL = """\
data:
  dataset: {MNIST: {root: d}}
model:
  - Flatten
  - Linear:
      out_features: 10
loss: CrossEntropyLoss
optimizer: &sgd
  SGD:
    lr: 0.1
train: {epochs: 2}
"""


def load(text: str = SMALL, *sets: str, tmp_path: Path, environ=None, flags=None, name: str = "small.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return load_config(path, sets, flags, environ or {})


def problem_of(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_config(*args, environ={}, **kwargs)
    (problem,) = caught.value.problems
    return problem


def test_defaults(tmp_path):
    config = load(tmp_path=tmp_path).config
    assert (config.name, config.seed, config.device, config.threads) == ("small", 0, "auto", "auto")
    assert (config.data.split.val, config.data.batch_size, config.data.eval_batch_size) == (0.0, 64, 1000)
    assert (config.data.shuffle, config.data.drop_last, config.data.transforms) == (True, False, ())
    assert (config.metrics, config.train.checkpoint_every, config.train.monitor) == ((), None, None)
    assert config.model[1] == Component("Linear", {"out_features": 10, "bias": True})


def test_the_config_is_frozen(tmp_path):
    config = load(tmp_path=tmp_path).config
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


@pytest.mark.parametrize("name", ["my net.yaml", "模型.yaml", "a.b.yaml", "no-suffix"])
def test_the_run_is_named_after_the_file(tmp_path, name):
    assert load(tmp_path=tmp_path, name=name).config.name == Path(name).stem


def test_a_file_whose_name_cannot_name_a_run(tmp_path):
    with pytest.raises(ConfigError, match=r"name: expected a string of up to 60 letters.*got '\.small'"):
        load(tmp_path=tmp_path, name=".small")
    assert load("name: ok\n" + SMALL, tmp_path=tmp_path, name=".small").config.name == "ok"


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("train", "epochs"), 11, 17),
        (("train",), 11, 1),
        (("model",), 3, 1),
        (("model", 0), 4, 5),
        (("model", 0, "Flatten"), 4, 5),
        (("model", 0, "Flatten", "start_dim"), 4, 5),
        (("model", 1), 5, 5),
        (("model", 1, "Linear"), 5, 5),
        (("model", 1, "Linear", "out_features"), 6, 21),
        (("model", 1, "Linear", "bias"), 5, 5),
        (("optimizer", "SGD", "lr"), 10, 9),
        (("optimizer", "SGD"), 9, 3),
        (("seed",), 1, 1),
    ],
)
def test_locate(tmp_path, path, line, column):
    place = load(tmp_path=tmp_path).locate(path)
    assert (place.file, place.line, place.column) == (str(tmp_path / "small.yaml"), line, column)
    assert place.text == SMALL.splitlines()[line - 1]


def test_problem(tmp_path):
    problem = load(tmp_path=tmp_path).problem(("train", "epochs"), "too few", "write more")
    assert str(problem).splitlines()[0].endswith("small.yaml:11:17: too few")
    assert problem.hint == "write more"


def test_origins(tmp_path):
    loaded = load(
        SMALL,
        "model.0.Flatten.start_dim=1",
        "train.epochs=5",
        tmp_path=tmp_path,
        environ={"TRAINCTL__DATA__BATCH_SIZE": "8", "OTHER": "1"},
        flags={"seed": ("--seed", 4), "train.epochs": ("--epochs", 6), "device": ("--device", None)},
    )
    settings = {".".join(map(str, path)): (value, origin) for path, value, origin in loaded.describe()}
    file = f"{tmp_path / 'small.yaml'}"
    assert settings["train.epochs"] == (6, "--epochs")
    assert settings["seed"] == (4, "--seed")
    assert settings["device"] == ("auto", "default")
    assert settings["data.batch_size"] == (8, "TRAINCTL__DATA__BATCH_SIZE")
    assert settings["model.0.Flatten.start_dim"] == (1, "--set")
    assert settings["model.0.Flatten.end_dim"] == (-1, "default")
    assert settings["model.1.Linear.out_features"] == (10, f"{file}:6")
    assert settings["optimizer.SGD.lr"] == (0.1, f"{file}:10")
    assert settings["name"] == ("small", "default")
    assert settings["metrics"] == ([], "default")
    assert loaded.origin(("seed",)) == "--seed"
    assert next(iter(settings)) == "name"


def test_resolved_configs_read_back_equal():
    loaded = load_config(MLP, ["optimizer={Adam: {lr: 1e-05, betas: [0.8, 0.9]}}", "name=1e-3 yes"], environ={})
    again = config_from_yaml(loaded.to_yaml(), "config.resolved.yaml")
    assert again.config == loaded.config
    assert again.to_yaml() == loaded.to_yaml()
    assert [each[:2] for each in again.describe()] == [each[:2] for each in loaded.describe()]


def test_a_resolved_config_holds_every_key_in_the_order_of_the_schema(tmp_path):
    text = load(tmp_path=tmp_path).to_yaml()
    top = [line.partition(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert top == list(Config.model_fields)
    assert "{lr: 0.1, momentum: 0.0, dampening: 0.0" in text


def test_a_resolved_config_is_read_without_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINCTL__SEED", "9")
    assert config_from_yaml(SMALL, "small.yaml").config.seed == 0
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    assert load_config(path).config.seed == 9


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["trian.epochs=3"], ["--set trian.epochs: trian: unknown key", "did you mean 'train'?"]),
        (["train.epoch=3"], ["--set train.epoch: unknown key", "did you mean 'epochs'?"]),
        (["train.epochs=0"], ["--set train.epochs: expected an integer >= 1, got 0 (an integer)", None]),
        (
            ["model.1.Linear.out_feature=3"],
            ["--set model.1.Linear.out_feature: Linear has no such argument", "did you mean 'out_features'?"],
        ),
        (
            ["optimizer.lr=3"],
            [
                "--set optimizer.lr: expected one optimizer, got 2 keys: 'SGD', 'lr'",
                "an argument goes below the name: `SGD: {lr: ...}`",
            ],
        ),
        (["train={}"], ["--set train: missing key 'epochs'", "add `epochs: ...` (an integer >= 1)"]),
    ],
)
def test_a_mistake_in_an_override_is_located_there(tmp_path, sets, expected):
    with pytest.raises(ConfigError) as caught:
        load(SMALL, *sets, tmp_path=tmp_path)
    (problem,) = caught.value.problems
    assert [f"{problem.file}: {problem.message}", problem.hint] == expected
    assert problem.line is None


def test_mistakes_in_the_file_come_before_those_in_overrides(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load("seeed: 1\n" + SMALL, "x", "train.epochs=0", tmp_path=tmp_path, flags={"seed": ("--seed", -1)})
    assert [each.file.rpartition("/")[2] for each in caught.value.problems] == [
        "small.yaml",
        "--seed",
        "--set train.epochs",
        "--set x",
    ]


def test_a_value_repaired_by_an_override_is_no_mistake(tmp_path):
    assert load(SMALL.replace("epochs: 2", "epochs: x"), "train.epochs=2", tmp_path=tmp_path).config.train.epochs == 2


@pytest.mark.parametrize(("text", "kind"), [("3", "3 (an integer)"), ("a", "'a' (a string)"), ("[1]", "[1] (a list)")])
def test_a_file_that_is_no_mapping(text, kind):
    with pytest.raises(ConfigError, match="expected a mapping with data, model, loss") as caught:
        config_from_yaml(text, "a.yaml")
    assert caught.value.problems[0].message.endswith(f"got {kind}")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "~", "\ufeff"])
def test_an_empty_file(tmp_path, text):
    with pytest.raises(ConfigError, match="the file is empty"):
        load(text, tmp_path=tmp_path)


def test_a_missing_file(tmp_path):
    (tmp_path / "mlp.yaml").write_text(SMALL)
    (tmp_path / "mlp").mkdir()
    for wrong in ("mpl.yaml", "mlp.yml", "MLP.yaml"):
        problem = problem_of(tmp_path / wrong)
        assert (problem.message, problem.hint) == ("no such file", f"did you mean {tmp_path / 'mlp.yaml'}?")
    (tmp_path / "mlp").rmdir()
    assert problem_of(tmp_path / "mlp").hint == f"did you mean {tmp_path / 'mlp.yaml'}?"
    assert problem_of(tmp_path / "other").hint is None
    assert problem_of(tmp_path / "no" / "mlp.yaml").hint == f"there is no directory {tmp_path / 'no'} either"


def test_a_directory(tmp_path):
    (tmp_path / "a.yaml").write_text("")
    problem = problem_of(tmp_path)
    assert (problem.message, problem.hint) == ("a directory; expected a YAML file", "it holds a.yaml")


def test_a_file_in_place_of_a_directory(tmp_path):
    (tmp_path / "a").write_text("")
    assert problem_of(tmp_path / "a" / "b.yaml").message == "cannot be read: Not a directory"


def test_an_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    path.write_text(SMALL)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything
        monkeypatch.setattr(os, "open", _refuse)
    assert problem_of(path).message == "cannot be read: Permission denied"


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_name_no_file_can_have():
    assert problem_of("a\0b").message == "cannot be read: embedded null byte"
    assert problem_of("x" * 5000).message == "cannot be read: File name too long"


def test_bytes_that_are_not_utf_8(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("name: é\nseed: ".encode() + b"\xff\n")
    problem = problem_of(path)
    assert (problem.message, problem.line, problem.column) == ("not UTF-8: byte 0xff", 2, 7)
    path.write_bytes(b"a: 1\r\nb: \x0c1\n\xff")
    problem = problem_of(path)
    assert (problem.line, problem.column) == (3, 1)
    path.write_bytes(SMALL.encode("utf-16"))
    assert problem_of(path).message == "not UTF-8: byte 0xff (it begins as UTF-16 does)"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_config(path, environ={}).locate(("data",)).column == 1


def test_a_file_too_large(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(SMALL + "#" * MAX_BYTES)
    assert problem_of(path).message == f"over {MAX_BYTES} bytes; this is no config"
    path.write_text(SMALL + "#" * (MAX_BYTES - len(SMALL)))
    assert load_config(path, environ={}).config.train.epochs == 2


def test_an_endless_file():
    assert problem_of("/dev/zero").message == "cannot be read: a device; expected a file"


def test_loading_does_not_import_what_only_computing_needs():
    code = "import sys, trainctl.config; print([m for m in ('numpy', 'rich', 'typer') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=MLP.parents[1]
    )
    assert result.stdout == "[]\n"
